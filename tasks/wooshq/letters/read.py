"""Letters as the ledger has them, with the intents that replays of them would send. Those that have left for the history: see `gone`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import moment, read_kept
from wooshq.ledger.states import LetterState
from wooshq.ledger.steps import RunScript, Steps
from wooshq.letters.letter import Letter

_FIELDS: Final = (
    "id",
    "intent",
    "reason",
    "detail",
    "filed",
    "attempts",
    "lane",
    "app",
    "bulk",
    "replays",
    "state",
    "vain",
    "held_by",
    "code",
)
_BODY, _VERSION, _EDITED, _LAST = range(len(_FIELDS), len(_FIELDS) + 4)


@dataclass(frozen=True, slots=True)
class Kept:
    """The intent that a replay would send. version: of the models that wrote it. edited: someone edited it since the intent died."""

    body: str
    version: int
    edited: bool


@dataclass(frozen=True, slots=True)
class ReadLetter:
    """
    A letter, and the intent that a replay of it would send: the edited one if there is one. kept: None if it was not asked for, or is gone.

    http_status, error: of the last call, if the intent was asked for; '' without one. kept_in: `ledger` or `history`.
    """

    letter: Letter
    kept: Kept | None
    http_status: str = ""
    error: str = ""
    kept_in: str = "ledger"


def read_letters(keys: Keys, ids: Sequence[str], *, bodies: bool) -> Steps[list[ReadLetter | LetterState | None]]:
    """
    The letters with these ids, in their order; the state of one that has left for the history, and None for one that is no longer kept. bodies:
    with their intents.
    """
    if not ids:
        return []
    answer = yield RunScript("letters/read", (keys.fixed("letters"),), ("1" if bodies else "0", *ids))
    said = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return [_read(row) for row in json.loads(said)]


def _read(row: Sequence[Any]) -> ReadLetter | LetterState | None:
    if not row[0]:
        return None
    if len(row) == 1:
        return LetterState(row[0])
    kept = None
    if len(row) > _BODY and row[_BODY] is not False:
        kept = Kept(row[_BODY], int(row[_VERSION] or 1), row[_EDITED] == "1")
    letter = letter_of(dict(zip(_FIELDS, row, strict=False)))
    if len(row) <= _LAST or not row[_LAST]:
        return ReadLetter(letter, kept)
    last = read_kept(row[_LAST])
    return ReadLetter(letter, kept, str(last["http_status"] or ""), last["error"] or "")


def letter_of(row: Mapping[str, Any]) -> Letter:
    """A letter by the fields of its row."""
    return Letter(
        id=row.get("id") or "",
        intent_id=row.get("intent") or "",
        reason=row.get("reason") or "",
        detail=row.get("detail") or "",
        filed_at=moment(row.get("filed") or None),
        attempts=int(row.get("attempts") or 0),
        lane=row.get("lane") or "",
        application=row.get("app") or None,
        bulk_id=row.get("bulk") or None,
        replays=str(row.get("replays") or "").split(),
        state=row.get("state") or "",
        filed_ms=int(float(row.get("filed") or 0)),
        vain=int(row.get("vain") or 0),
        held_by=row.get("held_by") or "",
        code=row.get("code") or "",
    )


def pages(letters: Sequence[Any], size: int = 500) -> Iterator[list[Any]]:
    """A sequence in lists of at most `size`."""
    for start in range(0, len(letters), size):
        yield list(letters[start : start + size])
