"""The pages Webhooks and one webhook: who is told what has ended, how that goes, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wooshq.errors import WebhookUnknown
from wooshq.events.event import KINDS, EventType
from wooshq.events.webhook import MadeWebhook, Webhook
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.visit import Form, Visit
from wooshq_worker.console.pages.shell.words import exact

_MOST: Final = 50
"""Deliveries that are shown."""
_TYPES: Final = [(str(one), KINDS[one].means) for one in EventType if one is not EventType.WEBHOOK_TEST]


def state_of(one: Webhook) -> str:
    """A webhook in a word, for its badge."""
    return "failing" if one.state == "active" and one.is_failing else one.state


async def view(visit: Visit) -> Shown:
    """All webhooks, and the hooks of apps."""
    found = await visit.shared("webhooks", visit.client.webhooks.list)
    return _listed(visit, found)


def _listed(visit: Visit, found: Sequence[Webhook], **more: object) -> Shown:
    rows = [(one, state_of(one), webhook.url(webhook=one.name) if one.kind == "webhook" else "") for one in found]
    context = {"rows": rows, "types": _TYPES, "made": None, "problem": "", "given": {}, "wanted": (), "one_of": webhook, **more}
    return Shown(context, command="wooshq webhooks", curl=visit.curl("GET", "/v1/webhooks"))


async def add(visit: Visit, form: Form) -> Shown:
    """Add a webhook. The answer shows its secret, this once."""
    try:
        made = await visit.client.webhooks.add(form["name"], form["url"], form.all("type"), why=form["why"], by=visit.by)
    except ValueError as error:
        found = await visit.client.webhooks.list()
        shown = _listed(visit, found, problem=str(error), given=form, wanted=form.all("type"))
        return Shown(shown.context, shown.command, shown.curl, status=422)
    return _listed(visit, await visit.client.webhooks.list(), made=made)


async def view_one(visit: Visit) -> Shown:
    """One webhook and its last deliveries."""
    return await _one(visit, None)


async def _one(visit: Visit, made: MadeWebhook | None) -> Shown:
    name = visit.parameter("webhook")
    try:
        found = await visit.client.webhooks.show(name)
        deliveries = await visit.client.webhooks.deliveries(name, most=_MOST)
    except (WebhookUnknown, ValueError):
        raise Refused(404, "not-found", "No webhook has this name", "Somebody may have removed it: see the audit log") from None
    return Shown(
        {"one": found, "state": state_of(found), "facts": _facts(found), "deliveries": deliveries, "most": _MOST, "made": made},
        command=f"wooshq webhooks show {name}",
        curl=f"{visit.curl('GET', f'/v1/webhooks/{name}')}\n{visit.curl('GET', f'/v1/webhooks/{name}/deliveries')}",
        title=name,
    )


def _facts(one: Webhook) -> list[tuple[str, object]]:
    """What is known of it, in words; times that never were are left out."""
    times = (
        ("Last delivery", one.delivered_at),
        ("Fails since", one.failing_since),
        ("Paused", one.paused_at),
        ("Last event given up", one.dropped_at),
        ("Old secret signs until", one.old_secret_until),
        ("Added", one.made_at),
    )
    gets = ", ".join(one.types) if one.types else "everything"
    found = [(name, exact(at)) for name, at in times if at is not None]
    return [("Gets", gets), *found, ("By", one.by or "–"), *([("Why", one.why)] if one.why else [])]


async def pause(visit: Visit, form: Form) -> Done:
    """Pause it: its events wait."""
    found = await visit.client.webhooks.pause(visit.parameter("webhook"), why=form["why"] or "paused manually", by=visit.by)
    return Done(visit.path, f"Paused. {found.waiting:,} events wait for it." if found.waiting else "Paused. Its events will wait.")


async def resume(visit: Visit, form: Form) -> Done:
    """Let it go on."""
    found = await visit.client.webhooks.resume(visit.parameter("webhook"), why=form["why"], by=visit.by)
    return Done(visit.path, f"Resumed. {found.waiting:,} events are delivered now." if found.waiting else "Resumed.")


async def test(visit: Visit, form: Form) -> Done:
    """Have a test event delivered."""
    event = await visit.client.webhooks.test(visit.parameter("webhook"))
    return Done(visit.path, f"The test event {event} is on its way. What the receiver answers is shown below.")


async def resend(visit: Visit, form: Form) -> Done:
    """Have an event delivered once more."""
    queued = await visit.client.webhooks.resend(visit.parameter("webhook"), form["event"], why=form["why"], by=visit.by)
    return Done(visit.path, "It is delivered once more, under the same id." if queued else "This event is not kept any more.")


async def rotate(visit: Visit, form: Form) -> Shown:
    """Make a new secret. The answer shows it, this once; for a day, both sign."""
    return await _one(visit, await visit.client.webhooks.rotate(visit.parameter("webhook"), why=form["why"], by=visit.by))


async def remove(visit: Visit, form: Form) -> Done:
    """Remove it, with the events that wait for it."""
    name = visit.parameter("webhook")
    done = await visit.client.webhooks.remove(name, why=form["why"], by=visit.by)
    return Done("/webhooks", f"The webhook {name} is removed." if done else "It was removed already.")


page = Page(
    "webhooks", "/webhooks", "Webhooks", view, "webhooks/list.html", letter="w", live=("rows",), every_s=2.0, acts=(Act("add", add),)
)
webhook = Page(
    "webhook",
    "/webhooks/{webhook}",
    "Webhook",
    view_one,
    "webhooks/webhook.html",
    parent="webhooks",
    live=("state", "deliveries"),
    acts=(
        Act("pause", pause),
        Act("resume", resume),
        Act("test", test),
        Act("resend", resend),
        Act("rotate", rotate),
        Act("remove", remove),
    ),
)
