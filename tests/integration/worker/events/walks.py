"""Who receives events: webhooks and hooks are made, given events, and forgotten."""

from __future__ import annotations

import pytest

from tests.integration.ledger.walker import Walker
from wooshq.events.calls import add_webhook
from wooshq.events.event import EventType, WebhookTest
from wooshq.events.ledger import GROUP, HOOK, Came, SubscriberLedger, Taken
from wooshq.events.stored import Stored, entry_of, to_store
from wooshq.events.webhook import subscriber_of
from wooshq.ledger.states import Event
from wooshq_worker.keeper.history.ledger import EventLedger

SHOP = subscriber_of("shop")


def an_event(kind: EventType = EventType.WEBHOOK_TEST) -> tuple[str, str]:
    return to_store(kind, WebhookTest(webhook="shop"), None)


def a_webhook(walk: Walker, name: str = "shop", *types: str) -> SubscriberLedger:
    walk.do(add_webhook(walk.settings, name, "https://shop.example/hook", types, "", "ana"))
    return SubscriberLedger(walk.settings)


def taken(walk: Walker, ledger: SubscriberLedger, subscriber: str = SHOP) -> list[Taken]:
    _, tag = walk.do(ledger.want())
    return list(walk.do(ledger.claim(subscriber, 10, tag)))


def webhooks_are_made_paused_rotated_and_removed(walk: Walker) -> None:
    assert walk.do(SubscriberLedger(walk.settings).want())[0] is False
    ledger = a_webhook(walk)
    assert walk.do(ledger.want())[0] is True
    with pytest.raises(ValueError, match="another webhook has this name"):
        a_webhook(walk)
    assert walk.do(ledger.add(subscriber_of("more"), "https://a.example", "", "whsec_b", 1, "", "ana")) == "full"
    assert [walk.do(ledger.hold(SHOP, verb, "noon", "ana")) for verb in ("pause", "pause", "resume")] == [True, False, True]
    assert walk.do(ledger.hold("webhook/none", "pause", "", "ana")) is None
    assert [walk.do(ledger.rotate(one, "whsec_new", 60_000, "", "ana")) for one in (SHOP, "webhook/none")] == [True, False]
    ((_, row, _, _),) = walk.do(ledger.rows())
    assert row["secret"] == "whsec_new"
    assert row["secret_before"].startswith("whsec_")
    assert [walk.do(ledger.remove(SHOP, "", "ana")) for _ in range(2)] == [True, False]
    assert walk.do(ledger.want())[0] is False


def what_has_ended_is_passed_on_once(walk: Walker) -> None:
    ledger, wants_jobs = a_webhook(walk), a_webhook(walk, "jobs", "job.ended")
    sent, dead = walk.settled(walk.accepted(), Event.ACCEPTED).intent_id, walk.dead()
    events = EventLedger(walk.settings, GROUP)
    entries = walk.do(events.take("one", 10))
    assert {one.id for entry in entries for one in entry.told} == {sent, dead}
    found = {one.state: one for one in walk.do(ledger.facts("intent", [sent, dead, "gone"]))}
    assert (found["sent"].lane, found["dead"].reason, found[""].ended_ms) == ("transactional", "rejected", 0)
    assert walk.do(ledger.facts("letter", [dead]))[0].state == "open"
    names = [entry.name for entry in entries]
    assert walk.do(ledger.pass_on("another", names, [an_event()])) is None, "the first one has them"
    (place,) = walk.do(ledger.pass_on("one", names, [an_event()])) or ()
    assert walk.do(ledger.pass_on("one", names, [an_event()])) is None, "they are done"
    assert walk.do(ledger.due()) == [SHOP]
    assert walk.do(wants_jobs.claim(subscriber_of("jobs"), 10, "")) == []
    (first,) = taken(walk, ledger)
    assert (first.event.entry, first.tries) == (place, 0)
    assert entry_of(first.event.id, first.event.tag) == place
    assert walk.do(ledger.read("0-0", 10)) == ([first.event], "")
    assert walk.do(ledger.newest()) == place
    assert walk.do(ledger.due()) == taken(walk, ledger) == []
    walk.settled(walk.accepted(), Event.ACCEPTED)
    assert walk.do(ledger.figures()).missed == 0
    assert walk.do(ledger.figures()).lag_s >= 0


def deliveries_fail_and_come(walk: Walker) -> None:
    ledger = a_webhook(walk)
    places = walk.do(ledger.pass_on("", (), [an_event() for _ in range(5)])) or []
    events = [one.event for one in taken(walk, ledger)]
    assert [one.entry for one in events] == places
    said = [(one, "{}") for one in events]
    assert walk.do(ledger.record(SHOP, Came("failed", said[:1], 10**6, "no answer"))) == "active"
    assert walk.do(ledger.record(SHOP, Came("delivered", said[1:2]))) == "active"
    assert walk.do(ledger.record(SHOP, Came("dropped", said[2:3], error="no"))) == "active"
    for _ in range(3):
        walk.do(ledger.record(SHOP, Came("failed", said[3:4], 0, "no answer")))
    ((_, row, waiting, _),) = walk.do(ledger.rows())
    assert (row["delivered"], row["dropped"], row["failed"], waiting) == ("1", "1", "5", 3)
    assert walk.do(ledger.figures()).deliveries == {"delivered": 1, "failed": 5, "dropped": 1}
    assert taken(walk, ledger) == [], "it is left alone for a while"
    walk.watched.redis.hset(walk.keys.subscriber(SHOP), "quiet_till", 1)
    assert [one.tries for one in taken(walk, ledger)] == [3], "one at a time"
    assert walk.do(ledger.record(SHOP, Came("failed", said[3:4], 0, "Gone", pause="the receiver says that it is gone"))) == "paused"
    walk.do(ledger.hold(SHOP, "resume", "", "ana"))
    walk.watched.redis.hset(walk.keys.subscriber(SHOP), "failing_since", 1)
    assert walk.do(ledger.record(SHOP, Came("failed", said[3:4], 0, "no", pause_after_ms=1000))) == "paused"
    assert walk.do(ledger.record("webhook/none", Came("delivered", said[:1]))) == "gone"
    assert len(walk.do(ledger.log(SHOP, 100))) == 8
    results = [walk.do(ledger.resend(SHOP, place, "evt", "", "ana")) for place in (places[1], "1-1")]
    assert [*results, walk.do(ledger.resend("webhook/none", places[1], "evt", "", "ana"))] == ["queued", "gone", "unknown"]


def events_that_are_too_many_leave(walk: Walker) -> None:
    walk = Walker(walk.watched, webhooks_max_bytes=64 * 1024)
    ledger = a_webhook(walk)
    for _ in range(4):
        walk.do(ledger.pass_on("", (), [("job.ended", "x" * 20_000)]))
    assert walk.watched.redis.xlen(walk.keys.fixed("outward")) == 3
    ((_, row, waiting, _),) = walk.do(ledger.rows())
    assert (row["dropped"], waiting) == ("1", 3)
    _, state = walk.do(ledger.state())
    first = taken(walk, ledger)[0].event.entry
    assert state["begins"] < first
    walk.watched.redis.xdel(walk.keys.fixed("outward"), first)
    walk.time_comes_for(SHOP, first)
    assert first not in [one.event.entry for one in taken(walk, ledger)]


def a_hook_is_kept_while_a_process_has_it(walk: Walker) -> None:
    ledger, stream = SubscriberLedger(walk.settings), walk.keys.fixed("subscribers")
    assert walk.do(ledger.want(["mine"]))[0] is True
    walk.do(ledger.pass_on("", (), [an_event()]))
    assert len(taken(walk, ledger, HOOK + "mine")) == 1
    walk.watched.redis.zadd(stream, {HOOK + "mine": 1})
    assert walk.do(ledger.want())[0] is False
    assert walk.do(ledger.rows()) == []
    assert walk.do(ledger.want(streams_for_s=60.0))[0] is True
    assert isinstance(Stored("1-1", "a", "b", "{}").text, str)


WALKS = [
    webhooks_are_made_paused_rotated_and_removed,
    what_has_ended_is_passed_on_once,
    deliveries_fail_and_come,
    events_that_are_too_many_leave,
    a_hook_is_kept_while_a_process_has_it,
]
