"""Find and show dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.errors import LetterUnknown
from wooshq.intents.status import attempts_of
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_pairs, as_row, text
from wooshq.ledger.states import LetterState
from wooshq.ledger.steps import Ask, AskHistory, Flow, Steps, in_history
from wooshq.letters.causes import are_all_counted
from wooshq.letters.filter import ConditionsAndIds, Selection, letter_fits, selection
from wooshq.letters.letter import Letter, WholeLetter
from wooshq.letters.read import ReadLetter, letter_of, pages, read_letters
from wooshq.search.narrow import Span, one_of, span
from wooshq.search.tree import And, Field, Is, Or, Tree

_PAGE: Final = 500
"""Letters that are read in one round trip."""
_LEAVE: Final = frozenset({str(LetterState.CLOSED), str(LetterState.DISCARDED)})
"""The states in which a letter leaves the ledger, as soon as the history has it."""


def list_letters(keys: Keys, conditions: ConditionsAndIds, *, most: int | None, after: tuple[int, str] | None = None) -> Flow[list[Letter]]:
    """
    See `DeadLetters.list`. after: only those behind this letter (when it was filed, ms; its id), for the next page of a list.

    Letters that are closed or discarded leave the ledger for the history: it is asked if only they are wanted, or letters by their ids.
    """
    wanted = yield from selection(conditions)
    found = yield from find(keys, wanted, most=most, after=after)
    if (tree := _of_history(wanted)) is not None:
        there = {letter.id for letter in found}
        kept = (yield AskHistory(lambda history: _letters_in(history, tree, most))) or []
        found += [one for one in kept if one.id not in there and (after is None or (one.filed_ms, one.id) < after)]
        found.sort(key=lambda one: (one.filed_ms, one.id), reverse=True)
    return found[:most]


def _of_history(wanted: Selection) -> Tree | None:
    """What the history is asked for; None if it need not be asked."""
    left = Or(tuple(Is(Field.STATE, state) for state in _LEAVE))
    named = Or(tuple(Is(Field.ID, one) for one in wanted.ids)) if wanted.ids else None
    states = None if wanted.whole is None else one_of(wanted.whole, Field.STATE)
    if named is None and (states is None or not states <= _LEAVE):
        return None
    return And(tuple(one for one in (left, named, wanted.whole) if one is not None))


def _letters_in(history: Any, tree: Tree, most: int | None) -> list[Letter]:
    """At least the `most` that were filed last. Records come by their end, which is after that."""
    found: list[Letter] = []
    last: Any = None
    while page := history.find(tree, limit=_PAGE, after=last):
        last = page[-1]
        found += [_letter_of_record(record) for record in page if record.kind == "letter"]
        if most is not None and sum(one.filed_ms >= last.ended_ms for one in found) >= most:
            break
    return found


def _letter_of_record(record: Any) -> Letter:
    shown = {name: record.shown[name] for name in Letter._names()}
    return Letter(**{**shown, "attempts": len(shown["attempts"])}, filed_ms=record.accepted_ms, code=record.code)


def _index_of(keys: Keys, wanted: Selection) -> Steps[str]:
    """The list that has every letter of the selection: that of all letters, or of its cause."""
    if (cause := wanted.one_cause) is not None and (yield from are_all_counted(keys)):
        return keys.cause_part(cause, "letters")
    return keys.fixed("letters")


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
        intent=json_or_text(record.body or None),
        payload=json_or_text(record.payload or None),
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
        intent=json_or_text(body),
        payload=json_or_text(row.get("payload")),
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
    index = yield from _index_of(keys, wanted)
    at = 0  #: letters that were filed in the same millisecond as the last one, and came before
    while True:
        flat = (yield Ask([(command, index, first, last, "WITHSCORES", "LIMIT", at, _PAGE)]))[0]
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


def json_or_text(body: str | None) -> Any:
    """JSON as a value; the text itself if it is not JSON."""
    if body is None:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body
