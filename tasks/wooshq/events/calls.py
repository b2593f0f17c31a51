"""What operators do with webhooks. `Wooshq` and `AsyncWooshq` carry these descriptions out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal

from wooshq.errors import WebhookUnknown
from wooshq.events.address import check_url, shown
from wooshq.events.event import EventType, WebhookTest, check_types
from wooshq.events.ledger import LOG_KEEPS, SubscriberLedger
from wooshq.events.signature import new_secret
from wooshq.events.stored import Stored, entry_of, to_store
from wooshq.events.webhook import Delivery, MadeWebhook, Webhook, delivery_of, subscriber_of, webhook_of
from wooshq.gates.who import said
from wooshq.ledger.replies import moment
from wooshq.ledger.steps import Flow, Sleep, Steps
from wooshq.settings import Settings
from wooshq.settings.allowed import Allowed
from wooshq.tokens.token import check_name

MOST: Final = 50
"""Webhooks and hooks of an installation: each event is compared with all of them."""
MOST_OLD_SECRET_S: Final = 30 * 86400.0
_LOOK_EVERY_S: Final = 0.2
_UNKNOWN: Final = "no webhook has this name. See: wooshq webhooks"


def add_webhook(settings: Settings, name: str, url: str, types: Iterable[str], why: str, by: str | None) -> Steps[MadeWebhook]:
    """See `Webhooks.add`."""
    why, who = said(why, by)
    check_name(name)
    check_url(url, Allowed.read(settings.webhooks_allow or ""))
    wanted, secret = check_types(types), new_secret()
    ledger = SubscriberLedger(settings)
    made = yield from ledger.add(subscriber_of(name), url, " ".join(wanted), secret, MOST, why, who)
    if made == "full":
        raise ValueError(f"there are {MOST} webhooks and hooks already. Remove those that nobody needs: wooshq webhooks")
    if made == "0":
        raise ValueError("name: another webhook has this name. Remove it first, or use another name")
    yield from ledger.listen()  # what ends from now on is told
    return MadeWebhook(name, shown(url), wanted or None, secret)


def list_webhooks(settings: Settings) -> Steps[list[Webhook]]:
    """See `Webhooks.list`."""
    ledger = SubscriberLedger(settings)
    now, _ = yield from ledger.state()
    rows = yield from ledger.rows()
    return sorted((webhook_of(*row, now) for row in rows if row[1].get("state")), key=lambda one: (one.kind, one.name))


def show_webhook(settings: Settings, name: str) -> Steps[Webhook]:
    """See `Webhooks.show`."""
    check_name(name)
    ledger = SubscriberLedger(settings)
    now, _ = yield from ledger.state()
    rows = yield from ledger.rows(subscriber_of(name))
    if not rows:
        raise WebhookUnknown(_UNKNOWN)
    return webhook_of(*rows[0], now)


def hold_webhook(settings: Settings, name: str, verb: Literal["pause", "resume"], why: str, by: str | None) -> Steps[Webhook]:
    """See `Webhooks.pause` and `Webhooks.resume`."""
    why, who = said(why, by)
    check_name(name)
    if (yield from SubscriberLedger(settings).hold(subscriber_of(name), verb, why, who)) is None:
        raise WebhookUnknown(_UNKNOWN)
    return (yield from show_webhook(settings, name))


def remove_webhook(settings: Settings, name: str, why: str, by: str | None) -> Steps[bool]:
    """See `Webhooks.remove`."""
    why, who = said(why, by)
    check_name(name)
    return (yield from SubscriberLedger(settings).remove(subscriber_of(name), why, who))


def rotate_webhook(settings: Settings, name: str, old_for_s: float, why: str, by: str | None) -> Steps[MadeWebhook]:
    """See `Webhooks.rotate`."""
    why, who = said(why, by)
    check_name(name)
    if not 0 <= old_for_s <= MOST_OLD_SECRET_S:
        raise ValueError(f"old_for_s: must be from 0 to {MOST_OLD_SECRET_S:g}")
    secret = new_secret()
    if not (yield from SubscriberLedger(settings).rotate(subscriber_of(name), secret, int(old_for_s * 1000), why, who)):
        raise WebhookUnknown(_UNKNOWN)
    webhook = yield from show_webhook(settings, name)
    return MadeWebhook(name, webhook.url or "", webhook.types, secret)


def try_webhook(settings: Settings, name: str) -> Steps[str]:
    """See `Webhooks.test`."""
    webhook = yield from show_webhook(settings, name)
    if webhook.state == "paused":
        raise ValueError("name: this webhook is paused. Resume it first: wooshq webhooks resume")
    ledger = SubscriberLedger(settings)
    made = to_store(EventType.WEBHOOK_TEST, WebhookTest(webhook=name), moment(datetime.now(UTC).timestamp() * 1000))
    (place,) = (yield from ledger.pass_on("", (), [made], subscriber_of(name))) or ("",)
    _, tag = yield from ledger.want()
    return Stored(place, tag, *made).id


def resend_event(settings: Settings, name: str, event: str, why: str, by: str | None) -> Steps[bool]:
    """See `Webhooks.resend`."""
    why, who = said(why, by)
    check_name(name)
    ledger = SubscriberLedger(settings)
    _, tag = yield from ledger.want()
    if (entry := entry_of(event, tag)) is None:
        raise ValueError("event: is not the id of an event of this installation. See: wooshq webhooks show NAME")
    done = yield from ledger.resend(subscriber_of(name), entry, event, why, who)
    if done == "unknown":
        raise WebhookUnknown(_UNKNOWN)
    return done == "queued"


def list_deliveries(settings: Settings, name: str, most: int | None) -> Steps[list[Delivery]]:
    """See `Webhooks.deliveries`."""
    yield from show_webhook(settings, name)
    return [delivery_of(line) for line in (yield from SubscriberLedger(settings).log(subscriber_of(name), most or LOG_KEEPS))]


def wait_for_delivery(settings: Settings, name: str, event: str, within_s: float) -> Flow[Delivery | None]:
    """See `Webhooks.wait`."""
    left: Any = within_s
    while True:
        for one in (yield from list_deliveries(settings, name, None)):
            if one.event == event:
                return one
        if left <= 0:
            return None
        yield Sleep(_LOOK_EVERY_S)
        left -= _LOOK_EVERY_S
