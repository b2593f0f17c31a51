"""Forget a person: in the history first, so that nothing brings the person back, then in the ledger, until a look at everything finds nobody."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from wooshq.client import Wooshq
from wooshq.gates.who import said
from wooshq.history.contract import History
from wooshq.history.person import Person
from wooshq.ledger.replies import Result, ms
from wooshq.ledger.steps import Ask, Flow, Sleep
from wooshq.people.find import Finder, Round
from wooshq.settings import Settings

WITHIN_S: Final = 60.0
"""For how long calls in progress are waited for."""
_AGAIN_S: Final = 0.5
_MOST_ROUNDS: Final = 1000


@dataclass(frozen=True)
class Forgotten(Result):
    """
    What `wooshq forget` did. cancelled: intents that were not sent yet; they are among the removed. removed, changed: intents and letters about
    the person alone, and shared with others. job_recipients: places in jobs. history_removed, history_changed: the same of records.

    left: places that are left, counted by a last look at everything: 0, unless a worker still sends to the person.
    """

    cancelled: int
    removed: int
    changed: int
    job_recipients: int
    history_removed: int
    history_changed: int
    left: int


def forget(
    wooshq: Wooshq,
    history: History | None,
    recipient: str,
    *,
    why: str = "",
    by: str | None = None,
    dry_run: bool = False,
    within_s: float = WITHIN_S,
) -> Forgotten:
    """
    Remove a recipient everywhere. What is accepted after the call began is kept: stop sending to the person first.

    dry_run: only count; the history is not counted then. Raises ValueError for an empty recipient, LedgerUnavailable and HistoryAway; then
    call again.
    """
    if not recipient:
        raise ValueError("recipient: must not be empty")
    why, who = said(why, by)
    if dry_run:
        found = wooshq.do(_count(wooshq.settings, recipient))
        return Forgotten(0, found.removed, found.changed, found.recipients, 0, 0, found.found)
    removed = changed = 0
    if history is not None:
        first = history.forget(recipient)
        removed, changed = first.removed, first.changed
    done = wooshq.do(_forget(wooshq.settings, recipient, within_s))
    left = done.busy
    if history is not None:  # a worker may have written, meanwhile, what it had read before
        last = history.forget(recipient)
        removed, changed, left = removed + last.removed, changed + last.changed, left + last.left
    result = Forgotten(done.cancelled, done.removed, done.changed, done.recipients, removed, changed, left)
    wooshq.do(_note(wooshq, result, why, who))
    return result


def _count(settings: Settings, recipient: str) -> Flow[Round]:
    now_ms = ms((yield Ask([("TIME",)]))[0])
    return (yield from Finder(settings, Person(recipient), now_ms, only_count=True).round())


def _forget(settings: Settings, recipient: str, within_s: float) -> Flow[Round]:
    """Round by round until one finds nothing. busy: of the last round."""
    finder = Finder(settings, Person(recipient), ms((yield Ask([("TIME",)]))[0]))
    until = time.monotonic() + within_s
    total = Round()
    for _ in range(_MOST_ROUNDS):
        found = yield from finder.round()
        total.cancelled += found.cancelled
        total.removed += found.removed
        total.changed += found.changed
        total.recipients += found.recipients
        total.busy = found.busy
        if found.found == 0 or (found.found == found.busy and time.monotonic() > until):
            break
        if found.busy:
            yield Sleep(_AGAIN_S)
    return total


def _note(wooshq: Wooshq, result: Forgotten, why: str, by: str) -> Flow[None]:
    """In the audit log, without the person's name."""
    count = sum((result.removed, result.changed, result.job_recipients, result.history_removed, result.history_changed))
    fields = {"did": "forget", "what": "recipient", "why": why, "by": by, "value": "", "before": "", "n": count, "selection": ""}
    now_ms = ms((yield Ask([("TIME",)]))[0])
    pairs = [part for pair in ({"at": now_ms} | fields | {"result": f"{result.left} left"}).items() for part in pair]
    yield Ask([("XADD", wooshq.ledger.keys.fixed("changes"), "MAXLEN", 10_000, "*", *pairs)])
