"""Find, group and show dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from wooshq.errors import LetterUnknown
from wooshq.intents.status import attempts_of
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row, moment, text, text_or_none
from wooshq.ledger.states import LetterState
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters.filter import ConditionsAndIds, Filter, comparable
from wooshq.letters.letter import Group, Letter, WholeLetter

_PAGE: Final = 500
"""Letters that are read in one round trip."""
_FIELDS: Final = ("id", "intent", "reason", "detail", "filed", "attempts", "lane", "app", "bulk", "replays", "state")


def list_letters(keys: Keys, conditions: ConditionsAndIds, *, most: int | None) -> Steps[list[Letter]]:
    """See `DeadLetters.list`."""
    return (yield from find(keys, Filter(**conditions), most=most))


def group_letters(keys: Keys, conditions: ConditionsAndIds) -> Steps[list[Group]]:
    """See `DeadLetters.groups`."""
    wanted = Filter(**conditions)
    if "state" not in conditions:
        wanted = replace(wanted, state=LetterState.OPEN)
    groups: dict[tuple[str, str, str | None], list[int]] = {}
    for letter in (yield from find(keys, wanted)):
        key = (letter.reason, comparable(letter.detail), letter.application)
        groups.setdefault(key, []).append(letter.filed_ms)
    found = [Group(*key, len(times), moment(min(times)), moment(max(times))) for key, times in groups.items()]
    return sorted(found, key=lambda group: (-group.count, group.reason, group.detail))


def show_letter(keys: Keys, letter_id: str) -> Steps[WholeLetter]:
    """See `DeadLetters.show`."""
    letter_id = (yield from _letter_ids(keys, [letter_id]))[0]
    row = as_row((yield Ask([("HGETALL", keys.letter(letter_id))]))[0])
    if not row:
        raise LetterUnknown(
            "no dead letter has this id. Check the id (wooshq dead list). The letter may be older than WOOSHQ_DEAD_RETENTION_S, or its intent may not have failed"
        )
    letter = _letter(row)
    lineage = [letter_id, *letter.replays]
    rows = [as_row(flat) for flat in (yield Ask([("HGETALL", keys.intent(i)) for i in lineage]))]
    body = row.get("edited") or next((r["body"] for i, r in zip(lineage, rows, strict=True) if i == letter.intent_id and r), None)
    shown = {**letter, "attempts": [attempt for r in rows for attempt in attempts_of(r)]}
    return WholeLetter(
        **shown,
        intent=_json_or_text(body),
        payload=_json_or_text(row.get("payload")),
        note=row.get("note") or None,
        message_code=row.get("message_code"),
    )


def find(keys: Keys, wanted: Filter, *, most: int | None = None) -> Steps[list[Letter]]:
    """
    Letters that meet the filter, the newest first, at most `most`.

    Letters are read in pages: memory grows with the letters that are found, not with those that are kept.
    """
    found: list[Letter] = []
    if wanted.ids:
        for some in pages(list(wanted.ids)):
            found += yield from _matching(keys, (yield from _letter_ids(keys, some)), wanted)
        unique = {letter.id: letter for letter in found}
        return list(unique.values())[:most]
    low = "-inf" if wanted.since is None else int(wanted.since.timestamp() * 1000)
    high: str | int = "+inf" if wanted.until is None else f"({int(wanted.until.timestamp() * 1000)}"
    at = 0
    while most is None or len(found) < most:
        ids = (yield Ask([("ZREVRANGEBYSCORE", keys.fixed("letters"), high, low, "LIMIT", at, _PAGE)]))[0]
        if not ids:
            break
        at += len(ids)
        found += yield from _matching(keys, [text(i) for i in ids], wanted)
    return found[:most]


def _letter_ids(keys: Keys, ids: Sequence[str]) -> Steps[list[str]]:
    """Letters' ids. The id of an intent becomes that of its letter: its own, or the one that it is a replay of."""
    answer = yield Ask([("HGET", keys.intent(i), "letter") for i in ids])
    return [i if letter is None else text(letter) for i, letter in zip(ids, answer, strict=True)]


def _matching(keys: Keys, ids: Sequence[str], wanted: Filter) -> Steps[list[Letter]]:
    if not ids:
        return []
    rows = yield Ask([("HMGET", keys.letter(i), *_FIELDS) for i in ids])
    letters = [_letter(dict(zip(_FIELDS, map(text_or_none, row), strict=True))) for row in rows if row[0] is not None]
    letters = [letter for letter in letters if wanted.fits(letter)]
    if letters and wanted.asks_the_intent:
        bodies = yield from bodies_of(keys, letters)
        letters = [letter for letter, kept in zip(letters, bodies, strict=True) if kept is not None and wanted.fits_intent(kept.body)]
    return letters


@dataclass(frozen=True, slots=True)
class Kept:
    """The intent that a replay would send. version: of the models that wrote it. edited: someone edited it since the intent died."""

    body: str
    version: int
    edited: bool


def bodies_of(keys: Keys, letters: Sequence[Letter]) -> Steps[list[Kept | None]]:
    """The intent that a replay of each letter would send: the edited one if there is one, otherwise the intent that died."""
    asked = yield Ask(
        [
            command
            for letter in letters
            for command in (("HMGET", keys.letter(letter.id), "edited", "v"), ("HGETALL", keys.intent(letter.intent_id)))
        ]
    )
    found: list[Kept | None] = []
    for edited, flat in zip(asked[::2], asked[1::2], strict=True):
        is_edited = edited[0] is not None
        own = as_row(flat)
        body, version = edited if is_edited else (own.get("body"), own.get("v"))
        found.append(None if body is None else Kept(text(body), int(version or 1), is_edited))
    return found


def pages(letters: Sequence[Any], size: int = _PAGE) -> Iterator[list[Any]]:
    """A sequence in lists of at most `size`."""
    for start in range(0, len(letters), size):
        yield list(letters[start : start + size])


def _letter(row: Mapping[str, str | None]) -> Letter:
    return Letter(
        id=row.get("id") or "",
        intent_id=row.get("intent") or "",
        reason=row.get("reason") or "",
        detail=row.get("detail") or "",
        filed_at=moment(row.get("filed")),
        attempts=int(row.get("attempts") or 0),
        lane=row.get("lane") or "",
        application=row.get("app") or None,
        bulk_id=row.get("bulk") or None,
        replays=(row.get("replays") or "").split(),
        state=row.get("state") or "",
        filed_ms=int(float(row.get("filed") or 0)),
    )


def _json_or_text(body: str | None) -> Any:
    if body is None:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body
