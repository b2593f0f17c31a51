"""Find and show dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.errors import LetterUnknown
from wooshq.intents.status import attempts_of
from wooshq.ledger.intents import read_rows
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_pairs, as_row, text
from wooshq.ledger.steps import Ask, Flow, Steps, in_history
from wooshq.letters.causes import are_all_counted
from wooshq.letters.filter import ConditionsAndIds, Selection, letter_fits, selection
from wooshq.letters.gone import ReadGone, letters_of_intents, read_gone, read_kept, states_of_gone
from wooshq.letters.letter import Letter, WholeLetter
from wooshq.letters.read import ReadLetter, letter_of, pages
from wooshq.search.narrow import Span, one_of, span
from wooshq.search.tree import Field, Tree

_PAGE: Final = 500
"""Letters that are read in one round trip."""
_PAGE_OF_BODIES: Final = 200
"""Whoever gets bodies checks each of them, 0.2 ms each: what else this process does waits no longer than for a page."""


def list_letters(keys: Keys, conditions: ConditionsAndIds, *, most: int | None, after: tuple[int, str] | None = None) -> Flow[list[Letter]]:
    """See `DeadLetters.list`. after: only those behind this letter (when it was filed, ms; its id), for the next page of a list."""
    return (yield from find(keys, (yield from selection(conditions)), most=most, after=after))


def _index_of(keys: Keys, wanted: Selection) -> Steps[str]:
    """The list that has every letter of the selection: that of all letters, or of its cause."""
    if (cause := wanted.one_cause) is not None and (yield from are_all_counted(keys)):
        return keys.cause_part(cause, "letters")
    return keys.fixed("letters")


@dataclass(slots=True)
class Reads:
    """
    How many letters may be read, so that a look for something rare ends. beyond: it reads on until behind this letter (when it was filed, ms; its
    id). stopped_at: the last letter that was read, if it ended so.
    """

    left: int
    beyond: tuple[int, str] | None = None
    stopped_at: tuple[int, str] | None = None


def look_for(
    keys: Keys, conditions: ConditionsAndIds, *, most: int, after: tuple[int, str] | None = None, reads: int
) -> Flow[tuple[list[Letter], tuple[int, str] | None]]:
    """
    A page of letters, the newest first, at most `most`, and behind which letter the next page begins; None after the last one. No more than about
    `reads` letters are read: a page of something rare may be empty, and is not the last one.
    """
    may = Reads(reads, after)
    found = yield from find(keys, (yield from selection(conditions)), most=most + 1, after=after, reads=may)
    if len(found) > most:
        return found[:most], (found[most - 1].filed_ms, found[most - 1].id)
    return found, may.stopped_at


def find_letter(keys: Keys, letter_id: str) -> Flow[WholeLetter]:
    """See `DeadLetters.show`: also a letter that the ledger does not keep any more, if the history has it."""
    try:
        return (yield from show_letter(keys, letter_id))
    except LetterUnknown:
        gone = yield from states_of_gone(keys, [letter_id])
        kept = (yield from read_gone(keys, [letter_id])) if gone else (yield from in_history([letter_id], "letter"))
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


def show_letter(keys: Keys, letter_id: str) -> Flow[WholeLetter]:
    """A letter of the ledger. Raises LetterUnknown."""
    letter_id = (yield from _letter_ids(keys, [letter_id]))[0]
    row = as_row((yield Ask([("HGETALL", keys.letter(letter_id))]))[0])
    if not row:
        raise LetterUnknown(
            "no dead letter has this id. Check the id (wooshq dead list). The letter may be older than WOOSHQ_DEAD_RETENTION_S, or its intent may not have failed"
        )
    letter = letter_of(row)
    lineage = [letter_id, *letter.replays]
    rows = (yield from read_rows(keys, lineage)).rows
    if not all(rows) and letter_id in (yield from states_of_gone(keys, [letter_id])):
        raise LetterUnknown("it has left for the history just now")
    body = row.get("edited") or next((r["body"] for i, r in zip(lineage, rows, strict=True) if i == letter.intent_id and r), None)
    shown = {**letter, "attempts": [attempt for r in rows for attempt in attempts_of(r)]}
    return WholeLetter(
        **shown,
        intent=json_or_text(body),
        payload=json_or_text(row.get("payload")),
        note=row.get("note") or None,
        message_code=row.get("message_code"),
    )


def find(
    keys: Keys, wanted: Selection, *, most: int | None = None, after: tuple[int, str] | None = None, reads: Reads | None = None
) -> Flow[list[Letter]]:
    """Letters of the selection, the newest first, at most `most`. Memory grows with the letters that are found, not with those that are kept."""
    found: list[Letter] = []
    if after is not None:
        wanted = wanted.until(datetime.fromtimestamp((after[0] + 1) / 1000, UTC))

    def take(letters: Sequence[ReadLetter]) -> bool:
        found.extend(read.letter for read in letters if after is None or (read.letter.filed_ms, read.letter.id) < after)
        return most is not None and len(found) >= most

    yield from each_page(keys, wanted, take, reads=reads)
    return found[:most]


def each_page(
    keys: Keys,
    wanted: Selection,
    take: Callable[[Sequence[ReadLetter]], bool],
    *,
    oldest_first: bool = False,
    bodies: bool = False,
    reads: Reads | None = None,
    read: ReadGone = read_gone,
) -> Flow[None]:
    """
    Give `take` the letters of the selection, page by page, until it returns True. bodies: with the intents that replays would send. read: gives those
    that have left for the history. A letter that leaves meanwhile comes once: its place stays.

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
            if take(_fitting((yield from read_kept(keys, some, bodies=bodies, tree=tree, read=read)), tree)):
                return
        return
    time = Span() if tree is None else span(tree)
    low = "-inf" if time.since_ms is None else time.since_ms
    high = "+inf" if time.until_ms is None else f"({time.until_ms}"
    command, first, last = ("ZRANGEBYSCORE", low, high) if oldest_first else ("ZREVRANGEBYSCORE", high, low)
    index = yield from _index_of(keys, wanted)
    page = _PAGE_OF_BODIES if bodies else _PAGE
    at = 0  #: letters that were filed in the same millisecond as the last one, and came before
    while True:
        flat = (yield Ask([(command, index, first, last, "WITHSCORES", "LIMIT", at, page)]))[0]
        scored = [(text(i), float(score)) for i, score in as_pairs(flat)]
        if not scored:
            return
        if take(_fitting((yield from read_kept(keys, [i for i, _ in scored], bodies=bodies, tree=tree, read=read)), tree)):
            return
        newest = scored[-1][1]
        if reads is not None:
            reads.left -= len(scored)
            last_read = (int(newest), scored[-1][0])
            if reads.left <= 0 and len(scored) == page and (reads.beyond is None or last_read < reads.beyond):
                reads.stopped_at = last_read
                return
        at = sum(score == newest for _, score in scored) + (at if scored[0][1] == newest else 0)
        first = int(newest)


def _fitting(letters: Sequence[ReadLetter | None], tree: Tree | None) -> list[ReadLetter]:
    return [read for read in letters if read is not None and (tree is None or letter_fits(read, tree))]


def _letter_ids(keys: Keys, ids: Sequence[str]) -> Flow[list[str]]:
    """Letters' ids. The id of an intent becomes that of its letter: its own, or the one that it is a replay of."""
    rows = (yield from read_rows(keys, ids)).rows
    without = [i for i, row in zip(ids, rows, strict=True) if not row]
    places = (yield Ask([("ZSCORE", keys.fixed("letters"), i) for i in without])) if without else ()
    others = yield from letters_of_intents(keys, [i for i, place in zip(without, places, strict=True) if place is None])
    return [row.get("letter") or others.get(i, i) for i, row in zip(ids, rows, strict=True)]


def json_or_text(body: str | None) -> Any:
    """JSON as a value; the text itself if it is not JSON."""
    if body is None:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body
