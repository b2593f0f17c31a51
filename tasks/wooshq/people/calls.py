"""Forget a person: in the history first, so that nothing brings the person back, then in the ledger, until a look at everything finds nobody."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from wooshq.gates.who import said
from wooshq.history.person import Person
from wooshq.ledger.gates import note_act
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, ms
from wooshq.ledger.steps import Ask, AskHistory, Flow, Sleep, Steps
from wooshq.people.find import Finder, Round
from wooshq.settings import Settings

WITHIN_S: Final = 60.0
"""For how long calls in progress are waited for."""
_AGAIN_S: Final = 0.5
_MOST_ROUNDS: Final = 1000


@dataclass(frozen=True)
class Forgotten(Result):
    """
    The object of `wooshq forget`. cancelled: intents that were not sent yet; they are among the removed. removed, changed: intents and letters about
    the person alone, and shared with others. job_recipients: places in jobs. acts: acts in the audit log that named the person. history_removed,
    history_changed: records and acts of the history.

    left: places that are left, counted by a last look at everything: 0, unless a worker still sends to the person. A dry run leaves all of them, and
    counts each as the call itself would.
    """

    cancelled: int
    removed: int
    changed: int
    job_recipients: int
    acts: int
    history_removed: int
    history_changed: int
    left: int


def forget_person(
    settings: Settings, recipient: str, *, why: str, by: str | None, dry_run: bool, within_s: float = WITHIN_S
) -> Flow[Forgotten]:
    """See `Wooshq.forget`."""
    if not recipient:
        raise ValueError("recipient: must not be empty")
    why, who = said(why, by)
    why = Person(recipient).scrubbed(why)
    now_ms = ms((yield Ask([("TIME",)]))[0])
    if dry_run:
        kept = yield AskHistory(lambda history: history.count_person(recipient))
        found = yield from Finder(settings, Person(recipient), now_ms, only_count=True).round()
        removed, changed = (kept.removed, kept.changed + kept.acts) if kept is not None else (0, 0)
        left = found.found + removed + changed
        return Forgotten(found.cancelled, found.removed, found.changed, found.recipients, found.acts, removed, changed, left)
    first = yield AskHistory(lambda history: history.forget(recipient))
    done = yield from _forget(Finder(settings, Person(recipient), now_ms), within_s)
    removed, changed, left = 0, 0, done.busy
    if first is not None:  # a worker may have written, meanwhile, what it had read before
        last = yield AskHistory(lambda history: history.forget(recipient))
        removed, left = first.removed + last.removed, left + last.left
        changed = first.changed + last.changed + first.acts + last.acts
    result = Forgotten(done.cancelled, done.removed, done.changed, done.recipients, done.acts, removed, changed, left)
    yield from _note(Keys(settings.namespace), result, why, who)
    return result


def _forget(finder: Finder, within_s: float) -> Flow[Round]:
    """Round by round until one finds nothing. busy: of the last round."""
    until = time.monotonic() + within_s
    total = Round()
    for _ in range(_MOST_ROUNDS):
        found = yield from finder.round()
        total.cancelled += found.cancelled
        total.removed += found.removed
        total.changed += found.changed
        total.recipients += found.recipients
        total.acts += found.acts
        total.busy = found.busy
        if found.found == 0 or (found.found == found.busy and time.monotonic() > until):
            break
        if found.busy:
            yield Sleep(_AGAIN_S)
    return total


def _note(keys: Keys, result: Forgotten, why: str, by: str) -> Steps[None]:
    """In the audit log, without the person's name."""
    count = result.removed + result.changed + result.job_recipients + result.history_removed + result.history_changed + result.acts
    yield from note_act(keys, "forget", "recipient", why=why, by=by, count=count, result=f"{result.left} left")
