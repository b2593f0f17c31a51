"""A dead letter is edited and replayed."""

from __future__ import annotations

import time
from typing import Any

from tests.rig import Rig, an_intent
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq.ledger.steps import Ask


class WhenAnIntentIsRefusedByTheApi:
    def test_it_becomes_a_dead_letter_that_can_be_edited_and_replayed(self, rig: Rig, api: StandIn) -> None:
        def only_the_good(call: Call, n: int) -> Reply | None:
            inner = call.body["transactional"]
            return (
                refusal(400, 3, "title too rude")
                if inner["payload"]["content"]["localized_content"]["default"]["ios"]["title"] == "bad"
                else None
            )

        api.answer = only_the_good
        rig.start_worker()
        intent_id = rig.wooshq.enqueue({"to": {"users": ["u1"]}, "message": {"push": {"title": "bad"}}, "tags": {"team": "a"}})

        assert rig.ended([intent_id])[0].reason == "rejected"
        letter = rig.wooshq.dead_letters.list(tag=("team", "a"), recipient="u1")[0]
        assert rig.wooshq.dead_letters.groups()[0].count == 1
        plan = rig.wooshq.dead_letters.replay(letter.id, dry_run=True)
        assert (plan.selected, plan.replayed) == (1, 1)
        assert rig.wooshq.dead_letters.show(letter.id).state == "open"

        # unchanged it fails again, and the letter keeps its history
        again = rig.wooshq.dead_letters.replay(letter.id)
        rig.ended(again.ids.values())
        shown = rig.wooshq.dead_letters.show(letter.id)
        assert (shown.state, len(shown.attempts), shown.replays) == ("open", 2, list(again.ids.values()))

        # edited it is sent, and the letter is closed
        rig.wooshq.dead_letters.edit(letter.id, {"message": {"push": {"title": "good"}}})
        third = rig.wooshq.dead_letters.replay(letter.id)
        status = rig.ended(third.ids.values())[0]
        assert status.state == "sent"
        shown = rig.wooshq.dead_letters.show(letter.id)
        assert (shown.state, shown.message_code) == ("closed", status.message_codes[0])
        assert rig.wooshq.dead_letters.replay(letter.id).skipped == 1

    def test_two_replays_of_one_letter_send_it_once(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no") if n == 1 else None
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        rig.ended([intent_id])

        done = [rig.wooshq.dead_letters.replay(intent_id) for _ in range(2)]

        assert [d.replayed for d in done] == [1, 0]
        rig.ended(done[0].ids.values())
        assert len(api.calls) == 2

    def test_letters_replayed_at_a_rate_wait_in_the_replay(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no") if n <= 4 else None
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(4))
        rig.ended(i for i in report.ids if i)

        plan = rig.wooshq.dead_letters.replay(reason="rejected", rate=1, dry_run=True)
        assert (plan.replayed, plan.takes_s, plan.ids) == (4, 3.0, {})
        started = time.monotonic()
        done = rig.wooshq.dead_letters.replay(reason="rejected", rate=1)

        assert done.id is not None
        assert rig.wooshq.replays.show(done.id).waiting > 0, "the caller may go away: the ledger holds them back"
        assert rig.wooshq.replays.wait(done.id).sent == 4
        assert time.monotonic() - started > 2.9

    def test_a_letter_of_a_newer_wooshq_is_skipped(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no")
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        rig.ended([intent_id])
        rig.wooshq.do(_set_version(rig, intent_id, 99))

        done = rig.wooshq.dead_letters.replay(intent_id)

        assert (done.replayed, done.skipped) == (0, 1)
        assert "newer version of wooshq" in done.why[intent_id]


def _set_version(rig: Rig, intent_id: str, version: int) -> Any:
    yield Ask([("HSET", rig.wooshq.ledger.keys.intent(intent_id), "v", version)])
