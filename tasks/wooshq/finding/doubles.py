"""
Every case in which a person may have got a message twice. A call without an answer may have reached its recipients; with another call that did, or
may have, they may have got the message twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from wooshq.errors import SettingsInvalid
from wooshq.finding.double import Double
from wooshq.finding.doubles_of_jobs import cases_of_job
from wooshq.finding.in_history import OFF, SEARCHED, search_history
from wooshq.history.contract import HistoryAway, HistoryNewer
from wooshq.history.record import Record
from wooshq.intents.find import status_of_record
from wooshq.intents.late import TRIED_AGAIN
from wooshq.intents.status import Status, statuses_of
from wooshq.ledger.intents import read_rows
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, as_row, moment, text
from wooshq.ledger.steps import Ask, Flow, in_history
from wooshq.search.content import Content
from wooshq.search.narrow import ms_of
from wooshq.search.tree import Since

_PAGE: Final = 200
_PLACE: Final = re.compile(r"[0-9TZ:.+-]{0,40}~[0-9a-f]{16}")
_MAY_HAVE_REACHED: Final = ("sent", "unknown")


@dataclass(frozen=True)
class Doubles(Result):
    """
    What is on record, the newest first. history: `searched`, `off` or `away`. not_searched: what could not be searched, a sentence each. after: where the
    next page goes on; None after the last one.
    """

    found: tuple[Double, ...]
    not_searched: tuple[str, ...]
    history: str
    after: str | None = None


@dataclass(slots=True)
class _Doubts:
    """What is on record as in doubt. intents: id → (ms of the last one, causes). jobs: ids."""

    intents: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    jobs: dict[str, None] = field(default_factory=dict)

    def add(self, row: Mapping[str, str]) -> None:
        at, cause = int(float(row["at"])), row.get("cause", "")
        if "bulk" in row:
            self.jobs[row["bulk"]] = None
        else:
            _, causes = self.intents.get(row["id"], (0, []))
            self.intents[row["id"]] = (at, [*causes, cause])


def find_doubles(keys: Keys, since: datetime | None, most: int | None, after: str | None) -> Flow[Doubles]:
    """See `Wooshq.doubles`."""
    if since is not None and since.tzinfo is None:
        raise ValueError("since: needs a time zone. Example: 2026-05-01T09:00:00Z")
    if after is not None and not _PLACE.fullmatch(after):
        raise ValueError("after: is not the place of a page. Use `after` of the page before")
    doubts = yield from _read(keys, since)
    old: dict[str, Record] = {}

    def take(records: Sequence[Record]) -> bool:
        old.update((one.id, one) for one in records if one.kind != "letter")
        return False

    tree = None if since is None else Since(since)
    history, why = yield from search_history(keys, tree, None, take, in_doubt=True, with_dead=True)
    for one in old.values():
        if one.kind == "intent":
            doubts.intents.setdefault(one.id, (one.ended_ms, list(one.doubts)))
    found: list[Double] = []
    ids = list(doubts.intents)
    for start in range(0, len(ids), _PAGE):
        found += yield from _intents(keys, {i: doubts.intents[i] for i in ids[start : start + _PAGE]}, ask_history=history == SEARCHED)
    for job_id in doubts.jobs:
        found += yield from cases_of_job(keys, job_id, since)
    found += [_job_of(one) for one in old.values() if one.kind == "job" and one.id not in doubts.jobs]
    places = sorted(((_place(one), one) for one in found), key=lambda pair: pair[0], reverse=True)
    places = [pair for pair in places if after is None or pair[0] < after]
    shown = places if most is None else places[:most]
    missing = ("what the history has: there is none (WOOSHQ_HISTORY_URL)",) if history == OFF else (f"the history: {why}",)
    more = shown[-1][0] if shown and len(shown) < len(places) else None
    return Doubles(tuple(one for _, one in shown), () if history == SEARCHED else missing, history, more)


def _place(one: Double) -> str:
    """Where a case stands in the order, which is that of these texts."""
    named = "\0".join((one.kind, one.id, one.cause))
    return f"{one.at or ''}~{hashlib.blake2b(named.encode('utf-8', 'backslashreplace'), digest_size=8).hexdigest()}"


def _read(keys: Keys, since: datetime | None) -> Flow[_Doubts]:
    """The stream of doubts. Its ids are times."""
    found = _Doubts()
    first = "-" if since is None else str(max(0, ms_of(since)))
    while True:
        page = (yield Ask([("XRANGE", keys.fixed("doubts"), first, "+", "COUNT", _PAGE)]))[0]
        for _, fields in page:
            found.add(as_row(fields))
        if len(page) < _PAGE:
            return found
        first = f"({text(page[-1][0])}"


def _intents(keys: Keys, doubts: Mapping[str, tuple[int, list[str]]], *, ask_history: bool) -> Flow[list[Double]]:
    """Those that may have been received twice."""
    known = _Known(keys, ask_history)
    yield from known.load(list(doubts))
    families = yield from known.families(list(doubts))
    rows = dict(zip(doubts, (yield from read_rows(keys, list(doubts))).rows, strict=True))
    found = []
    for intent_id, (at, causes) in doubts.items():
        status = known.statuses.get(intent_id)
        attempts = [attempt for one in families[intent_id] for attempt in one.attempts]
        before = sum(cause.startswith(TRIED_AGAIN) for cause in causes)  # once, of which the ledger knows no call
        reached = sum(attempt["outcome"] in _MAY_HAVE_REACHED for attempt in attempts)
        reached += before if reached else 0
        if status is not None and reached < 2:
            continue
        record = known.records.get(intent_id)
        recipients = record.recipients if record is not None else Content(rows[intent_id].get("body", "")).recipients
        found.append(
            Double(
                kind="intent",
                id=intent_id,
                at=moment(at),
                cause="\n".join(causes),
                state=None if status is None else status.state,
                application=None if status is None else status.application,
                recipients=recipients,
                people=len(recipients),
                reached=None if status is None else reached,
                attempts=attempts,
                kept_in="history" if record is not None else "ledger",
            )
        )
    return found


class _Known:
    """Intents of the ledger, and of the history what the ledger does not have."""

    def __init__(self, keys: Keys, ask_history: bool) -> None:
        self._keys = keys
        self._ask_history = ask_history
        self._asked: set[str] = set()
        self.statuses: dict[str, Status] = {}
        self.records: dict[str, Record] = {}

    def load(self, ids: Sequence[str]) -> Flow[None]:
        new = [i for i in dict.fromkeys(ids) if i not in self._asked]
        self._asked.update(new)
        if not new:
            return
        for intent_id, status in zip(new, (yield from statuses_of(self._keys, new)), strict=True):
            if status is not None:
                self.statuses[intent_id] = status
        missing = [i for i in new if i not in self.statuses]
        if not missing or not self._ask_history:
            return
        try:
            self.records.update((yield from in_history(missing)))
        except (HistoryAway, HistoryNewer, SettingsInvalid):
            return
        self.statuses.update((i, status_of_record(self.records[i])) for i in missing if i in self.records)

    def families(self, ids: Sequence[str]) -> Flow[dict[str, list[Status]]]:
        """Each with what it replays and with its replays, the first one first."""
        while more := [one for status in self.statuses.values() for one in self._next(status) if one not in self._asked]:
            yield from self.load(more)
        return {i: self._family(i) for i in ids}

    def _next(self, status: Status) -> list[str]:
        return [*([status.replay_of] if status.replay_of else []), *status.replays]

    def _family(self, intent_id: str) -> list[Status]:
        seen: dict[str, Status] = {}
        waiting = [intent_id]
        while waiting:
            status = self.statuses.get(waiting.pop())
            if status is not None and status.id not in seen:
                seen[status.id] = status
                waiting += self._next(status)
        return sorted(seen.values(), key=lambda one: one.accepted_at or "")


def _job_of(record: Record) -> Double:
    """Of a job that is in the history alone, nobody knows the recipients in doubt, only how many they were."""
    unknown = int(record.shown.get("unknown") or 0)
    return Double(
        kind="job",
        id=record.id,
        at=moment(record.ended_ms),
        cause="\n".join(record.doubts),
        state=record.state,
        application=record.app or None,
        recipients=(),
        people=unknown,
        reached=None,
        attempts=[],
        kept_in="history",
    )
