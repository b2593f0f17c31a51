"""Every place of a person in the ledger, and each one left without the person. One round reads the whole ledger: nothing in it is found by recipient."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from wooshq.history.acts import KeptAct
from wooshq.history.person import Person
from wooshq.jobs.units import Unit, pack, unpack
from wooshq.ledger.chunks import ChunkName
from wooshq.ledger.intents import IntentLedger, read_rows
from wooshq.ledger.replies import as_row, text, text_or_none
from wooshq.ledger.states import State
from wooshq.ledger.steps import Ask, Steps
from wooshq.people.ledger import PeopleLedger
from wooshq.people.words import forget_words
from wooshq.settings import Settings

_PAGE: Final = 500
_CHUNKS: Final = 20
_Read: TypeAlias = Callable[[Sequence[str]], Steps[list[dict[str, str]]]]
_Look: TypeAlias = Callable[[str, Mapping[str, str]], Steps[None]]


@dataclass(slots=True)
class Round:
    """
    What one round did. cancelled: intents that were not sent yet. removed, changed: intents and letters about the person alone, and shared with
    others. recipients: places of the person in jobs. acts: of operators, that named the person. busy: places that could not be changed now.
    """

    cancelled: int = 0
    removed: int = 0
    changed: int = 0
    recipients: int = 0
    acts: int = 0
    busy: int = 0

    @property
    def found(self) -> int:
        return self.removed + self.changed + self.recipients + self.acts + self.busy


class Finder:
    """Goes through the ledger. until_ms: what was accepted later stays. only_count: change nothing."""

    def __init__(self, settings: Settings, person: Person, until_ms: int, *, only_count: bool = False) -> None:
        self._ledger = PeopleLedger(settings)
        self._intents = IntentLedger(settings)
        self._keys = self._ledger.keys
        self._person = person
        self._until_ms = until_ms
        self._only_count = only_count
        self._round = Round()
        self._counted: set[str] = set()  #: letters that are counted with their intents

    def round(self) -> Steps[Round]:
        """Go through the ledger once."""
        self._round = Round()
        self._counted.clear()
        yield from self._through(self._keys.intent(""), self._read_intents, self._intent)
        yield from self._through(self._keys.letter(""), self._read_letters, self._letter)
        yield from self._causes()
        jobs = [text(one) for one in (yield Ask([("ZRANGE", self._keys.fixed("jobs"), 0, -1)]))[0]]
        for job_id in jobs:
            yield from self._job(job_id)
        yield from self._acts()
        if not self._only_count:
            self._round.busy += yield from forget_words(self._ledger, self._person)
        return self._round

    def _read_intents(self, ids: Sequence[str]) -> Steps[list[dict[str, str]]]:
        return (yield from read_rows(self._keys, ids)).rows

    def _read_letters(self, ids: Sequence[str]) -> Steps[list[dict[str, str]]]:
        flats = (yield Ask([("HGETALL", self._keys.letter(i)) for i in ids])) if ids else ()
        return [as_row(flat) for flat in flats]

    def _through(self, prefix: str, read: _Read, look: _Look) -> Steps[None]:
        pattern = "".join(f"\\{char}" if char in "\\*?[]" else char for char in prefix) + "*"
        cursor: object = 0
        while True:
            cursor, page = (yield Ask([("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)]))[0]
            names = [text(name).removeprefix(prefix) for name in page]
            for name, row in zip(names, (yield from read(names)), strict=True):
                if row.get("state"):
                    yield from look(name, row)
            if int(text(cursor)) == 0:
                return

    # Intents and letters

    def _intent(self, intent_id: str, row: Mapping[str, str]) -> Steps[None]:
        if int(float(row.get("at") or 0)) > self._until_ms:
            return
        body = row.get("body", "")
        others = self._person.others_in(body)
        changed = {name: new for name, old in row.items() if _is_said(name) and (new := self._person.scrubbed_json(old)) != old}
        if others is None and not changed:
            return
        if self._only_count:
            self._count(bool(others) or others is None, done=True)
            if others == 0:
                yield from self._count_as_removed(intent_id, row)
        elif others == 0:
            done = yield from self._remove(intent_id, row)
            self._count(False, done=done)
        else:
            done = yield from self._ledger.change_intent(intent_id, row, self._person.without(body) if others else body, changed)
            self._count(True, done=done)

    def _count_as_removed(self, intent_id: str, row: Mapping[str, str]) -> Steps[None]:
        """What `_remove` would do besides: cancel the intent, and remove its letter, whatever that says itself."""
        if row["state"] in (State.QUEUED, State.RETRYING):
            self._round.cancelled += 1
        letter_id = _letter_of(intent_id, row)
        if letter_id is not None and letter_id not in self._counted and (yield Ask([("EXISTS", self._keys.letter(letter_id))]))[0]:
            self._counted.add(letter_id)
            self._round.removed += 1

    def _remove(self, intent_id: str, row: Mapping[str, str]) -> Steps[bool]:
        """An intent about the person alone, with its letter."""
        if row["state"] in (State.QUEUED, State.RETRYING):
            if (yield from self._intents.cancel(intent_id)) != State.CANCELLED:
                return False
            self._round.cancelled += 1
            row = {**row, "state": State.CANCELLED.value}
        letter_id = _letter_of(intent_id, row)
        if letter_id is not None:
            letter = as_row((yield Ask([("HGETALL", self._keys.letter(letter_id))]))[0])
            if letter:
                if not (yield from self._ledger.remove_letter(letter_id, letter)):
                    return False
                self._round.removed += 1
        return (yield from self._ledger.remove_intent(intent_id, row))

    def _letter(self, letter_id: str, row: Mapping[str, str]) -> Steps[None]:
        """A letter of others, too, or whose intent is gone: what it says itself."""
        if letter_id in self._counted or int(float(row.get("filed") or 0)) > self._until_ms:
            return
        edited, payload = row.get("edited", ""), row.get("payload", "")
        others = [n for n in (self._person.others_in(edited), self._person.others_in_payload(payload)) if n is not None]
        changed = {name: new for name in ("detail", "note") if (new := self._person.scrubbed(row.get(name, ""))) != row.get(name, "")}
        if not others and not changed:
            return
        if others and max(others) == 0:
            done = self._only_count or (yield from self._ledger.remove_letter(letter_id, row))
            self._count(False, done=done)
            return
        if edited:
            changed["edited"] = self._person.without(edited)
        if payload:
            changed["payload"] = self._person.without_in_payload(payload)
        done = self._only_count or (yield from self._ledger.change_letter(letter_id, row, changed))
        self._count(True, done=done)

    def _causes(self) -> Steps[None]:
        """What was said of letters that are open no more may name the person, too. Their letters are forgotten before."""
        causes = [text(one) for one in (yield Ask([("ZRANGE", self._keys.fixed("causes"), 0, -1)]))[0]]
        for start in range(0, len(causes), _PAGE):
            some = causes[start : start + _PAGE]
            details = yield Ask([("HGET", self._keys.cause(one), "detail") for one in some])
            for cause, detail in zip(some, details, strict=True):
                kept = text_or_none(detail) or ""
                if self._person.scrubbed(kept) != kept and not self._only_count:
                    yield from self._ledger.remove_cause(cause)

    def _count(self, is_shared: bool, *, done: bool) -> None:
        if not done:
            self._round.busy += 1
        elif is_shared:
            self._round.changed += 1
        else:
            self._round.removed += 1

    # Jobs

    def _job(self, job_id: str) -> Steps[None]:
        at, chunks = (yield Ask([("HMGET", self._keys.job(job_id), "at", "chunks")]))[0]
        if at is None or int(float(text(at))) > self._until_ms:
            return
        for start in range(0, int(chunks or 0), _CHUNKS):
            numbers = range(start, min(start + _CHUNKS, int(chunks)))
            found = yield Ask([("HGET", self._keys.chunk(job_id, n), "data") for n in numbers])
            for number, data in zip(numbers, found, strict=True):
                if data is not None:
                    yield from self._chunk(ChunkName(job_id, number), data)
        yield from self._unknown(job_id)
        yield from self._doubts(job_id)

    def _chunk(self, name: ChunkName, data: bytes) -> Steps[None]:
        units = unpack(data)
        if not any(self._person.recipient in unit.identifiers for unit in units):
            return
        left, places = _without(units, self._person.recipient)
        if self._only_count or (yield from self._ledger.change_chunk(name, data, left, places)):
            self._round.recipients += len(places)
        else:
            self._round.busy += 1

    def _unknown(self, job_id: str) -> Steps[None]:
        """Identifiers that the API did not know."""
        key = self._keys.job_part(job_id, "unknown")
        if self._only_count:
            self._round.recipients += len((yield Ask([("LPOS", key, self._person.recipient, "COUNT", 0)]))[0])
        else:
            self._round.recipients += int((yield Ask([("LREM", key, 0, self._person.recipient)]))[0])

    def _doubts(self, job_id: str) -> Steps[None]:
        """Calls in doubt. An entry of others, too, comes again at the end: it is not read again."""
        key = self._keys.job_part(job_id, "doubts")
        after, newest = "-", (yield Ask([("XREVRANGE", key, "+", "-", "COUNT", 1)]))[0]
        while newest:
            raw = (yield Ask([("XRANGE", key, after, newest[0][0], "COUNT", _CHUNKS)]))[0]
            for entry, flat in raw:
                fields = as_row(flat)
                who = json.loads(fields["who"])
                if self._person.recipient in who:
                    others = [one for one in who if one != self._person.recipient]
                    if not self._only_count:
                        yield from self._ledger.change_doubt(
                            job_id, text(entry), fields, json.dumps(others, ensure_ascii=False) if others else ""
                        )
                    self._round.recipients += 1
            if len(raw) < _CHUNKS:
                return
            after = f"({text(raw[-1][0])}"

    # What operators said

    def _acts(self) -> Steps[None]:
        """The audit log: reasons, and queries by a tag. What is written again comes at the end, and is not read again."""
        key = self._keys.fixed("changes")
        after, newest = "-", (yield Ask([("XREVRANGE", key, "+", "-", "COUNT", 1)]))[0]
        while newest:
            raw = (yield Ask([("XRANGE", key, after, newest[0][0], "COUNT", _PAGE)]))[0]
            for entry, flat in raw:
                left = KeptAct.of_entry(text(entry), as_row(flat)).without(self._person)
                if left is not None and (self._only_count or (yield from self._ledger.change_act(text(entry), left.row))):
                    self._round.acts += 1
            if len(raw) < _PAGE:
                return
            after = f"({text(raw[-1][0])}"


def _letter_of(intent_id: str, row: Mapping[str, str]) -> str | None:
    """The id of an intent's letter; None if it has none."""
    return row.get("letter") or (intent_id if row["state"] == State.DEAD else None)


def _is_said(field: str) -> bool:
    """Whether the API or wooshq wrote a field of an intent's row, in words."""
    return field in ("detail", "unknown", "died_of") or field.startswith("a:")


def _without(units: Sequence[Unit], recipient: str) -> tuple[bytes, list[int]]:
    """A chunk's recipients without the person, packed, and the person's places. Nobody else's place changes."""
    places: list[int] = []
    left: list[Unit] = []
    place = 0
    for unit in units:
        mine = [place + n for n, one in enumerate(unit.identifiers) if one == recipient]
        place += len(unit.identifiers)
        places += mine
        if mine:
            identifiers = tuple("" if one == recipient else one for one in unit.identifiers)
            unit = unit._replace(identifiers=identifiers, placeholders=unit.placeholders if any(identifiers) else ())
        left.append(unit)
    return pack(0, left).data, places
