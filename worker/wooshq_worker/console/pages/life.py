"""The page of one message: why it is not out yet, its life from accept to end, and what can be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from wooshq.errors import LetterUnknown
from wooshq.finding.why import Explained, NotYet
from wooshq.intents.status import Status
from wooshq.letters.letter import WholeLetter
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.visit import Form, Visit

_WAITS: Final = frozenset(("queued", "held", "retrying"))
_TONES: Final = {
    NotYet.PAUSED: "wait",
    NotYet.GATE: "bad",
    NotYet.RETRY_AFTER: "wait",
    NotYet.RATE: "info",
    NotYet.NO_WORKER: "bad",
    NotYet.SUSPECT: "wait",
    NotYet.RETRY: "wait",
    NotYet.OTHER_VERSION: "wait",
    NotYet.SPOOLED: "wait",
    NotYet.SET_ASIDE: "bad",
    NotYet.OUTBOX: "wait",
}
_ENDS: Final = {"sent": ("good", "tick"), "dead": ("bad", "cross"), "expired": ("quiet", "slash"), "cancelled": ("quiet", "slash")}
_OUTCOMES: Final = {
    "sent": ("good", "tick", "The API accepted it"),
    "retry": ("wait", "again", "The API could not take it"),
    "dead": ("bad", "cross", "The API refused it"),
    "hold": ("wait", "pause", "The API takes no messages now"),
    "unknown": ("doubt", "question", "No answer came: it may have been accepted"),
}
_ACTED: Final = {
    "cancelled": "It is cancelled.",
    "cancelling": "Pushwoosh is asked to cancel it. Its answer comes to this page.",
    "retrying": "It is due now. A worker takes it within a second, unless something holds it back.",
    "queued": "It is queued already.",
    "sending": "Too late: it is being sent.",
    "sent": "Too late: it was sent.",
    "dead": "Too late: it is a dead letter.",
    "expired": "Too late: it has expired.",
}


async def view(visit: Visit) -> Shown:
    """One message by its id, its idempotency key, or the id of the Celery task that brought it."""
    name = visit.parameter("id")
    found = await visit.client.status(name)
    why = None if found is None else await visit.client.why(found.id)
    if found is None or why is None:
        raise Refused(
            404,
            "unknown-id",
            "No message has this id",
            "Check the id. It may have ended longer ago than the retention, or wait in an outbox",
        )
    letter = await _letter_of(visit, found)
    return Shown(
        {
            "found": found,
            "why": why,
            "tone": _TONES.get(NotYet(why.reason), "info") if why.reason else _ENDS.get(found.state, ("info", ""))[0],
            "steps": list(_steps(found, letter, why)),
            "letter": letter,
            "may_cancel": found.state in _WAITS or why.reason == NotYet.SCHEDULED,
            "may_try_now": found.state == "retrying",
            "may_resend": found.state == "sent",
            "facts": _facts(found),
        },
        command=f"wooshq why {found.id}\nwooshq status {found.id}",
        curl=f"{visit.curl('GET', f'/v1/intents/{found.id}/why')}\n{visit.curl('GET', f'/v1/intents/{found.id}')}",
        title=f"Message {found.id[:8]}",
    )


async def _letter_of(visit: Visit, found: Status) -> WholeLetter | None:
    """Its dead letter, if it died or is the replay of one that did."""
    if found.state != "dead" and found.replay_of is None:
        return None
    try:
        return await visit.client.dead_letters.show(found.replay_of or found.id)
    except LetterUnknown:
        return None


def _facts(found: Status) -> list[tuple[str, str]]:
    pairs = [("Application", found.application or "–"), ("Lane", found.lane)]
    if found.message_codes:
        pairs.append(("Message code at Pushwoosh", ", ".join(found.message_codes)))
    if found.unknown_identifiers:
        pairs.append(("Unknown to the API", ", ".join(found.unknown_identifiers)))
    return pairs


def _steps(found: Status, letter: WholeLetter | None, why: Explained) -> Iterator[Mapping[str, Any]]:
    """Its life, the oldest first."""
    yield {"at": found.accepted_at, "title": "Accepted", "tone": "quiet", "shape": "ring", "says": f"Into the {found.lane} lane"}
    for number, attempt in enumerate(found.attempts, 1):
        yield _attempt(number, attempt)
    if found.ended_at is not None and found.state in _ENDS:
        tone, shape = _ENDS[found.state]
        says = ": ".join(part for part in (found.reason, found.detail) if part)
        yield {"at": found.ended_at, "title": found.state.capitalize(), "tone": tone, "shape": shape, "says": says}
    if letter is not None and (letter.state != "open" or found.replay_of is not None):
        look = ("bad", "cross") if letter.state == "open" else ("run", "half") if letter.state == "replaying" else ("quiet", "tick")
        yield {
            "at": letter.filed_at,
            "title": f"Its dead letter is {letter.state}",
            "tone": look[0],
            "shape": look[1],
            "says": letter.note or "",
        }
    if found.cancel is not None:
        yield _cancel(found.cancel)
    if why.reason is not None and why.expected_at is not None:
        yield {"at": why.expected_at, "title": "Expected to go on", "tone": "run", "shape": "half", "says": "At the earliest"}


def _attempt(number: int, attempt: Mapping[str, Any]) -> Mapping[str, Any]:
    tone, shape, title = _OUTCOMES.get(str(attempt.get("outcome")), ("quiet", "ring", "An attempt"))
    facts = [
        (name, value)
        for name, value in (
            ("Status", attempt.get("http_status")),
            ("Code", attempt.get("code")),
            ("Took", f"{attempt['latency_ms']:g}\u202fms" if isinstance(attempt.get("latency_ms"), (int, float)) else None),
            ("Answer", attempt.get("error")),
        )
        if value is not None
    ]
    probe = " (a probe of a shut gate)" if attempt.get("probe") else ""
    return {"at": attempt.get("at"), "title": f"Attempt {number}: {title}{probe}", "tone": tone, "shape": shape, "says": "", "facts": facts}


def _cancel(cancel: Mapping[str, Any]) -> Mapping[str, Any]:
    said = {
        "asked": ("wait", "again", "Pushwoosh was asked to cancel it"),
        "cancelled": ("quiet", "slash", "Pushwoosh has cancelled it"),
        "refused": ("bad", "cross", "Pushwoosh did not cancel it"),
        "unknown": ("doubt", "question", "Nobody knows whether Pushwoosh cancelled it"),
    }
    tone, shape, title = said.get(str(cancel["outcome"]), ("quiet", "ring", "Asked to cancel it"))
    at = cancel.get("answered_at") or cancel.get("asked_at")
    return {
        "at": at if isinstance(at, (str, datetime)) else None,
        "title": title,
        "tone": tone,
        "shape": shape,
        "says": cancel.get("detail") or "",
    }


async def cancel(visit: Visit, form: Form) -> Done:
    """Cancel it, or have Pushwoosh asked."""
    name = visit.parameter("id")
    state = await visit.client.cancel(name, why=form["why"], by=visit.by)
    return Done(page.url(id=name), _ACTED.get(state or "", "No message has this id."))


async def try_now(visit: Visit, form: Form) -> Done:
    """End the wait of a retry."""
    name = visit.parameter("id")
    state = await visit.client.try_now(name, why=form["why"], by=visit.by)
    return Done(page.url(id=name), _ACTED.get(state or "", "No message has this id."))


async def resend(visit: Visit, form: Form) -> Done:
    """Send again what was sent, as a new message."""
    name = visit.parameter("id")
    made = await visit.client.resend(name, form["why"], by=visit.by)
    if made is None:
        return Done(page.url(id=name), "No message has this id.")
    return Done(page.url(id=made), "This is the new message. The first one is on record as a possible double.")


page = Page(
    "life",
    "/messages/{id}",
    "Message",
    view,
    "life.html",
    parent="messages",
    live=("answer", "acts", "life"),
    acts=(Act("cancel", cancel), Act("try-now", try_now), Act("resend", resend)),
)
