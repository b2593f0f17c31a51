"""The outbox lists what was enqueued in every way, with the answers and errors of a real ledger, and without anything outside this process."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest
from celery import Celery

import wooshq
import wooshq.aio
from tests.rig import an_intent, some_settings
from wooshq import Conflict, IntentInvalid, NotAccepted, Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.installation.celery_app import SUBMIT
from wooshq.testing import APPLICATION, Outbox, outbox

TEMPLATE = {"message": {"push": {"title": "Hi {name}", "body": "Your order left"}}}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may connect to anything."""

    def refuse(*_: object) -> Any:
        raise AssertionError("the outbox must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def users(box: Outbox) -> list[str]:
    return [name for one in box for name in one.recipients]


@pytest.mark.usefixtures("no_network")
class WhenSomethingIsEnqueued:
    def test_it_is_listed_as_it_was_accepted(self, box: Outbox) -> None:
        intent_id = wooshq.enqueue(an_intent("u1", idempotency_key="order-1"))
        (one,) = box
        assert (one.id, one.lane, one.application, one.job_id) == (intent_id, "transactional", APPLICATION, None)
        assert one.intent["message"] == {"push": {"title": "Hi", "body": "Your order left"}}
        assert (one.intent["idempotency_key"], one.recipients) == ("order-1", ["u1"])
        assert "push to u1" in repr(box)

    def test_every_way_into_wooshq_is_listed_in_the_order_of_the_calls(self, box: Outbox) -> None:
        shop = Celery("shop", broker="redis://127.0.0.1:1/0")
        wooshq.enqueue(an_intent("a"))
        Wooshq(some_settings(redis_url="redis://127.0.0.1:1")).enqueue(an_intent("b"))
        asyncio.run(wooshq.aio.enqueue(an_intent("c")))
        asyncio.run(AsyncWooshq(some_settings(redis_url="redis://127.0.0.1:1", namespace="other")).enqueue(an_intent("d")))
        wooshq.enqueue_many(an_intent(name) for name in ("e", "f"))
        wooshq.fan_out(TEMPLATE, [{"user": "g", "name": "Ann"}, {"user": "h", "name": "Bob"}])
        shop.send_task(SUBMIT, args=[an_intent("i")])
        shop.signature(SUBMIT, args=[an_intent("j")]).apply_async()
        assert users(box) == list("abcdefghij")

    def test_a_fan_out_has_one_entry_for_each_recipient(self, box: Outbox) -> None:
        job = wooshq.fan_out(TEMPLATE, [{"user": "u1", "name": "Ann"}, {"user": "u2", "name": "Bob"}])
        assert [one.job_id for one in box] == [job.id, job.id]
        assert [one.intent["placeholders"] for one in box] == [{"name": "Ann"}, {"name": "Bob"}]

    def test_a_fan_out_with_many_chunks_does_not_wait_for_workers(self, box: Outbox) -> None:
        wooshq.Wooshq(some_settings(bulk_open_chunks=1)).fan_out(TEMPLATE, ({"user": f"u{n}", "name": f"n{n}"} for n in range(2100)))
        assert len(box) == 2100

    def test_threads_and_tasks_share_the_outbox(self, box: Outbox) -> None:
        threads = [threading.Thread(target=wooshq.enqueue, args=(an_intent(f"u{n}"),)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        async def at_once() -> None:
            await asyncio.gather(*(wooshq.aio.enqueue(an_intent(f"a{n}")) for n in range(20)))

        asyncio.run(at_once())
        assert sorted(users(box)) == sorted([*(f"u{n}" for n in range(20)), *(f"a{n}" for n in range(20))])

    def test_it_can_be_followed_and_cancelled(self, box: Outbox) -> None:
        intent_id = wooshq.enqueue(an_intent())
        followed = wooshq.status(intent_id)
        assert followed is not None
        assert followed.state == "queued"
        assert wooshq.cancel(intent_id) == "cancelled"
        assert len(box) == 1, "it was enqueued, whatever became of it"

    def test_the_list_can_be_cleared_and_the_ledger_still_knows_it(self, box: Outbox) -> None:
        intent_id = wooshq.enqueue(an_intent(idempotency_key="k"))
        box.clear()
        assert list(box) == []
        assert wooshq.enqueue(an_intent(idempotency_key="k")) == intent_id
        assert list(box) == [], "it was accepted before"

    def test_flush_and_close_have_nothing_to_wait_for(self, box: Outbox) -> None:
        with Wooshq(some_settings(redis_url="redis://127.0.0.1:1")) as made:
            made.enqueue(an_intent())
            assert made.flush()


@pytest.mark.usefixtures("no_network")
class WhenItIsNotAccepted:
    def test_an_intent_that_is_not_valid_raises_with_every_problem(self, box: Outbox) -> None:
        with pytest.raises(IntentInvalid) as raised:
            wooshq.enqueue({"to": {}, "message": {"push": {"titel": "Hi"}}})
        assert len(raised.value.problems) == 2
        assert list(box) == []

    def test_an_idempotency_key_is_accepted_once(self, box: Outbox) -> None:
        first = wooshq.enqueue(an_intent(idempotency_key="k"))
        assert wooshq.enqueue(an_intent(idempotency_key="k")) == first
        with pytest.raises(Conflict, match="differ: to"):
            wooshq.enqueue(an_intent("u2", idempotency_key="k"))
        assert len(box) == 1

    def test_enqueue_many_reports_by_index(self, box: Outbox) -> None:
        report = wooshq.enqueue_many([an_intent("u1"), {"to": {}}, an_intent("u2")])
        assert (report.accepted, list(report.errors), users(box)) == (2, [1], ["u1", "u2"])

    def test_a_submit_that_is_not_valid_becomes_a_dead_letter(self, box: Outbox) -> None:
        shop = Celery("shop", broker="redis://127.0.0.1:1/0")
        shop.send_task(SUBMIT, args=[{"to": {"users": ["u1"]}}])
        shop.send_task(SUBMIT, args=[an_intent()], countdown=5)
        assert ["message" in box.letters()[1].detail, "countdown" in box.letters()[0].detail, len(box)] == [True, True, 0]

    def test_other_tasks_of_the_app_go_where_they_always_go(self, box: Outbox) -> None:
        shop = Celery("shop", broker="memory://")
        shop.send_task("shop.tidy", args=[1], queue="tidy")
        with shop.connection_for_read() as connection, connection.SimpleQueue("tidy") as queue:
            assert queue.get_nowait().headers["task"] == "shop.tidy"
        assert list(box) == []

    def test_a_ledger_that_is_away_can_be_tried(self, box: Outbox) -> None:
        with box.unavailable(), pytest.raises(NotAccepted) as raised:
            wooshq.enqueue(an_intent())
        assert (raised.value.maybe_done, list(box)) == (False, [])
        wooshq.enqueue({**an_intent(), "id": raised.value.intent_id})
        assert [one.id for one in box] == [raised.value.intent_id]


class WhenOutboxesFollowEachOther:
    def test_each_begins_empty(self) -> None:
        for _ in range(2):
            with outbox() as opened:
                wooshq.enqueue(an_intent(idempotency_key="k"))
                assert len(opened) == 1

    def test_the_inner_one_counts_and_then_the_outer_one_again(self, box: Outbox) -> None:
        with outbox() as inner:
            wooshq.enqueue(an_intent("u1"))
        wooshq.enqueue(an_intent("u2"))
        assert (users(inner), users(box)) == (["u1"], ["u2"])

    def test_an_installation_uses_its_redis_before_and_after(self, wooshq: Wooshq) -> None:
        before = wooshq.enqueue(an_intent("before"))
        with outbox() as opened:
            inside = wooshq.enqueue(an_intent("inside"))
            assert users(opened) == ["inside"]
            assert wooshq.status(before) is None
        assert [wooshq.status(i) is None for i in (before, inside)] == [False, True]

    async def test_an_async_one_uses_its_redis_before_and_after(self, redis_url: str) -> None:
        made = AsyncWooshq(some_settings(redis_url=redis_url))
        before = await made.enqueue(an_intent("before"))
        with outbox() as opened:
            inside = await made.enqueue(an_intent("inside"))
            assert users(opened) == ["inside"]
        assert [(await made.status(i)) is None for i in (before, inside)] == [False, True]
        await made.close()


class WhenTheSettingsNameAnApplication:
    def test_it_is_used(self, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PUSHWOOSH_APPLICATION", "AAAAA-BBBBB")
        with Wooshq() as made:
            made.enqueue(an_intent())
        assert box[0].application == "AAAAA-BBBBB"
