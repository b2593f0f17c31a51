"""The ledger in memory does what a Redis does: every walk through the real scripts, with the same answers and the same moves."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.integration.ledger.test_every_move import WALKS, table_moves
from tests.integration.ledger.walker import Walker
from tests.script_headers import Move, header_of
from tests.watched_ledger import WatchedLedger
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.ledger import scripts
from wooshq.ledger.keys import Keys
from wooshq.ledger.steps import RunScript
from wooshq.settings import DEFAULT_NAMESPACE


class WatchedMemory(WatchedLedger):
    """Carries out steps in memory, and asserts that each script answers and moves as its header says."""

    def __init__(self) -> None:
        self.memory = MemoryLedger()
        self.redis = self.memory.client()
        self.made: dict[str, set[Move]] = {}
        self.ran: Counter[str] = Counter()
        self._prefix = Keys(DEFAULT_NAMESPACE).prefix
        self._kinds = {}

    def _run(self, run: RunScript) -> Any:
        header = header_of(run.script)
        self.ran[run.script] += 1
        before = self.contents()
        answer = self.memory.ask(run)
        after = self.contents()
        assert header.answer.fits(answer), f"{run.script} answers {answer!r}, and its header does not say so"
        self._note_moves(header, before, after)
        return answer


@pytest.fixture(scope="module")
def walked() -> WatchedMemory:
    """A ledger in memory in which every walk was made. Each walk asserts what it gets."""
    watched = WatchedMemory()
    for walk in WALKS:
        walk(Walker(watched))
    return watched


def test_every_script_ran(walked: WatchedMemory) -> None:
    assert set(walked.ran) == set(scripts.names())


def test_the_scripts_together_make_exactly_the_moves_of_the_tables(walked: WatchedMemory) -> None:
    made = {move for moves in walked.made.values() for move in moves}
    assert sorted(map(str, made)) == sorted(map(str, table_moves()))
