"""Whether the world outside is told what has ended: webhooks and hooks that are paused, fail or are behind, and ends that nobody was told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from wooshq.events.webhook import Webhook
from wooshq.ledger.replies import moment
from wooshq.overview.finding import Act, Does, Finding, Kind, Severity
from wooshq.overview.words import duration, several, some_of
from wooshq.overview.wrong.seen import Seen

_NAMED: Final = 3
"""Receivers that get a finding each for the same thing. If there are more, all of them share one."""
_FAILS_S: Final = 60.0
"""A failure is tried again after 5, 15 and 45 seconds: one that lasts for longer is no accident."""
_WAITS_S: Final = 60.0
"""An event is delivered within a second."""
_NEWS_S: Final = 86_400.0
"""For so long it is said that events were dropped or missed: nobody can mend it later."""

_ALL: Final = Act("Look at the webhooks", "wooshq webhooks", page="/webhooks")


def webhooks(seen: Seen) -> Iterator[Finding]:
    """Those that are paused, fail, or are behind; and whoever makes events for them."""
    them = seen.receivers.webhooks
    paused = [one for one in them if one.state == "paused"]
    failing = [one for one in them if one.state != "paused" and _for_s(seen, one.failing_since) > _FAILS_S]
    behind = [one for one in them if one not in paused and not one.is_failing and _for_s(seen, one.oldest_at) > _WAITS_S]
    yield from _each(paused, lambda one: _paused(seen, one), Kind.WEBHOOK_PAUSED, "are paused")
    yield from _each(failing, lambda one: _failing(seen, one), Kind.WEBHOOK_FAILING, "fail")
    yield from _each(behind, lambda one: _behind(seen, one), Kind.WEBHOOK_BEHIND, "are behind")
    yield from _not_made(seen)


def _each(them: Sequence[Webhook], one_of: Callable[[Webhook], Finding], kind: Kind, are: str) -> Iterator[Finding]:
    if len(them) <= _NAMED:
        yield from map(one_of, them)
        return
    waiting = sum(one.waiting for one in them)
    yield Finding(
        kind,
        Severity.WARNING,
        f"{several(len(them), 'receiver')} of events {are}: {some_of([one.name for one in them])}. {_wait(waiting)} for them.",
        "Look at each of them: the deliveries say what the receiver answered.",
        None,
        (_ALL,),
    )


def _paused(seen: Seen, one: Webhook) -> Finding:
    by = one.paused_by
    says = f"{by} paused the webhook {one.name}" if by else f"The webhook {one.name} is paused"
    kept = "Its events wait until you resume it" if by else "Mend the receiver, then resume it"
    return Finding(
        Kind.WEBHOOK_PAUSED,
        Severity.NOTICE if by else Severity.WARNING,
        f"{says}: {one.why_paused or 'nobody said why'}. {_waits_for(seen, one)}",
        f"{kept}. An event is kept for {duration(seen.settings.webhooks_retry_s)} at most.",
        one.paused_at,
        (_resume(one), _look(one)),
        _ms(one.paused_at),
    )


def _failing(seen: Seen, one: Webhook) -> Finding:
    what = f"fails: {one.failing_why or 'it did not say why'}. {_waits_for(seen, one)}"
    mend = {
        "hook": "The log of the workers has the error of the hook (hook_failed).",
        "webhook": "Mend the receiver: what failed is delivered again by itself.",
    }
    return _wrong(Kind.WEBHOOK_FAILING, one, what, mend[one.kind], one.failing_since)


def _behind(seen: Seen, one: Webhook) -> Finding:
    mend = {
        "hook": "Perhaps no worker has it any more, or it takes long. See the log of the workers.",
        "webhook": "Its deliveries say whether some events fail, or take long. The process beside each worker delivers: does a worker run?",
    }
    return _wrong(Kind.WEBHOOK_BEHIND, one, f"is behind. {_waits_for(seen, one)}", mend[one.kind], one.oldest_at)


def _wrong(kind: Kind, one: Webhook, what: str, mend: str, since: str | None) -> Finding:
    """What is wrong with a receiver. A hook has no page of its own."""
    acts = (_ALL if one.kind == "hook" else _look(one),)
    return Finding(kind, Severity.WARNING, f"The {one.kind} {one.name} {what}", mend, since, acts, _ms(since))


def _not_made(seen: Seen) -> Iterator[Finding]:
    lag_s = seen.receivers.lag_s
    if seen.receivers.webhooks and lag_s > _WAITS_S:
        since_ms = int(seen.now_ms - lag_s * 1000)
        yield Finding(
            Kind.WEBHOOK_BEHIND,
            Severity.WARNING,
            f"Nobody makes events of what has ended: the oldest end is {duration(lag_s)} old.",
            "The process beside each worker does it. Start a worker, or see its log.",
            moment(since_ms),
            (_ALL,),
            since_ms,
        )


def missed(seen: Seen) -> Iterator[Finding]:
    """Ends and events of the last day that somebody will not be told."""
    telling = seen.facts.telling
    n, at_ms = int(telling.get("missed|outward") or 0), int(float(telling.get("missed_at|outward") or 0))
    if n and at_ms and seen.ago_s(at_ms) <= _NEWS_S:
        yield Finding(
            Kind.EVENTS_MISSED,
            Severity.WARNING,
            f"{several(n, 'end was', 'ends were')} not told to any webhook, because the stream of events was full; the last one {_ago(seen, at_ms)}.",
            "Raise WOOSHQ_EVENTS_MAX_BYTES. What became of a message: wooshq find, wooshq status.",
            moment(at_ms),
            (_ALL,),
            at_ms,
        )
    dropped = [one for one in seen.receivers.webhooks if one.dropped and 0 < _for_s(seen, one.dropped_at) <= _NEWS_S]
    for one in dropped[:_NAMED]:
        given_up = f"{several(one.dropped, 'event')}, which {'was' if one.dropped == 1 else 'were'} given up"
        what = f"did not get {given_up}; the last one {_ago(seen, _ms(one.dropped_at) or 0)}."
        mend = "They are not delivered any more. What became of a message: wooshq find, wooshq status."
        yield _wrong(Kind.EVENTS_MISSED, one, what, mend, one.dropped_at)
    if more := dropped[_NAMED:]:
        says = f"{several(len(more), 'more receiver')} did not get all events."
        yield Finding(Kind.EVENTS_MISSED, Severity.WARNING, says, "Look at each of them.", None, (_ALL,))


def _waits_for(seen: Seen, one: Webhook) -> str:
    if not one.waiting:
        return "No event waits for it."
    return f"{_wait(one.waiting)} for it, the oldest for {duration(_for_s(seen, one.oldest_at))}."


def _wait(n: int) -> str:
    return f"{several(n, 'event')} {'waits' if n == 1 else 'wait'}"


def _ago(seen: Seen, at_ms: int) -> str:
    return f"{duration(seen.ago_s(at_ms))} ago"


def _look(one: Webhook) -> Act:
    return Act("Look at its deliveries", f"wooshq webhooks show {one.name}", page=f"/webhooks/{one.name}")


def _resume(one: Webhook) -> Act:
    return Act(
        f"Resume {one.name}",
        f"wooshq webhooks resume {one.name}",
        page=f"/webhooks/{one.name}",
        path=f"/v1/webhooks/{one.name}/resume",
        does=Does.RESUME_WEBHOOK,
        named={"webhook": one.name},
    )


def _ms(at: str | None) -> int | None:
    return None if at is None else int(datetime.fromisoformat(at).timestamp() * 1000)


def _for_s(seen: Seen, at: str | None) -> float:
    """Seconds since then; 0 if it never was."""
    found = _ms(at)
    return 0.0 if found is None else seen.ago_s(found)
