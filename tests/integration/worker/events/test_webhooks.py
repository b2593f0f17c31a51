"""Webhooks: what has ended is told to real receivers, signed, again if they fail, and each end in one event."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.integration.worker.events.conftest import Post, until
from wooshq.events.stored import read_event
from wooshq.ledger.states import Event


async def test_ends_are_told_in_thin_batches_with_signatures_that_the_reference_library_accepts(post: Post) -> None:
    shop = post.receiver()
    sent, dead = post.settled(n=3), post.settled(Event.GIVEN_UP, 2)
    async with post.delivering():
        await until(lambda: len(shop.events) == 2, lambda: shop.events)
    assert all(one.is_genuine for one in shop.got)
    assert all(one.headers["webhook-id"] == one.event["id"] for one in shop.got)
    (told,) = shop.of("messages.sent")
    assert {**told["data"], "first_at": 1, "last_at": 1} == {
        "application": "AAAAA-BBBBB", "lane": "transactional", "count": 3, "ids": told["data"]["ids"], "first_at": 1, "last_at": 1,
    }  # fmt: skip
    assert sorted(told["data"]["ids"]) == sent
    (told,) = shop.of("messages.dead")
    assert (told["data"]["reason"], sorted(told["data"]["ids"])) == ("rejected", dead)
    texts = "".join(one.text for one in shop.got)
    assert not any(personal in texts for personal in ("u0", "u1", "Your order", "Hi"))
    assert {type(read_event(one.text).data).__name__ for one in shop.got} == {"Messages", "DeadMessages"}


async def test_a_webhook_gets_the_types_that_it_wants_and_only_what_ends_after_it_was_added(post: Post) -> None:
    everything = post.receiver("everything")
    post.settled()
    dead_only = post.receiver("dead", "messages.dead")
    post.settled(Event.GIVEN_UP)
    async with post.delivering():
        await until(lambda: dead_only.got and len(everything.got) == 2)
    assert [one["type"] for one in dead_only.events] == ["messages.dead"]


async def test_what_fails_is_delivered_again_under_the_same_id_with_the_same_text(post: Post) -> None:
    shop = post.receiver(answer=lambda got, n: 500 if n < 3 else None)
    post.settled()
    async with post.delivering():
        for n in (1, 2):
            await until(lambda n=n: post.wooshq.webhooks.show("shop").failed == n)
            post.now()
        await until(lambda: post.wooshq.webhooks.show("shop").delivered == 1)
    assert [len(texts) for texts in shop.texts().values()] == [1]
    assert len(shop.got) == 3
    log = post.wooshq.webhooks.deliveries("shop")
    assert [(one.attempt, one.result, one.status) for one in log] == [(3, "delivered", 200), (2, "failed", 500), (1, "failed", 500)]
    assert log[0].latency_ms is not None
    assert log[1].next_at is not None
    assert not post.wooshq.webhooks.show("shop").is_failing


async def test_a_receiver_that_says_410_is_paused_and_its_events_wait_until_it_is_resumed(post: Post) -> None:
    shop = post.receiver(answer=lambda got, n: 410 if n == 1 else None)
    first = post.settled()
    async with post.delivering():
        await until(lambda: post.wooshq.webhooks.show("shop").state == "paused")
        assert "410" in (post.wooshq.webhooks.show("shop").why_paused or "")
        second = post.settled()
        await until(lambda: post.wooshq.webhooks.show("shop").waiting == 2)
        post.wooshq.webhooks.resume("shop", by="ana", why="it is back")
        post.now()
        await until(lambda: post.wooshq.webhooks.show("shop").delivered == 2)
    assert sorted(shop.ids("messages.sent")) == sorted(first + second)


async def test_a_redirect_is_not_followed(post: Post) -> None:
    other = post.receiver("other", "job.ended")
    post.receiver(answer=lambda got, n: (302, {"location": other.url}))
    post.settled()
    async with post.delivering():
        await until(lambda: post.wooshq.webhooks.show("shop").failed)
    assert other.got == []
    assert "redirects are not followed" in (post.wooshq.webhooks.show("shop").failing_why or "")


@pytest.mark.settings(webhooks_timeout_s=1.0)
async def test_a_receiver_that_hangs_holds_up_no_other(post: Post) -> None:
    release = threading.Event()

    def hang(got: Any, n: int) -> None:
        release.wait(60)

    post.receiver("hangs", answer=hang)
    well = post.receiver("well")
    try:
        async with post.delivering():
            for n in range(3):
                post.settled()
                await until(lambda n=n: len(well.got) == n + 1)
            await until(lambda: post.wooshq.webhooks.show("hangs").failed)
    finally:
        release.set()
    assert "no answer within 1 s" in (post.wooshq.webhooks.show("hangs").failing_why or "")


async def test_after_a_few_failures_a_receiver_is_asked_one_event_at_a_time(post: Post) -> None:
    shop = post.receiver(answer=lambda got, n: 500)
    async with post.delivering():
        for n in range(1, 4):
            post.settled()
            await until(lambda n=n: post.wooshq.webhooks.show("shop").failed >= n)
        for n in range(3, 6):
            post.settled()
            await until(lambda n=n: post.wooshq.webhooks.show("shop").waiting == n + 1)
        assert len(shop.got) <= 4, "it is left alone: there are five seconds between two attempts"
        shop.answer = lambda got, n: None
        post.redis.hset("wq:{0}:subscriber:webhook/shop", "quiet_till", 1)
        await until(lambda: post.wooshq.webhooks.show("shop").delivered >= 3)
    assert not post.wooshq.webhooks.show("shop").is_failing


async def test_a_new_secret_signs_beside_the_one_before(post: Post) -> None:
    shop = post.receiver()
    before, made = shop.secret, post.wooshq.webhooks.rotate("shop", by="ana")
    assert made.secret != before
    post.settled()
    async with post.delivering():
        await until(lambda: shop.got)
        shop.secret = made.secret
        post.settled()
        await until(lambda: len(shop.got) == 2)
    assert [one.is_genuine for one in shop.got] == [True, True]
    assert [len(one.headers["webhook-signature"].split()) for one in shop.got] == [2, 2]
    assert post.wooshq.webhooks.show("shop").old_secret_until is not None


async def test_a_test_event_goes_to_one_webhook_even_if_it_does_not_want_this_type(post: Post) -> None:
    shop, other = post.receiver("shop", "job.ended"), post.receiver("other")
    async with post.delivering():
        event = post.wooshq.webhooks.test("shop")
        came = await asyncio.to_thread(post.wooshq.webhooks.wait, "shop", event)
    assert came is not None
    assert (came.event, came.status, came.result) == (event, 200, "delivered")
    assert [one.id for one in shop.got] == [event]
    assert other.got == []


async def test_an_event_is_sent_again_by_hand_under_its_id(post: Post) -> None:
    shop = post.receiver()
    post.settled()
    async with post.delivering():
        await until(lambda: post.wooshq.webhooks.show("shop").delivered == 1)
        assert post.wooshq.webhooks.resend("shop", shop.got[0].id, by="ana")
        await until(lambda: len(shop.got) == 2)
    assert len(shop.texts()) == 1
    with pytest.raises(ValueError, match="not the id of an event"):
        post.wooshq.webhooks.resend("shop", "evt_1-1_other")


async def test_a_receiver_s_name_that_leads_to_a_private_address_is_refused(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.wooshq.webhooks.add("inside", "https://localhost.shop.example:9/hook", by="ana")

    async def look_up(host: str, port: int) -> list[str]:
        return ["10.0.0.7", "::ffff:192.168.0.1", "169.254.169.254"]

    monkeypatch.setattr("wooshq_worker.events.receiver._look_up", look_up)
    post.settled()
    async with post.delivering():
        await until(lambda: post.wooshq.webhooks.show("inside").failed)
    assert post.wooshq.webhooks.show("inside").failing_why == "its name leads to a private address"


async def test_gates_and_replays_and_letters_are_told(post: Post) -> None:
    shop = post.receiver()
    async with post.delivering():
        post.wooshq.shut_gate("circuit", "AAAAA-BBBBB", "noon", by="ana")
        post.wooshq.shut_gate("circuit", "AAAAA-BBBBB", "still", by="ana")
        post.wooshq.open_gate("circuit", "AAAAA-BBBBB", by="ana")
        post.wooshq.pause("*", lane="bulk", by="ana", why="noon")
        (dead,) = post.settled(Event.GIVEN_UP)
        post.wooshq.dead_letters.discard(dead, why="a test", by="ana")
        replay = post.wooshq.dead_letters.replay(*post.settled(Event.GIVEN_UP), by="ana", start=False)
        assert replay.id is not None
        post.wooshq.replays.cancel(replay.id, "no", by="ana")
        await until(
            lambda: shop.of("letters.discarded") and shop.of("replay.ended") and len(shop.of("gate.shut")) == 2, lambda: shop.events
        )
    assert [one["data"]["gate"] for one in shop.of("gate.shut")] == ["circuit", "hand"]
    assert shop.of("gate.shut")[1]["data"]["lane"] == "bulk"
    assert len(shop.of("gate.opened")) == 1
    assert shop.ids("letters.discarded") == [dead]
    (told,) = shop.of("replay.ended")
    assert (told["data"]["replay"], told["data"]["state"], told["data"]["total"]) == (replay.id, "cancelled", 1)


def test_acts_are_in_the_audit_log_and_secrets_are_nowhere(post: Post) -> None:
    shop = post.receiver()
    webhooks = post.wooshq.webhooks
    webhooks.pause("shop", why="noon", by="ana")
    webhooks.resume("shop", by="ana")
    rotated = webhooks.rotate("shop", by="ana")
    shown = [repr(webhooks.list()), webhooks.show("shop").to_json(), repr(webhooks.show("shop")), repr(rotated)]
    webhooks.remove("shop", by="ana")
    acts = post.wooshq.audit()
    assert [(one.did, one.what) for one in reversed(acts.found)] == [
        ("added", "webhook shop"), ("paused", "webhook shop"), ("resumed", "webhook shop"), ("rotated", "webhook shop"), ("removed", "webhook shop"),
    ]  # fmt: skip
    assert post.wooshq.changes() == []
    for text in (*shown, repr(acts)):
        assert shop.secret not in text
        assert rotated.secret not in text
