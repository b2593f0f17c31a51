"""Every act of an operator is in the audit log: who, when, on what, why, how many, and what came of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.fan_outs import PERSONAL, personal
from tests.integration.letters.dead_letters import letters_of, users
from tests.rig import Rig, an_intent
from tests.stand_in import StandIn
from wooshq import IntentInvalid, Wooshq
from wooshq.gates.who import who

ANA = "ana@ops-1"


def acts(wooshq: Wooshq) -> list[tuple[str, str, str, str, int | None, str]]:
    """The oldest first: who did what, why, how many, and what came of it."""
    return [(one.by, one.did, one.what, one.why, one.count, one.result) for one in reversed(wooshq.audit().found)]


class WhenAnOperatorActs:
    def test_each_act_is_there_once_with_who_why_and_how_many(self, wooshq: Wooshq) -> None:
        letters = letters_of(wooshq, users(5))
        wooshq.dead_letters.edit(letters[0], {"message": {"preset": "RIGHT"}}, why="typo", by=ANA)
        wooshq.dead_letters.discard(*letters[:2], why="test data", by=ANA)
        done = wooshq.dead_letters.replay(reason="rejected", why="INC-7", by=ANA)
        wooshq.replays.pause(done.id or "", "noon", by=ANA)
        wooshq.replays.resume(done.id or "", by=ANA)
        wooshq.replays.cancel(done.id or "", "never mind", by=ANA)
        intent_id = wooshq.enqueue(an_intent())
        wooshq.cancel(wooshq.enqueue(an_intent()))
        wooshq.cancel(intent_id, why="wrong text", by=ANA)
        job = wooshq.fan_out(PERSONAL, personal(2))
        job.cancel("never mind")
        wooshq.limits.set("rate", 50, by=ANA)

        assert acts(wooshq) == [
            (ANA, "edited", f"letter {letters[0]}", "typo", 1, "edited"),
            (ANA, "discarded", "letters", "test data", 2, "discarded"),
            (ANA, "started", f"replay {done.id}", "INC-7", 3, "running"),
            (ANA, "paused", f"replay {done.id}", "noon", 3, "paused"),
            (ANA, "resumed", f"replay {done.id}", "", 3, "running"),
            (ANA, "cancelled", f"replay {done.id}", "never mind", 3, "cancelled"),
            (ANA, "cancelled", f"intent {intent_id}", "wrong text", 1, "cancelled"),
            (who(), "cancelled", f"job {job.id}", "never mind", 2, "cancelled"),
            (ANA, "set", "the rate of every application", "", None, "none → 50"),
        ]
        assert [one.selection for one in wooshq.audit().found if one.what.startswith("replay")] == ["reason:rejected"] * 4
        assert [one.what for one in wooshq.changes()] == ["the rate of every application", f"job {job.id}"], "only gates, limits and jobs"
        assert {one.by for one in wooshq.audit(by=ANA).found} == {ANA}
        assert len(wooshq.audit(most=2).found) == 2

    def test_the_selection_has_fixed_times_and_names_no_recipient(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, ["ann"])
        since = datetime(2020, 5, 1, 9, tzinfo=UTC)
        wooshq.dead_letters.discard(recipient="ann", reason="rejected", since=since)
        (act,) = wooshq.audit().found
        assert act.selection == "reason:rejected recipient:(hidden) since:2020-05-01T09:00:00Z"

    def test_what_was_tried_and_changed_nothing_is_not_there(self, wooshq: Wooshq) -> None:
        (letter,) = letters_of(wooshq, ["u1"])
        wooshq.dead_letters.discard(letter, dry_run=True)
        wooshq.dead_letters.replay(letter, dry_run=True)
        wooshq.dead_letters.replay(letter, start=False)
        assert wooshq.audit().found == ()
        wooshq.dead_letters.discard(letter)
        wooshq.dead_letters.discard(letter)
        assert len(wooshq.audit().found) == 1


class WhenSomethingSentIsSentAgain:
    def test_it_needs_a_reason_and_both_are_on_record(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        sent = rig.wooshq.enqueue(an_intent("u1", idempotency_key="order-1"))
        rig.ended([sent])

        assert rig.cli("resend", sent).returncode == 2, "why?"
        done = rig.cli("resend", sent, "--why", "she deleted it", "--by", ANA)
        new = done.stdout.decode().strip()

        (status,) = rig.ended([new])
        assert (status.state, status.replay_of) == ("sent", sent)
        assert rig.status(sent).replays == [new]
        assert api.accepted == {"u1": 2}
        assert [(one.by, one.did, one.what, one.why, one.result) for one in rig.wooshq.audit().found] == [
            (ANA, "resent", f"intent {sent}", "she deleted it", f"intent {new}")
        ]
        shown = json.loads(rig.cli("audit", "--json", "--by", ANA).stdout)
        assert (shown["did"], shown["count"]) == ("resent", 1)
        assert b"she deleted it" in rig.cli("audit").stdout

    def test_nothing_else_can_be_sent_again(self, wooshq: Wooshq) -> None:
        (letter,) = letters_of(wooshq, ["u1"])
        waiting = wooshq.enqueue(an_intent())
        for intent_id, word in ((letter, "dead replay"), (waiting, "queued")):
            with pytest.raises(IntentInvalid, match=word):
                wooshq.resend(intent_id, "why not")
        assert wooshq.resend("0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d", "why not") is None
        with pytest.raises(ValueError, match="why"):
            wooshq.resend(waiting, " ")
        assert wooshq.audit().found == ()
