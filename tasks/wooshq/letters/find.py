"""Find, group and show dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.errors import LetterUnknown
from wooshq.intents.status import attempts_of
from wooshq.ledger.gates import holds
from wooshq.ledger.gates import read as read_gates
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_pairs, as_row, moment, ms, text
from wooshq.ledger.steps import Ask, Flow, Steps, in_history
from wooshq.letters.acts import act_for
from wooshq.letters.filter import ConditionsAndIds, Selection, comparable, letter_fits, selection
from wooshq.letters.letter import Group, Letter, WholeLetter
from wooshq.letters.read import ReadLetter, letter_of, pages, read_letters
from wooshq.search.narrow import Span, one_of, span
from wooshq.search.tree import Field, Tree

_PAGE: Final = 500
"""Letters that are read in one round trip."""


def list_letters(
    keys: Keys, conditions: ConditionsAndIds, *, most: int | None, after: tuple[int, str] | None = None
) -> Steps[list[Letter]]:
    """See `DeadLetters.list`. after: only those behind this letter (when it was filed, ms; its id), for the next page of a list."""
    return (yield from find(keys, (yield from selection(conditions)), most=most, after=after))


def group_letters(keys: Keys, conditions: ConditionsAndIds) -> Steps[list[Group]]:
    """See `DeadLetters.groups`."""
    wanted = yield from selection(conditions, only_open=True)
    groups: dict[tuple[str, str, str | None], _Found] = {}

    def take(letters: Sequence[ReadLetter]) -> bool:
        for letter in (read.letter for read in letters):
            key = (letter.reason, comparable(letter.detail), letter.application)
            found = groups.get(key)
            if found is None:
                groups[key] = _Found(letter.filed_ms, letter.filed_ms, letter.id)
            else:
                found.add(letter.filed_ms)
        return False

    yield from each_page(keys, wanted, take)
    acts = yield from _acts(keys, groups)
    made = [
        Group(*key, found.count, moment(found.first_ms), moment(found.last_ms), acts[key], found.newest) for key, found in groups.items()
    ]
    return sorted(made, key=lambda group: (-group.count, group.reason, group.detail))


@dataclass(slots=True)
class _Found:
    """The letters of a group so far, which come newest first."""

    first_ms: int
    last_ms: int
    newest: str
    count: int = 1

    def add(self, filed_ms: int) -> None:
        self.count += 1
        self.first_ms = min(self.first_ms, filed_ms)
        self.last_ms = max(self.last_ms, filed_ms)


def _acts(keys: Keys, groups: Mapping[tuple[str, str, str | None], _Found]) -> Steps[dict[tuple[str, str, str | None], str | None]]:
    """Which act fits each group: by its reason, by its newest letter, and by the gates that are shut now."""
    acts: dict[tuple[str, str, str | None], str | None] = {}
    time, flat = yield Ask([("TIME",), ("HGETALL", keys.fixed("gates"))])
    now_ms, gates = ms(time), read_gates(flat, ms(time))
    for some in pages(list(groups)):
        letters = yield from read_letters(keys, [groups[key].newest for key in some], bodies=True)
        for key, letter in zip(some, letters, strict=True):
            reason, detail, application = key
            is_shut = holds(gates, application or "", letter.letter.lane if letter else None) is not None
            acts[key] = act_for(reason, detail, has_expired=letter is not None and _has_expired(letter, now_ms), gate_is_shut=is_shut)
    return acts


def _has_expired(read: ReadLetter, now_ms: int) -> bool:
    data = _json_or_text(read.kept.body) if read.kept is not None else None
    given = data.get("expires_at") if isinstance(data, dict) else None
    try:
        at = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return False
    return at is not None and at.tzinfo is not None and at.timestamp() * 1000 <= now_ms


def find_letter(keys: Keys, letter_id: str) -> Flow[WholeLetter]:
    """See `DeadLetters.show`: also a letter that the ledger does not keep any more, if the history has it."""
    try:
        return (yield from show_letter(keys, letter_id))
    except LetterUnknown:
        kept = yield from in_history([letter_id], "letter")
        if letter_id not in kept and (intent := (yield from in_history([letter_id])).get(letter_id)) is not None and intent.letter:
            letter_id = intent.letter
            kept = yield from in_history([letter_id], "letter")
        if letter_id not in kept:
            raise
    record = kept[letter_id]
    return WholeLetter(
        **{name: value for name, value in record.shown.items() if name in {one.name for one in fields(WholeLetter)}},
        intent=_json_or_text(record.body or None),
        payload=_json_or_text(record.payload or None),
    )


def show_letter(keys: Keys, letter_id: str) -> Steps[WholeLetter]:
    """See `DeadLetters.show`."""
    letter_id = (yield from _letter_ids(keys, [letter_id]))[0]
    row = as_row((yield Ask([("HGETALL", keys.letter(letter_id))]))[0])
    if not row:
        raise LetterUnknown(
            "no dead letter has this id. Check the id (wooshq dead list). The letter may be older than WOOSHQ_DEAD_RETENTION_S, or its intent may not have failed"
        )
    letter = letter_of(row)
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


def find(keys: Keys, wanted: Selection, *, most: int | None = None, after: tuple[int, str] | None = None) -> Steps[list[Letter]]:
    """Letters of the selection, the newest first, at most `most`. Memory grows with the letters that are found, not with those that are kept."""
    found: list[Letter] = []
    if after is not None:
        wanted = wanted.until(datetime.fromtimestamp((after[0] + 1) / 1000, UTC))

    def take(letters: Sequence[ReadLetter]) -> bool:
        found.extend(read.letter for read in letters if after is None or (read.letter.filed_ms, read.letter.id) < after)
        return most is not None and len(found) >= most

    yield from each_page(keys, wanted, take)
    return found[:most]


def each_page(
    keys: Keys, wanted: Selection, take: Callable[[Sequence[ReadLetter]], bool], *, oldest_first: bool = False, bodies: bool = False
) -> Steps[None]:
    """
    Give `take` the letters of the selection, page by page, until it returns True. bodies: with the intents that replays would send.

    Letters of ids that the caller gave come in the order of the ids.
    """
    bodies = bodies or wanted.asks_the_intent
    tree = wanted.whole
    ids = wanted.ids or (None if tree is None else one_of(tree, Field.ID))
    if ids:
        seen: set[str] = set()
        in_order = wanted.ids or sorted(map(str.lower, ids), reverse=not oldest_first)
        for some in pages(in_order):
            some = [i for i in dict.fromkeys((yield from _letter_ids(keys, some))) if i not in seen]
            seen.update(some)
            if take(_fitting((yield from read_letters(keys, some, bodies=bodies)), tree)):
                return
        return
    time = Span() if tree is None else span(tree)
    low = "-inf" if time.since_ms is None else time.since_ms
    high = "+inf" if time.until_ms is None else f"({time.until_ms}"
    command, first, last = ("ZRANGEBYSCORE", low, high) if oldest_first else ("ZREVRANGEBYSCORE", high, low)
    at = 0  #: letters that were filed in the same millisecond as the last one, and came before
    while True:
        flat = (yield Ask([(command, keys.fixed("letters"), first, last, "WITHSCORES", "LIMIT", at, _PAGE)]))[0]
        scored = [(text(i), float(score)) for i, score in as_pairs(flat)]
        if not scored:
            return
        if take(_fitting((yield from read_letters(keys, [i for i, _ in scored], bodies=bodies)), tree)):
            return
        newest = scored[-1][1]
        at = sum(score == newest for _, score in scored) + (at if scored[0][1] == newest else 0)
        first = int(newest)


def _fitting(letters: Sequence[ReadLetter | None], tree: Tree | None) -> list[ReadLetter]:
    return [read for read in letters if read is not None and (tree is None or letter_fits(read, tree))]


def _letter_ids(keys: Keys, ids: Sequence[str]) -> Steps[list[str]]:
    """Letters' ids. The id of an intent becomes that of its letter: its own, or the one that it is a replay of."""
    answer = yield Ask([("HGET", keys.intent(i), "letter") for i in ids])
    return [i if letter is None else text(letter) for i, letter in zip(ids, answer, strict=True)]


def _json_or_text(body: str | None) -> Any:
    if body is None:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body
