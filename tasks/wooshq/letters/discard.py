"""Discard dead letters that need not be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wooshq.gates.who import said
from wooshq.ledger.letters import LetterLedger
from wooshq.ledger.replies import Result
from wooshq.ledger.states import LetterState
from wooshq.ledger.steps import Flow
from wooshq.letters.filter import Conditions, selection
from wooshq.letters.find import find
from wooshq.letters.read import pages

_PAGE: Final = 500
"""Letters that one script discards."""


@dataclass(frozen=True)
class Discarded(Result):
    """What `discard` did, or with `dry_run` would do. selected: letters that the filter picked. skipped: letters that are not open."""

    selected: int
    discarded: int
    skipped: int


def discard_letters(
    ledger: LetterLedger, ids: Sequence[str], conditions: Conditions, *, why: str, by: str | None, dry_run: bool
) -> Flow[Discarded]:
    """See `DeadLetters.discard`."""
    why, who = said(why, by)
    wanted = yield from selection({**conditions, "ids": ids}, only_open=not ids)
    if wanted.picks_all:
        raise ValueError(
            "an empty filter would discard every letter: give ids, a query, a reason, an application, a time or another condition"
        )
    letters = yield from find(ledger.keys, wanted)
    # The script answers "discarded" for a letter that already is: it could be its own first run. So those are left out here.
    open_ids = [letter.id for letter in letters if letter.state == LetterState.OPEN]
    discarded = len(open_ids) if dry_run else 0
    for some in [] if dry_run else pages(open_ids, _PAGE):
        discarded += (yield from ledger.discard(some, why, by=who, selection=wanted.in_words)).count("discarded")
    return Discarded(len(letters), discarded, len(letters) - discarded)
