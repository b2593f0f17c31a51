"""From an intent as someone wrote it to an entry of the ledger."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from wooshq.errors import Conflict, LedgerUnavailable, NotAccepted
from wooshq.intents.report import Report
from wooshq.ledger.entry import Entry
from wooshq.ledger.intents import AcceptOutcome, IntentLedger
from wooshq.ledger.steps import Steps
from wooshq.settings import Settings
from wooshq_schemas import Intent, IntentInvalid, Problem, parse_intent, parse_intent_json

T = TypeVar("T")


def not_accepted(
    error: LedgerUnavailable, intent_ids: Sequence[str], report: Report | None = None, indexes: Sequence[int] = ()
) -> NotAccepted:
    """The ledger's trouble as the producer must hear it."""
    if error.maybe_done and report is not None:
        advice = "Some may have been taken in all the same: give each its id again (the error's intent_ids) and it is still one message."
    elif error.maybe_done:
        advice = "It may have been taken in all the same: call again with the same id (the error's intent_id) and it is still one message."
    else:
        advice = "Nothing was accepted; it is safe to call again."
    done = f" Accepted before it: {report.accepted}." if report is not None and report.accepted else ""
    message = f"{error}. {advice}{done}"
    return NotAccepted(message, intent_ids=intent_ids, report=report, maybe_done=error.maybe_done, indexes=indexes)


def with_report(batches: Iterator[T], report: Report) -> Iterator[T]:
    """The batches; what goes wrong in the caller's own iterable must not take with it what is known of those before."""
    try:
        yield from batches
    except Exception as error:
        tell_report(error, report)
        raise


def tell_report(error: Exception, report: Report) -> None:
    """Make an error of somebody else's tell what had been accepted before it."""
    error.add_note(f"wooshq: {report.accepted} intents before this were accepted; the error's `report` has their ids")
    error.report = report  # type: ignore[attr-defined]


def note(report: Report, batch: Iterable[tuple[Checked, AcceptOutcome | None, Conflict | None]]) -> None:
    """Write a batch's outcome into the report."""
    for checked, accepted, clash in batch:
        if accepted is not None:
            report.took(accepted.intent_id)
        elif clash is not None:
            field, _, says = str(clash).partition(": ")
            problem = Problem(field, says, "Use another key, or the same body")
            report.refuse(checked.index, (problem,))
        else:
            report.refuse(checked.index, checked.problems)


def new_by_lane(batch: Iterable[tuple[Checked, AcceptOutcome | None, Conflict | None]]) -> dict[str, list[str]]:
    """What a batch brought that the broker has not heard of."""
    lanes: dict[str, list[str]] = {}
    for checked, accepted, _ in batch:
        if accepted is not None and accepted.new and checked.entry is not None:
            lanes.setdefault(checked.entry.lane, []).append(accepted.intent_id)
    return lanes


IntentLike: TypeAlias = Intent | Mapping[str, Any] | str | bytes
"""An intent as a dict, as JSON text, or as the model."""


def entry_of(intent: IntentLike, settings: Settings, *, now: datetime | None = None) -> Entry:
    """
    Check an intent and make it ready for the ledger.

    now: aware; what a schedule is held against (default: this machine's clock, only asked where there is a schedule).
    Raises IntentInvalid with every problem there is.
    """
    if isinstance(intent, Intent):
        intent = json.loads(intent.to_json())
    now = now or datetime.now(UTC)
    known, limit, table = settings.application, settings.list_limit, settings.platform_table
    if isinstance(intent, (str, bytes)):
        if len(intent) > settings.max_intent_bytes:
            raise too_large(len(intent), settings)
        model = parse_intent_json(intent, now=now, application=known, list_limit=limit, platforms=table)
    else:
        model = parse_intent(intent, now=now, application=known, list_limit=limit, platforms=table)
    return entry_of_model(model, settings)


def entry_of_model(model: Intent, settings: Settings) -> Entry:
    """`entry_of` for an intent that is checked already."""
    body = model.to_json()
    if len(body) > settings.max_intent_bytes:
        raise too_large(len(body), settings)
    key = model.idempotency_key
    digest = _digest(body) if model.id is not None or key is not None else ""
    expires = model.expires_at_dt
    return Entry(
        intent_id=model.id or new_id(),
        body=body,
        lane=model.lane or "transactional",
        application=model.application or "",
        digest=digest,
        idempotency_key=key,
        expires_at_ms=None if expires is None else int(expires.timestamp() * 1000),
        ttl_ms=None if model.ttl_s is None else int(model.ttl_s * 1000),
    )


def too_large(size: int, settings: Settings) -> IntentInvalid:
    """What is said of an intent above the limit."""
    return IntentInvalid(
        (
            Problem(
                "",
                f"the intent is {size} bytes of JSON, and {settings.max_intent_bytes} are allowed",
                "send attachments as links, use the fan-out for long lists, or raise WOOSHQ_MAX_INTENT_BYTES",
            ),
        )
    )


def _digest(body: str) -> str:
    """Of what was asked for: the id says which intent it is, not what it says."""
    fields = json.loads(body)
    fields.pop("id", None)
    return hashlib.blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=16).hexdigest()


class _Ids:
    """UUIDs of version 7 (RFC 9562): ordered by time, so that what was accepted together lies together; os.urandom once in 512."""

    def __init__(self) -> None:
        self._pool, self._at, self._pid = b"", 0, 0

    def __call__(self) -> str:
        at = self._at
        if at >= len(self._pool) or self._pid != os.getpid():  # a forked child must not repeat its parent's
            self._pool, at, self._pid = os.urandom(10 * 512), 0, os.getpid()
        self._at = at + 10
        rest = self._pool[at : at + 10].hex()
        stamp = f"{time.time_ns() // 1_000_000:012x}"
        return f"{stamp[:8]}-{stamp[8:]}-7{rest[:3]}-{'89ab'[int(rest[3], 16) & 3]}{rest[4:7]}-{rest[7:19]}"


new_id = _Ids()
"""A fresh intent id."""


def accept_one(ledger: IntentLedger, entry: Entry) -> Steps[str]:
    """The id under which the intent is in the ledger. Raises Conflict."""
    outcome = (yield from ledger.accept([entry]))[0]
    if outcome.clash and (clash := (yield from _asked_after(conflict(ledger, entry, outcome.intent_id)))) is not None:
        raise clash
    return outcome.intent_id


def _asked_after(steps: Steps[Conflict | None]) -> Steps[Conflict | None]:
    """What is asked once the entries are in: where it gets no answer, they are in all the same."""
    try:
        return (yield from steps)
    except LedgerUnavailable as error:
        error.maybe_done = True
        raise


def conflict(ledger: IntentLedger, entry: Entry, accepted_id: str) -> Steps[Conflict | None]:
    """
    Which fields differ between the entry and what was accepted earlier under its id or key; None where none does.

    An intent that came without an id or a key has no digest in the ledger, so the script cannot tell, and bodies are compared here.
    """
    kept = (yield from ledger.fields([accepted_id], "body"))[0][0]
    fields: list[str] = []
    if kept is not None:
        mine, theirs = json.loads(entry.body), json.loads(kept)
        fields = sorted(differences({**mine, "id": None}, {**theirs, "id": None}))
        if not fields:
            return None
    what = "idempotency_key" if entry.idempotency_key is not None and entry.intent_id != accepted_id else "id"
    return Conflict(what, accepted_id, fields)


def differences(mine: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Paths of the fields that two bodies do not share; never their values, for they may be personal."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for name in mine.keys() | theirs.keys():
            where = f"{path}.{name}" if path else str(name)
            if name not in mine or name not in theirs:
                yield where
            else:
                yield from differences(mine[name], theirs[name], where)
    elif mine != theirs or type(mine) is not type(theirs):
        yield path


@dataclass(frozen=True, slots=True)
class Checked:
    """One intent of an iterable, with its place; either an entry or what is wrong with it."""

    index: int
    entry: Entry | None
    problems: tuple[Problem, ...] = ()


def check_one(index: int, intent: object, settings: Settings, now: datetime) -> Checked:
    """An intent of an iterable; never raises for what a stranger wrote."""
    try:
        return Checked(index, entry_of(intent, settings, now=now))  # type: ignore[arg-type]
    except IntentInvalid as error:
        return Checked(index, None, error.problems)


def batches(intents: Iterable[object], settings: Settings) -> Iterator[list[Checked]]:
    """An iterable in batches that are ready for the ledger; holds one batch at a time, and never more than 16 MB of bodies."""
    batch: list[Checked] = []
    size = 0
    now = datetime.now(UTC)
    for index, intent in enumerate(intents):
        checked = check_one(index, intent, settings, now)
        batch.append(checked)
        size += len(checked.entry.body) if checked.entry else 0
        if len(batch) >= settings.accept_batch or size > 16 * 1024 * 1024:
            yield batch
            batch, size, now = [], 0, datetime.now(UTC)
    if batch:
        yield batch


def accept_batch(ledger: IntentLedger, batch: Sequence[Checked]) -> Steps[list[tuple[Checked, AcceptOutcome | None, Conflict | None]]]:
    """Accept what is good of a batch in one round trip; a clash stops no other."""
    good = [c for c in batch if c.entry is not None]
    outcomes = iter((yield from ledger.accept([c.entry for c in good if c.entry])) if good else [])
    out: list[tuple[Checked, AcceptOutcome | None, Conflict | None]] = []
    for checked in batch:
        if checked.entry is None:
            out.append((checked, None, None))
            continue
        outcome = next(outcomes)
        clash = (yield from _asked_after(conflict(ledger, checked.entry, outcome.intent_id))) if outcome.clash else None
        out.append((checked, None if clash else outcome, clash))
    return out
