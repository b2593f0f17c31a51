"""Intents are found by state, by doubt, and by the other names that a caller may have."""

from __future__ import annotations

import asyncio
import json

import pytest
from celery import Celery

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Reply, StandIn, refusal
from wooshq import Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.installation.celery_app import SUBMIT


class WhenACallerHasAnotherNameThanTheId:
    def test_the_celery_task_of_a_submit_is_its_intent(self, rig: Rig) -> None:
        with Celery("shop", broker=rig.wooshq.installation.places.broker_url, set_as_current=False) as shop:
            task = shop.send_task(SUBMIT, args=[an_intent("from-celery")], queue="transactional")
            rig.start_worker()
            wait_until(lambda: rig.wooshq.status(task.id))
        found = rig.wooshq.status(task.id)
        assert found is not None
        assert rig.wooshq.status(found.id) is not None
        assert rig.cli("status", task.id).returncode == 0

    def test_an_idempotency_key_is_the_intent_that_it_accepted(self, wooshq: Wooshq) -> None:
        intent_id = wooshq.enqueue(an_intent(idempotency_key="Order 7: shipped"))
        found = wooshq.status("Order 7: shipped")
        assert found is not None
        assert found.id == intent_id

    def test_a_key_belongs_to_its_application(self, wooshq: Wooshq) -> None:
        intent_id = wooshq.enqueue(an_intent(idempotency_key="k", application="CCCCC-DDDDD"))
        assert wooshq.status("k") is None
        found = wooshq.status("k", application="CCCCC-DDDDD")
        assert found is not None
        assert found.id == intent_id

    @pytest.mark.parametrize("name", ["", " ", "no such key", "\ud800", "*", "a" * 5000])
    def test_a_name_that_nothing_has_is_unknown(self, wooshq: Wooshq, name: str) -> None:
        assert wooshq.status(name) is None


class WhenIntentsOfAStateAreListed:
    def test_those_that_expired_are_listed_and_logged(self, rig: Rig, api: StandIn) -> None:
        rig.wooshq.shut_gate("hand", why="maintenance")
        kept = rig.wooshq.enqueue(an_intent("kept"))
        expired = {rig.wooshq.enqueue(an_intent(f"u{n}", ttl_s=1)) for n in range(3)}
        expired.add(rig.wooshq.enqueue(an_intent("past", expires_at="2020-01-01T00:00:00Z")))
        rig.start_worker()
        rig.ended(expired)

        assert {one.id for one in rig.wooshq.intents(state="expired")} == expired
        assert kept not in {one.id for one in rig.wooshq.intents(state="expired")}
        assert {rig.status(i).detail for i in expired} <= {
            "its expires_at came while the gate hand held it",
            "its expires_at came while it waited for a worker of the transactional lane",
            "its expires_at came before it could be sent",
        }
        wait_until(
            lambda: {i for event in rig.events("expired") for i in event["intent_ids"]} == expired, saw=lambda: rig.events("expired")
        )
        said = rig.cli("status", "--state", "expired", "--json").stdout.splitlines()
        assert {json.loads(line)["id"] for line in said} == expired
        assert all(i in rig.cli("status", "--state", "expired").stdout.decode() for i in expired)

    def test_the_newest_come_first_and_more_are_mentioned(self, rig: Rig) -> None:
        ids = [rig.wooshq.enqueue(an_intent(f"u{n}")) for n in range(5)]
        newest = sorted(ids, reverse=True)[:2]
        assert [one.id for one in rig.wooshq.intents(state="queued", most=2)] == newest
        done = rig.cli("status", "--state", "queued", "--most", "2")
        assert b"2 intents" in done.stdout
        assert b"Only the newest 2 intents are shown" in done.stderr

    def test_asyncio_finds_the_same(self, wooshq: Wooshq) -> None:
        intent_id = wooshq.enqueue(an_intent())

        async def find() -> list[str]:
            async with AsyncWooshq(wooshq.settings) as client:
                return [one.id for one in await client.intents(state="queued")]

        assert asyncio.run(find()) == [intent_id]

    def test_a_state_that_does_not_exist_is_refused(self, wooshq: Wooshq) -> None:
        with pytest.raises(ValueError, match="state: must be one of queued, "):
            wooshq.intents(state="lost")
        with pytest.raises(ValueError, match="in_doubt=True"):
            wooshq.intents()


class WhenIntentsInDoubtAreListed:
    @pytest.mark.settings(on_unknown="dead_letter")
    def test_those_whose_call_got_no_answer_are_listed(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if call.recipients == ["doubtful"] else None
        rig.start_worker()
        doubtful = rig.wooshq.enqueue(an_intent("doubtful"))
        sure = rig.wooshq.enqueue(an_intent("sure"))
        rig.ended([doubtful, sure])

        assert [one.id for one in rig.wooshq.intents(in_doubt=True)] == [doubtful]
        assert [one.id for one in rig.wooshq.intents(in_doubt=True, state="dead")] == [doubtful]
        assert rig.wooshq.intents(in_doubt=True, state="sent") == []
        assert json.loads(rig.cli("status", "--in-doubt", "--json").stdout)["id"] == doubtful


class WhenAGateIsTested:
    def test_the_attempts_that_are_probes_are_marked(self, rig: Rig, api: StandIn) -> None:
        good = [False]
        api.answer = lambda call, n: None if good[0] else refusal(401, 16, "no")
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        wait_until(lambda: len(rig.status(intent_id).attempts) >= 2, saw=lambda: rig.status(intent_id))
        good[0] = True
        (status,) = rig.ended([intent_id])
        first, *probes = status.attempts
        assert not first["probe"]
        assert all(attempt["probe"] for attempt in probes)
        assert "(a probe of a shut gate)" in rig.cli("status", intent_id).stdout.decode()
