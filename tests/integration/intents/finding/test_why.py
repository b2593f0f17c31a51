"""Why a message is not out yet: one reason of a closed list, with the moment that is expected and the act that fits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.rig import APPLICATION, Rig, an_intent, wait_until
from tests.stand_in import Reply, StandIn
from wooshq import Wooshq
from wooshq.finding.why import Explained, NotYet
from wooshq.ledger.gates import Heard, Shut
from wooshq.ledger.intents import read_rows
from wooshq.ledger.steps import Ask

UNAVAILABLE = Reply(503, {"code": 14, "message": "try later", "status": "UNAVAILABLE"})


def explained(wooshq: Wooshq, name: str) -> Explained:
    """The answer for an intent that is there."""
    found = wooshq.why(name)
    assert found is not None
    return found


def write(wooshq: Wooshq, *command: Any) -> Any:
    """One command of Redis, as a script or a lost worker would have left it."""

    def steps() -> Any:
        return (yield Ask([command]))[0]

    return wooshq.do(steps())


def changed(wooshq: Wooshq, intent_id: str, **fields: str) -> None:
    """The intent's row with other fields."""
    keys = wooshq.ledger.keys
    row = wooshq.do(read_rows(keys, [intent_id])).rows[0] | fields
    write(wooshq, "DEL", keys.intent(intent_id))
    write(wooshq, "HSET", keys.intent(intent_id), *(part for pair in row.items() for part in pair))


def a_worker_is_there(wooshq: Wooshq) -> None:
    write(wooshq, "SET", wooshq.ledger.keys.fixed("keeper"), "somebody")


class WhenNothingHoldsIt:
    def test_no_worker_runs(self, wooshq: Wooshq) -> None:
        found = explained(wooshq, wooshq.enqueue(an_intent()))
        assert found.reason == NotYet.NO_WORKER
        assert "no worker runs" in found.sentence
        assert found.command == "wooshq worker -Q transactional"

    def test_workers_take_from_another_lane_only(self, wooshq: Wooshq) -> None:
        intent_id = wooshq.enqueue(an_intent(lane="bulk"))
        a_worker_is_there(wooshq)
        write(wooshq, "HSET", wooshq.ledger.keys.fixed("bells"), "bulk", "1", "bulk:rung", 1000)
        found = explained(wooshq, intent_id)
        assert found.reason == NotYet.NO_WORKER
        assert "no worker takes from the bulk lane" in found.sentence

    def test_others_come_before_it(self, wooshq: Wooshq) -> None:
        ids = [wooshq.enqueue(an_intent(f"u{n}")) for n in range(3)]
        a_worker_is_there(wooshq)
        found = [explained(wooshq, one) for one in ids]
        assert [one.reason for one in found] == [NotYet.LANE] * 3
        assert [one.before for one in found] == [0, 1, 2]
        assert found[0].expected_at is not None
        assert "2 of its application come before it" in found[2].sentence


class WhenSomethingHoldsIt:
    @pytest.mark.parametrize(
        "whose, command, says",
        [
            ({}, "wooshq resume --all", "Its sending is paused by ana: the shop is down."),
            ({"lane": "bulk"}, "wooshq resume --lane bulk", "Its lane is paused by ana: the shop is down."),
            (
                {"application": APPLICATION},
                f"wooshq resume --application {APPLICATION}",
                "Its application is paused by ana: the shop is down.",
            ),
        ],
    )
    def test_a_pause_names_who_and_why_and_how_to_resume(self, wooshq: Wooshq, whose: dict[str, str], command: str, says: str) -> None:
        intent_id = wooshq.enqueue(an_intent(lane="bulk"))
        wooshq.pause(**whose, why="the shop is down", by="ana")
        found = explained(wooshq, intent_id)
        assert (found.reason, found.sentence, found.command) == (NotYet.PAUSED, says, command)
        assert found.expected_at is None

    def test_a_gate_says_until_when(self, wooshq: Wooshq) -> None:
        intent_id = wooshq.enqueue(an_intent())
        wooshq.do(wooshq.ledger.gates.report(APPLICATION, Heard(failed=wooshq.settings.breaker_failures)))
        found = explained(wooshq, intent_id)
        assert found.reason == NotYet.GATE
        assert found.sentence.startswith("The gate circuit is shut")
        assert found.expected_at is not None

    def test_the_api_said_when_to_come_back(self, wooshq: Wooshq) -> None:
        intent_id = wooshq.enqueue(an_intent())
        wooshq.do(wooshq.ledger.gates.report(APPLICATION, Heard(failed=1), [Shut("not_before", "slow down", 60.0)]))
        found = explained(wooshq, intent_id)
        assert found.reason == NotYet.RETRY_AFTER
        assert found.expected_at is not None

    def test_a_pause_comes_before_every_other_gate(self, wooshq: Wooshq) -> None:
        intent_id = wooshq.enqueue(an_intent())
        wooshq.shut_gate("circuit", why="by hand")
        wooshq.pause(why="noon")
        assert explained(wooshq, intent_id).reason == NotYet.PAUSED

    @pytest.mark.settings(rate_per_s=1)
    def test_a_ceiling_says_how_many_come_before_it_and_when_its_slot_comes(self, rig: Rig) -> None:
        ids = [str(one) for one in rig.wooshq.enqueue_many([an_intent(f"u{n}") for n in range(50)]).ids]
        rig.start_worker()
        wait_until(lambda: explained(rig.wooshq, ids[-1]).reason == NotYet.RATE, saw=lambda: explained(rig.wooshq, ids[-1]).to_json())
        found = explained(rig.wooshq, ids[-1])
        assert "the 1 calls a second that it may" in found.sentence
        assert found.before is not None
        assert found.expected_at is not None
        assert datetime.fromisoformat(found.expected_at) > datetime.now(UTC) + timedelta(seconds=found.before - 5)
        assert found.command == "wooshq limits"

    def test_lost_workers_held_it(self, wooshq: Wooshq) -> None:
        intent_id, keys = wooshq.enqueue(an_intent()), wooshq.ledger.keys
        write(wooshq, "ZREM", keys.queue("transactional", APPLICATION), intent_id)
        write(wooshq, "ZADD", keys.suspects("transactional"), 1, intent_id)
        changed(wooshq, intent_id, lost="2")
        found = explained(wooshq, intent_id)
        assert found.reason == NotYet.SUSPECT
        assert found.sentence.startswith("2 workers were lost")


class WhenItIsUnderWay:
    @pytest.mark.stand_in(latency_s=3600)
    def test_a_worker_waits_for_the_answer(self, rig: Rig, api: StandIn) -> None:
        intent_id = rig.wooshq.enqueue(an_intent())
        rig.start_worker()
        wait_until(lambda: api.calls)
        found = explained(rig.wooshq, intent_id)
        assert found.reason == NotYet.UNDER_WAY
        assert found.since is not None
        assert found.command == ""
        wait_until(lambda: rig.wooshq.overview().workers)
        (worker,) = rig.wooshq.overview().workers
        assert explained(rig.wooshq, intent_id).sentence.startswith(f"The worker {worker.pid} on {worker.host} holds it")
        changed(rig.wooshq, intent_id, begun="1000")
        late = explained(rig.wooshq, intent_id)
        assert late.reason == NotYet.UNDER_WAY
        assert "when the lease ends" in late.sentence
        assert late.command == "wooshq doctor"


@pytest.mark.settings(backoff_base_s=3600, backoff_ceiling_s=7200, short_tries=1, breaker_failures=1000)
class WhenAnAttemptFailed:
    def test_it_says_what_failed_and_is_tried_again_at_once_if_somebody_asks(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: UNAVAILABLE if n == 1 else None
        intent_id = rig.wooshq.enqueue(an_intent())
        rig.start_worker()
        wait_until(lambda: rig.status(intent_id).state == "retrying", saw=lambda: rig.status(intent_id).to_json())
        found = explained(rig.wooshq, intent_id)
        assert found.reason == NotYet.RETRY
        assert found.sentence.startswith("Its attempt failed (503")
        assert found.expected_at == rig.status(intent_id).next_attempt_at
        assert found.command == f"wooshq try-now {intent_id}"

        said = rig.cli("try-now", intent_id, "--why", "the API is well again", "--by", "ana")
        assert said.returncode == 0, said.stderr
        [ended] = rig.ended([intent_id])
        assert ended.state == "sent"
        act = rig.wooshq.audit().found[0]
        assert (act.did, act.what, act.by, act.why, act.count) == ("hastened", f"intent {intent_id}", "ana", "the API is well again", 1)
        assert explained(rig.wooshq, intent_id).reason is None

    def test_what_does_not_wait_for_its_time_stays_as_it_is(self, rig: Rig) -> None:
        waits = rig.wooshq.enqueue(an_intent())
        assert rig.wooshq.try_now(waits) == "queued"
        assert rig.wooshq.try_now("nobody") is None
        said = rig.cli("try-now", waits, "nobody")
        assert said.returncode == 1
        assert b"queued already" in said.stderr
        assert rig.wooshq.audit().found == ()


class WhenItIsOver:
    def test_pushwoosh_keeps_it_until_its_schedule(self, rig: Rig) -> None:
        at = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
        intent_id = rig.wooshq.enqueue(an_intent(schedule={"at": at.isoformat()}))
        rig.start_worker()
        rig.ended([intent_id])
        found = explained(rig.wooshq, intent_id)
        assert found.reason == NotYet.SCHEDULED
        assert found.expected_at is not None
        assert datetime.fromisoformat(found.expected_at) == at
        assert found.command == f"wooshq cancel {intent_id}"

    def test_a_dead_letter_leads_to_its_fix(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(400, {"code": 3, "message": "no", "status": "INVALID_ARGUMENT"})
        intent_id = rig.wooshq.enqueue(an_intent())
        rig.start_worker()
        rig.ended([intent_id])
        found = explained(rig.wooshq, intent_id)
        assert (found.reason, found.state, found.command) == (None, "dead", f"wooshq dead show {intent_id}")
        assert found.act == "Fix it and replay it."

    def test_a_dead_letter_that_is_done_with_asks_for_nothing(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(400, {"code": 3, "message": "no", "status": "INVALID_ARGUMENT"})
        sent_later, dropped = rig.wooshq.enqueue(an_intent("u1")), rig.wooshq.enqueue(an_intent("u2"))
        rig.start_worker()
        rig.ended([sent_later, dropped])
        api.answer = lambda call, n: None
        rig.wooshq.dead_letters.discard(dropped, why="a test")
        rig.wooshq.dead_letters.replay(sent_later, dry_run=False, why="a test")
        wait_until(lambda: rig.wooshq.dead_letters.show(sent_later).state == "closed", saw=rig.logs)
        for one, said in ((sent_later, "a replay of it was sent"), (dropped, "somebody discarded")):
            found = explained(rig.wooshq, one)
            assert said in found.sentence
            assert found.act == ""

    def test_an_unknown_id_has_no_answer(self, rig: Rig) -> None:
        assert rig.wooshq.why("nobody") is None
        assert rig.cli("why", "nobody").returncode == 1


class WhenAPersonAsks:
    def test_the_command_says_the_sentence_and_the_act(self, rig: Rig) -> None:
        intent_id = rig.wooshq.enqueue(an_intent(idempotency_key="order-7"))
        rig.wooshq.pause(why="noon", by="ana")
        said = rig.cli("why", "order-7").stdout.decode()
        assert said.startswith("Its sending is paused by ana: noon.\n")
        assert "Resume it. wooshq resume --all" in said
        assert json.loads(rig.cli("why", intent_id, "--json").stdout)["reason"] == "paused"
