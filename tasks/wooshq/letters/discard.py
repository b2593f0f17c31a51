"""Discard dead letters that need not be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wooshq.ledger.letters import LetterLedger
from wooshq.ledger.replies import Result
from wooshq.ledger.states import LetterState
from wooshq.ledger.steps import Steps
from wooshq.letters.filter import Conditions, Filter
from wooshq.letters.find import find


@dataclass(frozen=True)
class Discarded(Result):
    """What `discard` did, or with `dry_run` would do. selected: letters that the filter picked. skipped: letters that are not open."""

    selected: int
    discarded: int
    skipped: int


def discard_letters(ledger: LetterLedger, ids: Sequence[str], conditions: Conditions, *, why: str, dry_run: bool) -> Steps[Discarded]:
    """See `DeadLetters.discard`."""
    wanted = Filter.to_change(ids, conditions)
    if wanted.picks_all:
        raise ValueError("an empty filter would discard every letter: give ids, a reason, an application, a time or another condition")
    letters = yield from find(ledger.keys, wanted)
    discarded = 0
    for letter in letters:
        # The script answers "discarded" for a letter that already is: it could be its own first run. So those are left out here.
        if letter.state == LetterState.OPEN:
            discarded += dry_run or (yield from ledger.discard(letter.id, why)) == "discarded"
    return Discarded(len(letters), discarded, len(letters) - discarded)
