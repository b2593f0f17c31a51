"""
Workers, and the processes beside them that deliver events, are killed while receivers fail by turns: every message and every job that ended is told at
least once, in one event with one id and one text, and nothing is told that did not happen.

CHAOS_SEEDS=30 makes so many runs, instead of one.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.integration.worker.events.receiver import Got, Receiver
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq.events.ledger import GROUP
from wooshq.ledger.keys import Keys
from wooshq_worker.keeper.history.ledger import LOST_AFTER_MS

SEEDS = int(os.environ.get("CHAOS_SEEDS", "1"))
SINGLES, IN_JOB, ROUNDS = 120, 30, 6
KEYS = Keys("wq")


class Failing:
    """What a receiver answers: now and then an error, nothing at all for a while, or a success that the sender does not hear of."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self.is_well = False

    def __call__(self, got: Got, n: int) -> int | None:
        if self.is_well:
            return None
        match self._dice.randrange(5):
            case 0:
                return 500
            case 1:
                return 429
            case 2:
                time.sleep(1.5)  # longer than WOOSHQ_WEBHOOKS_TIMEOUT_S: it took the event, and the sender does not know
        return None


def refuse_some(call: Call, n: int) -> Reply | None:
    """The API refuses every fifth recipient for good."""
    return refusal(400, 3, "no") if any(int(one[1:]) % 5 == 0 for one in call.recipients if one[1:].isdecimal()) else None


def beside(worker: int) -> list[int]:
    """The processes beside a worker."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                status = (folder / "stat").read_text().rpartition(")")[2].split()
                is_one = int(status[1]) == worker and "wooshq_worker.beside" in (folder / "cmdline").read_text()
            except OSError:  # it has ended
                continue
            if is_one:
                found.append(int(folder.name))
    return found


@pytest.fixture(params=range(SEEDS))
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def rig(tmp_path: Path, seed: int) -> Iterator[Rig]:
    with StandIn(refuse_some, latency_s=0.02) as api:
        made = Rig(
            tmp_path / "rig", api.url, webhooks_allow="127.0.0.1", webhooks_timeout_s=1.0, lease_s=45.0, log_format="json",
            history_url=f"sqlite:///{tmp_path / 'history.db'}" if seed % 2 == 0 else "off",
        )  # fmt: skip
        yield made
        made.close()


def all_due(rig: Rig, *names: str) -> None:
    """What waits for its time, or what a process that was killed had taken, is due: the test need not wait for the clock."""
    events = KEYS.fixed("events")
    with rig.redis() as server:
        lost = [one["message_id"] for one in server.xpending_range(events, GROUP, "-", "+", 100, idle=5000)]
        if lost:
            server.xclaim(events, GROUP, "nobody", 0, lost, idle=LOST_AFTER_MS, justid=True)
        for name in names:
            due = KEYS.subscriber_part(f"webhook/{name}", "due")
            for entry in server.zrange(due, 0, -1):
                server.zadd(due, {entry: 1}, xx=True)
            server.hdel(KEYS.subscriber(f"webhook/{name}"), "quiet_till")


def test_every_end_is_told_under_one_id_and_nothing_else_is(rig: Rig, seed: int) -> None:
    dice = Random(seed)
    answers = [Failing(Random(seed + n)) for n in range(2)]
    with Receiver(answers[0]) as one, Receiver(answers[1]) as two:
        for name, receiver in (("one", one), ("two", two)):
            receiver.secret = rig.wooshq.webhooks.add(name, receiver.url).secret
        workers = [rig.start_worker() for _ in range(2)]
        ids: list[str] = []
        job = rig.wooshq.fan_out({"message": {"push": {"body": "Hi"}}}, [{"user": f"u{n}"} for n in range(1000, 1000 + IN_JOB)])
        for round_ in range(ROUNDS):
            found = rig.wooshq.enqueue_many(an_intent(f"u{round_ * 100 + n}") for n in range(SINGLES // ROUNDS)).ids
            ids += [one_id for one_id in found if one_id]
            wait_until(lambda n=round_: len(one.got) >= n, saw=rig.logs)
            killed = dice.randrange(len(workers))
            if round_ % 2:
                for process in beside(workers[killed].pid):
                    os.kill(process, signal.SIGKILL)
            else:
                workers[killed].kill()
                workers[killed].wait()
                rig.end_leases()
                workers[killed] = rig.start_worker()
        ended = {status.id: status.state for status in rig.ended(ids)}
        wait_until(lambda: rig.wooshq.bulk.show(job.id).is_final, saw=rig.logs)
        # A recipient of the job whom the API refuses is a dead letter of its own.
        ended |= {letter.id: "dead" for letter in rig.wooshq.dead_letters.list(most=1000) if letter.bulk_id == job.id}
        assert len(ended) == len(ids) + IN_JOB // 5
        for answer in answers:
            answer.is_well = True

        def all_told() -> bool:
            all_due(rig, "one", "two")
            return all(
                set(ids) <= {*receiver.ids("messages.sent"), *receiver.ids("messages.dead")} and receiver.of("job.ended")
                for receiver in (one, two)
            ) and not any(webhook.waiting for webhook in rig.wooshq.webhooks.list())

        wait_until(all_told, saw=lambda: (rig.wooshq.webhooks.list(), rig.logs()[-1500:]), every_s=0.5)
    for receiver in (one, two):
        assert all(got.is_genuine for got in receiver.got)
        assert all(len(texts) == 1 for texts in receiver.texts().values()), "one id, one text"
        told = {state: receiver.ids(f"messages.{state}") for state in ("sent", "dead", "expired", "cancelled")}
        assert {one_id: state for state in told for one_id in told[state]} == ended, "what is told has happened, and just that"
        assert max(Counter(one_id for some in told.values() for one_id in some).values()) == 1, "in one event"
        (of_job,) = receiver.of("job.ended")
        assert (of_job["data"]["job"], of_job["data"]["total"]) == (job.id, IN_JOB)
    assert one.texts().keys() == two.texts().keys(), "both are told the same events"
