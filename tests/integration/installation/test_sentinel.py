"""Redis behind Sentinel, for the ledger and for the broker: three real Sentinels, a primary, a replica, and a failover in the middle of a run."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.fan_outs import PERSONAL, personal
from tests.integration.installation.servers import SentinelServer, Server, a_free_port
from tests.rig import Rig, an_intent, some_settings, wait_until
from tests.stand_in import StandIn
from wooshq import Settings, Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.errors import LedgerUnavailable, NotAccepted

PASSWORD = "a/p#ss@"
OF_SENTINEL = "an+ther&"
DURABLE = ("--appendonly", "yes", "--save", "")


class Guarded:
    """A primary, its replica, and three Sentinels. All of them ask for a password, and that of the Sentinels is another one."""

    def __init__(self, folder: Path) -> None:
        login = ("--requirepass", PASSWORD, "--masterauth", PASSWORD, *DURABLE)
        self.primary = Server(folder, *login)
        self.replica = Server(folder, *login, "--replicaof", "127.0.0.1", str(self.primary.port))
        lines = (f'sentinel auth-pass mymaster "{PASSWORD}"', f'requirepass "{OF_SENTINEL}"', f'sentinel sentinel-pass "{OF_SENTINEL}"')
        self.sentinels = [SentinelServer(folder, self.primary.port, *lines) for _ in range(3)]
        wait_until(self._is_complete, saw=lambda: [one.log() for one in self.sentinels])

    def _is_complete(self) -> bool:
        """Whether every Sentinel knows the others and the replica, and the replica has what the primary has."""
        for sentinel in self.sentinels:
            with sentinel.client(password=OF_SENTINEL) as client:
                state = client.sentinel_master("mymaster")
            if (state["num-other-sentinels"], state["num-slaves"]) != (2, 1):
                return False
        with self.replica.client(password=PASSWORD) as client:
            return client.info("replication")["master_link_status"] == "up"

    def url(self, **changes: str) -> str:
        """As a user writes it."""
        hosts = changes.get("hosts") or ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        password = changes.get("password", "a%2Fp%23ss%40")
        query = f"master={changes.get('master', 'mymaster')}&sentinel_password={changes.get('sentinel_password', 'an+ther%26')}"
        return f"sentinel://:{password}@{hosts}/{changes.get('db', '0')}?{query}"

    def kill_primary(self) -> None:
        """Kill it when the replica has everything that it has written. What a replica has not received is lost: README, promise 1."""
        with self.primary.client(password=PASSWORD) as primary, self.replica.client(password=PASSWORD) as replica:
            primary.execute_command("CLIENT", "PAUSE", 600_000, "WRITE")
            wait_until(
                lambda: primary.info("replication")["master_repl_offset"] == replica.info("replication")["slave_repl_offset"],
                saw=lambda: (primary.info("replication"), replica.info("replication")),
            )
        self.primary.kill()

    def promoted(self) -> bool:
        with self.replica.client(password=PASSWORD) as client:
            return client.info("replication")["role"] == "master"

    def stop(self) -> None:
        for server in (*self.sentinels, self.primary, self.replica):
            server.kill()


@pytest.fixture
def guarded(data_dir: Path) -> Iterator[Guarded]:
    made = Guarded(data_dir)
    yield made
    made.stop()


@pytest.fixture
def settings(guarded: Guarded) -> Settings:
    return some_settings(redis_url=guarded.url(), broker_url=guarded.url(db="1"))


def accepted(settings: Settings, *users: str) -> None:
    with Wooshq(settings) as wooshq:
        for user in users:
            intent = wooshq.status(wooshq.enqueue(an_intent(user)))
            assert intent is not None
            assert intent.state == "queued"
        assert wooshq.flush(30)
        with wooshq.installation.app.connection_for_write() as connection, connection.channel() as channel:
            assert channel.queue_declare(queue="transactional", passive=True).message_count >= 1


class WhenAUrlNamesSentinels:
    def test_producers_reach_the_primary_sync_and_async(self, guarded: Guarded, settings: Settings) -> None:
        accepted(settings, "u1", "u2")

        async def use() -> None:
            async with AsyncWooshq(settings) as client:
                assert len(set(await asyncio.gather(*(client.enqueue(an_intent(f"a{n}")) for n in range(20))))) == 20

        asyncio.run(use())
        with guarded.primary.client(password=PASSWORD) as client:
            assert client.dbsize() > 20

    def test_sentinels_that_are_down_or_frozen_cost_little(self, guarded: Guarded) -> None:
        down = f"127.0.0.1:{a_free_port()}"
        frozen, alive, _ = guarded.sentinels
        frozen.process.send_signal(signal.SIGSTOP)
        accepted(some_settings(redis_url=guarded.url(hosts=f"{down},127.0.0.1:{frozen.port},127.0.0.1:{alive.port}")), "u1")

    def test_celerys_list_of_urls_is_understood(self, guarded: Guarded) -> None:
        first, second, _ = (f"sentinel://:a%2Fp%23ss%40@127.0.0.1:{sentinel.port}" for sentinel in guarded.sentinels)
        accepted(some_settings(redis_url=f"{first};{second}/0?master_name=mymaster&sentinel_password=an%2Bther%26"), "u1")

    def test_a_server_that_was_demoted_is_left_for_the_new_primary(self, guarded: Guarded, settings: Settings) -> None:
        with Wooshq(settings) as wooshq:
            wooshq.enqueue(an_intent("before"))
            with guarded.sentinels[0].client(password=OF_SENTINEL) as sentinel:
                wait_until(lambda: _fails_over(sentinel))
            wait_until(guarded.promoted, saw=guarded.sentinels[0].log)
            wait_until(lambda: _accepts(wooshq), saw=guarded.sentinels[0].log)
        with guarded.replica.client(password=PASSWORD) as client:
            assert client.info("replication")["role"] == "master"

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"master": "other"}, "no Sentinel knows a primary with the name other"),
            ({"sentinel_password": "wrong"}, "refuses our user name or password"),
            ({"password": "wrong"}, "refuses our user name or password"),
            ({"hosts": "127.0.0.1:1,127.0.0.1:2"}, "no Sentinel answers"),
        ],
    )
    def test_what_is_wrong_is_said_within_the_time_limit(self, guarded: Guarded, change: dict[str, str], says: str) -> None:
        settings = some_settings(redis_url=guarded.url(**change))
        with Wooshq(settings) as wooshq, pytest.raises(NotAccepted, match=says) as error:
            wooshq.enqueue(an_intent())
        assert not error.value.maybe_done
        assert not any(secret in str(error.value) for secret in ("wrong", PASSWORD, OF_SENTINEL))

        async def use() -> None:
            async with AsyncWooshq(settings) as client:
                with pytest.raises(LedgerUnavailable, match=says):
                    await client.counts()

        asyncio.run(use())


def _fails_over(sentinel: redis.Redis) -> bool:
    """Whether the Sentinel began a failover. Just started, it may not have heard yet how far the replica is."""
    try:
        sentinel.sentinel_failover("mymaster")
    except redis.ResponseError as error:
        assert "NOGOODSLAVE" in str(error)
        return False
    return True


def _accepts(wooshq: Wooshq) -> bool:
    try:
        return bool(wooshq.enqueue(an_intent("after")))
    except NotAccepted:
        return False


@contextmanager
def supervised(rig: Rig, workers: int) -> Iterator[None]:
    """Workers, each of which is started again if it ends."""
    stopped = threading.Event()

    def supervise() -> None:
        while not stopped.wait(0.1):
            for _ in range(workers - sum(worker.poll() is None for worker in rig.workers)):
                rig.start_worker()

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    try:
        yield
    finally:
        stopped.set()
        supervisor.join()
        rig.close()


class WhenThePrimaryIsKilledInTheMiddleOfARun:
    @pytest.mark.stand_in(latency_s=0.05)
    def test_everything_that_was_accepted_ends_and_doubles_are_on_record(self, guarded: Guarded, tmp_path: Path, api: StandIn) -> None:
        rig = Rig(tmp_path, api.url, redis_url=guarded.url(), broker_url=guarded.url(db="1"))
        with supervised(rig, workers=2):
            job = rig.wooshq.fan_out(PERSONAL, personal(2000))
            report = rig.wooshq.enqueue_many(an_intent(f"single{n}") for n in range(2000))
            wait_until(lambda: len(api.calls) > 500, saw=rig.logs)
            guarded.kill_primary()
            wait_until(guarded.promoted, saw=guarded.sentinels[0].log)
            wait_until(lambda: _accepts(rig.wooshq), saw=rig.logs)
            late = [rig.wooshq.enqueue(an_intent(f"late{n}")) for n in range(100)]

            statuses = rig.ended(i for i in (*report.ids, *late) if i is not None)
            done = job.wait()

            assert {status.state for status in statuses} == {"sent"}
            assert (done.state, done.sent, done.left) == ("done", 2000, 0)
            users = {f"single{n}" for n in range(2000)} | {f"late{n}" for n in range(100)} | {row["user"] for row in personal(2000)}
            assert set(api.accepted) == users | {"after"}
            in_doubt = sum(attempt["outcome"] == "unknown" for status in statuses for attempt in status.attempts)
            in_doubt += len(list(rig.wooshq.bulk.in_doubt(job.id)))
            assert sum(api.accepted[user] - 1 for user in users) <= in_doubt
