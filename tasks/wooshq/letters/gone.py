"""Letters that have left for the history: their places stay in the ledger, so every list has one order, and what they say is read from the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from wooshq.errors import HistoryMissing
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row, moment, ms
from wooshq.ledger.states import LetterState
from wooshq.ledger.steps import Ask, AskHistory, Flow
from wooshq.letters.databases import others
from wooshq.letters.letter import Letter
from wooshq.letters.read import Kept, ReadLetter, read_letters
from wooshq.search.narrow import one_of
from wooshq.search.tree import Field, Tree

LEAVE: Final = frozenset({str(LetterState.CLOSED), str(LetterState.DISCARDED)})
"""The states in which a letter leaves the ledger."""
LISTED: Final = "listed"
"""What lists and filters need of a letter, among what a record shows of it. See `letter_record`."""

ReadGone = Callable[[Keys, Sequence[str]], Flow[Mapping[str, Any]]]
"""Gives the records of letters that have left, by id. One that the history does not have (any more) is missing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """
    records: by id. missing: how many are not in the database here, if something has left for another one. where: the one here. until_ms: until
    when the ledger names what is only in another one.
    """

    records: Mapping[str, Any]
    missing: int
    where: str
    until_ms: int = 0


def read_gone(keys: Keys, ids: Sequence[str]) -> Flow[Mapping[str, Any]]:
    """Raises HistoryAway, and HistoryMissing if this process has no history, or another one: an answer without them would be wrong."""
    return (yield from records_of(keys, ids, "letter", _closed(len(ids))))


def records_of(keys: Keys, ids: Sequence[str], kind: str, why: str) -> Flow[Mapping[str, Any]]:
    """The records of these ids. why: what is asked for, for the error. Raises HistoryAway, HistoryMissing."""
    asked = yield from ask_history(keys, ids, kind)
    if asked is None:
        raise HistoryMissing(
            f"WOOSHQ_HISTORY_URL: there is no history here, but {why}. Set it as the workers have it, or ask for open letters (--state open)"
        )
    if asked.missing:
        raise HistoryMissing(
            f"WOOSHQ_HISTORY_URL: {asked.where} is another database than letters have left for, and it does not have {asked.missing:,} of what was asked for, "
            f"until {moment(asked.until_ms)}. Set the one that it was before, or ask for open letters (--state open), or for newer ones (since:)"
        )
    return asked.records


def ask_history(keys: Keys, ids: Sequence[str], kind: str) -> Flow[Asked | None]:
    """What the history here has of these ids; None if there is none. Raises HistoryAway."""
    found = yield AskHistory(lambda history: (history.read_many(ids, kind), history.identity, history.where))
    if found is None:
        return None
    records, identity, where = found
    if len(records) >= len(set(ids)):
        return Asked(records, 0, where)
    # A person who was forgotten, or an id that was never there; unless there is another database.
    telling, time = yield Ask([("HGETALL", keys.fixed("telling")), ("TIME",)])
    elsewhere = others(as_row(telling), identity, ms(time))
    return Asked(records, len(set(ids) - set(records)) if elsewhere else 0, where, elsewhere[0].until_ms if elsewhere else 0)


def _closed(n: int) -> str:
    return f"{n:,} of these letters are closed or discarded, and kept in the history"


def may_be_gone(tree: Tree | None) -> bool:
    """Whether a letter that fits can be one that has left."""
    states = None if tree is None else one_of(tree, Field.STATE)
    return states is None or not states <= {str(LetterState.OPEN), str(LetterState.REPLAYING)}


def read_kept(
    keys: Keys, ids: Sequence[str], *, bodies: bool, tree: Tree | None = None, read: ReadGone = read_gone
) -> Flow[list[ReadLetter | None]]:
    """
    The letters with these ids, in their order, wherever they are kept; None for one that is no longer kept. bodies: with their intents. tree: those
    that cannot fit it need not be read.
    """
    found = yield from read_letters(keys, ids, bodies=bodies)
    gone = [one for one, letter in zip(ids, found, strict=True) if isinstance(letter, LetterState)]
    # After the ledger: what leaves it is in the history before.
    records = (yield from read(keys, gone)) if gone and may_be_gone(tree) else {}
    out: list[ReadLetter | None] = []
    for one, letter in zip(ids, found, strict=True):
        out.append((letter_of_record(records[one]) if one in records else None) if isinstance(letter, LetterState) else letter)
    return out


def states_of_gone(keys: Keys, ids: Sequence[str]) -> Flow[dict[str, LetterState]]:
    """Those of these letters that have left, with their states."""
    found = yield from read_letters(keys, ids, bodies=False)
    return {one: letter for one, letter in zip(ids, found, strict=True) if isinstance(letter, LetterState)}


def letters_of_intents(keys: Keys, ids: Sequence[str]) -> Flow[dict[str, str]]:
    """Those of these ids that are intents of letters that have left: the letter of each. ids: of no row in the ledger."""
    if not ids or not int((yield Ask([("ZCARD", keys.fixed("letters_gone"))]))[0]):
        return {}
    records = yield from records_of(keys, ids, "intent", "some letters are kept in it, and these ids may be theirs")
    return {one: record.letter for one, record in records.items() if record.letter}


def letter_of_record(record: Any) -> ReadLetter:
    """The letter as the ledger had it. A version before this one kept less of it."""
    kept = record.shown.get(LISTED) or {}
    names = {one.name for one in fields(Letter)}
    shown = {name: value for name, value in record.shown.items() if name in names}
    letter = Letter(
        **{
            **shown,
            "attempts": kept.get("attempts", len(record.shown.get("attempts") or ())),
            "filed_ms": record.accepted_ms,
            "vain": kept.get("vain", 0),
            "held_by": kept.get("held_by", ""),
            "code": kept.get("code", record.code),
        }
    )
    intent = Kept(record.body, kept.get("version", 1), kept.get("edited", False)) if record.body else None
    return ReadLetter(letter, intent, kept.get("http_status", ""), kept.get("error", ""), "history")
