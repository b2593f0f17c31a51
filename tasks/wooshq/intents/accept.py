"""Accept intents: when a call returns an id, the intent is in the ledger, or in the spool of this machine if there is one and Redis is away."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.errors import Conflict, FolderUnusable, LedgerUnavailable, NotAccepted
from wooshq.intents.entry import IntentLike, entry_of
from wooshq.intents.report import Report
from wooshq.ledger.entry import Entry
from wooshq.ledger.intents import Accepted, AcceptOutcome, IntentLedger
from wooshq.ledger.steps import AskWhetherAway, AsyncStream, Flow, Keep, Pull, Ring, Steps, Stream, Within
from wooshq.settings import Settings
from wooshq.tracing import accepting, same_lane
from wooshq_schemas import IntentInvalid, Problem

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Bytes of intents that are held at once, however many intents that is."""


def accept_intent(ledger: IntentLedger, settings: Settings, intent: IntentLike) -> Flow[str]:
    """See `Wooshq.enqueue`."""
    entry = entry_of(intent, settings)
    with accepting(settings, entry.lane) as span:
        if span.trace:
            entry = replace(entry, trace=span.trace)
            span.note(messaging_message_id=entry.intent_id)
        try:
            if settings.spool_dir is not None:
                yield AskWhetherAway()
            accepted: AcceptedOne = yield Within(settings.accept_within_s, accept_one(ledger, entry))
        except LedgerUnavailable as error:
            if (yield from _kept(settings, [entry], error)):
                return entry.intent_id
            raise not_accepted(error, [entry.intent_id]) from error
        for lane in accepted.bells:
            yield Ring(lane)
        return accepted.intent_id


def accept_intents(ledger: IntentLedger, settings: Settings, intents: Stream | AsyncStream) -> Flow[Report]:
    """See `Wooshq.enqueue_many`."""
    if isinstance(intents.items, (str, bytes, Mapping)):
        raise TypeError("enqueue_many takes an iterable of intents; for one intent use enqueue")
    report = Report()
    goes_on = True
    while goes_on:
        batch = _Batch(settings, start=len(report.ids))
        try:
            goes_on = yield Pull(intents, batch.add)
        except Exception as error:
            _add_report(error, report)
            raise
        if batch.checked:
            yield from _accept_batch(ledger, settings, batch.checked, report)
    return report


def _accept_batch(ledger: IntentLedger, settings: Settings, batch: Sequence[Checked], report: Report) -> Flow[None]:
    """Accept one batch, write its outcome into the report, and ring the bells of its lanes."""
    try:
        outcomes = yield from accept_traced(ledger, settings, batch)
    except LedgerUnavailable as error:
        good = [(checked.index, checked.entry.intent_id) for checked in batch if checked.entry]
        raise not_accepted(error, [intent_id for _, intent_id in good], report, [index for index, _ in good]) from error
    for one in outcomes:
        _note(report, one)


def accept_traced(ledger: IntentLedger, settings: Settings, batch: Sequence[Checked]) -> Flow[Sequence[Outcome]]:
    """`accept_checked`, with a span for the batch if tracing is on."""
    if not settings.tracing:
        return (yield from accept_checked(ledger, settings, batch))
    good = [checked.entry for checked in batch if checked.entry is not None]
    with accepting(settings, same_lane(entry.lane for entry in good), n=len(good)) as span:
        if span.trace:
            batch = [replace(one, entry=replace(one.entry, trace=span.trace)) if one.entry is not None else one for one in batch]
        return (yield from accept_checked(ledger, settings, batch))


def accept_checked(ledger: IntentLedger, settings: Settings, batch: Sequence[Checked]) -> Flow[Sequence[Outcome]]:
    """
    Accept the valid intents of a batch in one round trip, and ring the bells of their lanes; or keep them in the spool of this machine, if
    there is one. Raises LedgerUnavailable: see `not_accepted` for what the caller must hear.
    """
    try:
        if settings.spool_dir is not None:
            yield AskWhetherAway()
        return (yield from accept_and_ring(ledger, settings, batch))
    except LedgerUnavailable as error:
        if not (yield from _kept(settings, [checked.entry for checked in batch if checked.entry], error)):
            raise
        return [Outcome(checked, AcceptOutcome(checked.entry.intent_id, new=True) if checked.entry else None) for checked in batch]


def accept_and_ring(ledger: IntentLedger, settings: Settings, batch: Sequence[Checked]) -> Flow[Sequence[Outcome]]:
    """Accept the valid intents of a batch, and ring the bells of its lanes. Raises LedgerUnavailable."""
    done: AcceptedBatch = yield Within(settings.accept_within_s, accept_batch(ledger, batch))
    for lane in done.bells:
        yield Ring(lane)
    return done.outcomes


def _kept(settings: Settings, entries: Sequence[Entry], error: LedgerUnavailable) -> Flow[bool]:
    """Whether the spool of this machine has them now. If it should and cannot, the error says why, too."""
    if settings.spool_dir is None:
        return False
    try:
        return bool((yield Keep(entries, error)))
    except FolderUnusable as unusable:
        error.args = (f"{error}. {unusable}",)
        return False


@dataclass(frozen=True, slots=True)
class Checked:
    """One intent of an iterable, with its index: an entry, or the problems that it has."""

    index: int
    entry: Entry | None
    problems: tuple[Problem, ...] = ()


class _Batch:
    """The intents of one round trip, checked as they come."""

    def __init__(self, settings: Settings, *, start: int) -> None:
        """start: index of the batch's first intent."""
        self.checked: list[Checked] = []
        self._settings = settings
        self._start = start
        self._bytes = 0
        self._now = datetime.now(UTC)

    def add(self, intent: Any) -> bool:
        """Check an intent and add it. True if the batch is full. Never raises because of the intent."""
        index = self._start + len(self.checked)
        try:
            entry = entry_of(intent, self._settings, now=self._now)
            self.checked.append(Checked(index, entry))
            self._bytes += len(entry.body)
        except IntentInvalid as error:
            self.checked.append(Checked(index, None, error.problems))
        return len(self.checked) >= self._settings.accept_batch or self._bytes > _MOST_BYTES


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one checked intent: accepted, in conflict with an earlier one, or neither because it is invalid."""

    checked: Checked
    accepted: AcceptOutcome | None = None
    conflict: Conflict | None = None


@dataclass(frozen=True, slots=True)
class AcceptedOne:
    """intent_id: under which the intent is in the ledger. bells: lanes whose bells the caller must ring."""

    intent_id: str
    bells: Sequence[str]


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """What became of each checked intent. bells: lanes whose bells the caller must ring."""

    outcomes: Sequence[Outcome]
    bells: Sequence[str]


def accept_one(ledger: IntentLedger, entry: Entry) -> Steps[AcceptedOne]:
    """Accept one entry. Raises Conflict."""
    accepted = yield from ledger.accept([entry])
    outcome = accepted.outcomes[0]
    if outcome.clash and (found := (yield from _after_accept(_conflict(ledger, entry, outcome.intent_id)))) is not None:
        raise found
    return AcceptedOne(outcome.intent_id, accepted.bells)


def accept_batch(ledger: IntentLedger, batch: Sequence[Checked]) -> Steps[AcceptedBatch]:
    """Accept the valid intents of a batch in one round trip. A conflict does not stop the others."""
    good = [checked.entry for checked in batch if checked.entry is not None]
    accepted = (yield from ledger.accept(good)) if good else Accepted([], ())
    answers = iter(accepted.outcomes)
    out: list[Outcome] = []
    for checked in batch:
        if checked.entry is None:
            out.append(Outcome(checked))
            continue
        answer = next(answers)
        found = (yield from _after_accept(_conflict(ledger, checked.entry, answer.intent_id))) if answer.clash else None
        out.append(Outcome(checked, None, found) if found else Outcome(checked, answer))
    return AcceptedBatch(out, accepted.bells)


def _after_accept(steps: Steps[Conflict | None]) -> Steps[Conflict | None]:
    """Steps that ask after the entries were accepted: if they get no answer, the entries are in the ledger all the same."""
    try:
        return (yield from steps)
    except LedgerUnavailable as error:
        error.maybe_done = True
        raise


def _conflict(ledger: IntentLedger, entry: Entry, accepted_id: str) -> Steps[Conflict | None]:
    """
    Compare an entry with the intent accepted earlier under its id or key. None if no field differs.

    The ledger has no digest of an intent that came without an id or a key, so the script cannot compare; the bodies are compared here.
    """
    kept = (yield from ledger.bodies([accepted_id]))[0]
    fields: list[str] = []
    if kept is not None:
        mine, theirs = json.loads(entry.body), json.loads(kept)
        fields = sorted(differences({**mine, "id": None}, {**theirs, "id": None}))
        if not fields:
            return None
    what = "idempotency_key" if entry.idempotency_key is not None and entry.intent_id != accepted_id else "id"
    return Conflict(what, accepted_id, fields)


def differences(mine: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Paths of the fields in which two bodies differ. Never their values: they may be personal."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for name in mine.keys() | theirs.keys():
            where = f"{path}.{name}" if path else str(name)
            if name not in mine or name not in theirs:
                yield where
            else:
                yield from differences(mine[name], theirs[name], where)
    elif mine != theirs or type(mine) is not type(theirs):
        yield path


def _note(report: Report, one: Outcome) -> None:
    if one.accepted is not None:
        report.took(one.accepted.intent_id)
    elif one.conflict is not None:
        field, _, said = str(one.conflict).partition(": ")
        problem, _, hint = said.rpartition(". ")
        report.refuse(one.checked.index, (Problem(field, problem, hint),))
    else:
        report.refuse(one.checked.index, one.checked.problems)


def not_accepted(
    error: LedgerUnavailable, intent_ids: Sequence[str], report: Report | None = None, indexes: Iterable[int] = ()
) -> NotAccepted:
    """The ledger's error as the producer must hear it: what may have been accepted, and how to retry."""
    if error.maybe_done and report is not None:
        advice = "Some may have been accepted. Retry each with the same id (the error's intent_ids); none will be duplicated."
    elif error.maybe_done:
        advice = "It may have been accepted. Retry with the same id (the error's intent_id); it will not be duplicated."
    else:
        advice = "Nothing was accepted; it is safe to call again."
    before = f" Accepted before: {report.accepted}." if report is not None and report.accepted else ""
    message = f"{error}. {advice}{before}"
    return NotAccepted(message, intent_ids=intent_ids, report=report, maybe_done=error.maybe_done, indexes=tuple(indexes))


def _add_report(error: Exception, report: Report) -> None:
    """Let an error of the caller's own iterable tell what was accepted before it."""
    error.add_note(f"wooshq: {report.accepted} intents before this were accepted; the error's `report` has their ids")
    error.report = report  # type: ignore[attr-defined]
