"""Discard dead letters that need not be sent."""

from __future__ import annotations

from dataclasses import dataclass

from wooshq.ledger.letters import LetterLedger
from wooshq.ledger.states import LetterState
from wooshq.ledger.steps import Steps
from wooshq.letters.filter import Filter
from wooshq.letters.find import find
from wooshq.results import Result


@dataclass(frozen=True)
class Discarded(Result):
    """What `discard` did, or with `dry_run` would do."""

    selected: int
    discarded: int
    skipped: int


def discard(ledger: LetterLedger, wanted: Filter, *, why: str = "", dry_run: bool = False) -> Steps[Discarded]:
    """Say of letters that they need not be sent. They stay to be seen until their retention ends. Raises ValueError for an empty filter."""
    if wanted.picks_all:
        raise ValueError("an empty filter would discard every letter; name ids, a reason, an application, a time or another filter")
    letters = yield from find(ledger.keys, wanted)
    done = 0
    for letter in letters:
        if letter.state != LetterState.OPEN:  # the script would take a letter that is discarded already for its own first run
            continue
        done += dry_run or (yield from ledger.discard(letter.id, why)) == "discarded"
    return Discarded(len(letters), done, len(letters) - done)
