"""A worker says at its start what is wrong with its Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.installation.servers import Server
from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn

SAFE = ("--appendonly", "yes", "--maxmemory-policy", "noeviction")


@pytest.fixture
def start(data_dir: Path, tmp_path: Path, api: StandIn) -> Iterator[Callable[..., tuple[Rig, Server]]]:
    """Start a Redis with these options, and a worker."""
    made: list[tuple[Rig, Server]] = []

    def start(*options: str, up: bool = True, strict: bool = False) -> tuple[Rig, Server]:
        server = Server(data_dir, "--save", "", *options)
        rig = Rig(tmp_path, api.url, redis_url=f"redis://127.0.0.1:{server.port}/0", broker_url=f"redis://127.0.0.1:{server.port}/1")
        made.append((rig, server))
        rig.env["WOOSHQ_STRICT"] = "1" if strict else ""
        if not up:
            server.stop()
        rig.start_worker()
        return rig, server

    yield start
    for rig, server in made:
        rig.close()
        server.kill()


def problems(rig: Rig) -> dict[str, tuple[str, str]]:
    """What the problems are about → level, and what is said."""
    return {event["of"]: (event["level"], event["says"]) for event in rig.events("redis_problem")}


class WhenRedisMayLoseMessages:
    def test_it_is_said_loudly_and_the_worker_sends_all_the_same(self, start: Callable[..., tuple[Rig, Server]]) -> None:
        rig, _ = start("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
        wait_until(lambda: len(problems(rig)) == 2, saw=rig.logs)
        assert problems(rig) == {
            "durability": ("error", "there is no append-only file, so a restart loses what was accepted"),
            "eviction": ("error", "the policy is allkeys-lru: Redis may delete intents"),
        }
        assert all(event["hint"].startswith("Run CONFIG SET") for event in rig.events("redis_problem"))
        assert rig.ended([rig.wooshq.enqueue(an_intent())])[0].state == "sent"

    def test_a_redis_that_is_down_is_looked_at_later(self, start: Callable[..., tuple[Rig, Server]]) -> None:
        rig, server = start(*SAFE[:2], "--maxmemory-policy", "volatile-ttl", up=False)
        wait_until(lambda: "Cannot connect" in rig.logs(), saw=rig.logs)
        assert problems(rig) == {}
        server.start()
        wait_until(lambda: set(problems(rig)) == {"eviction"}, saw=rig.logs)


class WhenItIsStrict:
    @pytest.mark.parametrize(
        ("options", "why"),
        [
            (("--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"), "the policy is allkeys-lru: Redis may delete intents"),
            (("--maxmemory-policy", "noeviction"), "there is no append-only file, so a restart loses what was accepted"),
        ],
    )
    def test_it_refuses_a_redis_that_loses_messages_and_takes_nothing(
        self, start: Callable[..., tuple[Rig, Server]], options: tuple[str, ...], why: str
    ) -> None:
        rig, _ = start(*options, strict=True)
        intent_id = rig.wooshq.enqueue(an_intent())
        assert rig.workers[0].wait(GENEROUS_S) == 78
        (said,) = rig.events("worker_refuses")
        assert (said["level"], said["why"]) == ("critical", [why])
        assert rig.status(intent_id).state == "queued"

    def test_on_a_redis_that_keeps_them_it_works_also_if_it_was_down_at_first(self, start: Callable[..., tuple[Rig, Server]]) -> None:
        rig, server = start(*SAFE, up=False, strict=True)
        wait_until(lambda: rig.events("worker_starts"), saw=rig.logs)
        server.start()
        assert rig.ended([rig.wooshq.enqueue(an_intent())])[0].state == "sent"

    def test_the_embedded_redis_is_one_of_them(self, rig: Rig) -> None:
        rig.env["WOOSHQ_STRICT"] = "1"
        rig.start_worker()
        assert rig.ended([rig.wooshq.enqueue(an_intent())])[0].state == "sent"


class WhenItsUserLacksARight:
    def test_the_right_is_named(self, start: Callable[..., tuple[Rig, Server]]) -> None:
        rig, server = start(*SAFE)
        wait_until(lambda: rig.events("worker_starts"))
        with server.client() as admin:
            admin.execute_command("ACL", "SETUSER", "default", "-hincrby", "-config")
        rig.start_worker()
        wait_until(lambda: problems(rig), saw=rig.logs)
        assert problems(rig) == {"redis": ("error", "its user lacks rights: +hincrby")}

    def test_a_worker_that_may_not_read_the_broker_names_the_right_and_sends_once_it_has_it(
        self, start: Callable[..., tuple[Rig, Server]]
    ) -> None:
        rig, server = start(*SAFE)
        wait_until(lambda: rig.events("worker_starts"))
        with server.client() as admin:
            admin.execute_command("ACL", "SETUSER", "default", "resetkeys", "~wq:*", "~transactional*", "~bulk*", "~celery*")
            other = rig.start_worker()
            wait_until(lambda: problems(rig).get("broker") == ("error", "its user lacks rights: ~unacked*"), saw=rig.logs)
            wait_until(lambda: "no permissions to access one of the keys" in rig.logs(), saw=rig.logs)
            assert "AttributeError" not in rig.logs()
            rig.kill(rig.workers[0])
            admin.execute_command("ACL", "SETUSER", "default", "allkeys")
        assert rig.ended([rig.wooshq.enqueue(an_intent())])[0].state == "sent"
        assert other.poll() is None


class WhenRedisIsAsItShouldBe:
    def test_nothing_is_said(self, start: Callable[..., tuple[Rig, Server]]) -> None:
        rig, _ = start(*SAFE)
        rig.env["WOOSHQ_LOG_LEVEL"] = "DEBUG"
        rig.start_worker()
        wait_until(lambda: {"redis", "durability", "eviction", "broker"} <= set(problems(rig)), saw=rig.logs)
        assert {level for level, _ in problems(rig).values()} == {"debug"}
