"""What operators said, where it is not the audit log: why of replays, jobs, causes, limits and pauses; the selection and the recipe of a replay."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from wooshq.history.person import Person
from wooshq.ledger.replies import as_row, text
from wooshq.ledger.states import ReplayState
from wooshq.ledger.steps import Ask, Steps
from wooshq.people.ledger import PeopleLedger

_PAGE: Final = 100
_OF_REPLAY: Final = ("why", "note", "selection")
_OVER: Final = (ReplayState.CANCELLED, ReplayState.DONE)


def forget_words(ledger: PeopleLedger, person: Person) -> Steps[int]:
    """Take a person out of all of it. How many texts could not be changed now."""
    busy = 0
    for of, read, name in _LISTS:
        ids = [text(one) for one in (yield Ask([("ZRANGE", ledger.keys.fixed(of), 0, -1)]))[0]]
        for start in range(0, len(ids), _PAGE):
            keys = [getattr(ledger.keys, name)(one) for one in ids[start : start + _PAGE]]
            rows = yield Ask([("HMGET", key, *read) for key in keys])
            for key, values in zip(keys, rows, strict=True):
                row = {field: text(value) for field, value in zip(read, values, strict=True) if value is not None}
                busy += yield from _change(ledger, key, row, _of_row(row, person))
                # The recipe of a replay that goes on is what it sends.
                busy += row.get("state") not in _OVER and person.may_be_in(row.get("recipe", ""))
    for of in ("limits", "gates"):
        key = ledger.keys.fixed(of)
        row = as_row((yield Ask([("HGETALL", key)]))[0])
        busy += yield from _change(ledger, key, row, _whys(row, person))
    return busy


_LISTS: Final[Sequence[tuple[str, Sequence[str], str]]] = (
    ("replays", (*_OF_REPLAY, "state", "recipe"), "replay"),
    ("jobs", ("why",), "job"),
    ("causes", ("why",), "cause"),
)
"""The list, the fields, and the name of the key."""


def _of_row(row: Mapping[str, str], person: Person) -> Iterator[tuple[str, str]]:
    """The fields that change."""
    for field in _OF_REPLAY:
        if field in row and (new := person.scrubbed(row[field])) != row[field]:
            yield field, new
    if row.get("state") in _OVER and (new := person.scrubbed_json(row.get("recipe", ""))) != row.get("recipe", ""):
        yield "recipe", new


def _whys(row: Mapping[str, str], person: Person) -> Iterator[tuple[str, str]]:
    """Only `why`: a number may look like a person."""
    for field, kept in row.items():
        if person.may_be_in(kept) and isinstance(said := _read(kept), dict):
            why = said.get("why")
            if isinstance(why, str) and (new := person.scrubbed(why)) != why:
                yield field, json.dumps({**said, "why": new}, ensure_ascii=False, separators=(",", ":"))


def _read(kept: str) -> object:
    try:
        found: object = json.loads(kept)
    except ValueError:
        return None
    return found


def _change(ledger: PeopleLedger, key: str, row: Mapping[str, str], changed: Iterator[tuple[str, str]]) -> Steps[int]:
    busy = 0
    for field, new in changed:
        busy += not (yield from ledger.change_words(key, field, row[field], new))
    return busy
