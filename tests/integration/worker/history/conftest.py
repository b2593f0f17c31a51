"""The desk at which tests of the history sit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worker.history.desk import Desk
from wooshq_worker.keeper.history import consumer as consuming
from wooshq_worker.keeper.history import ledger, writing


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consumers that do not rest."""
    for name in ("_LOOK_EVERY_S", "_GATHER_S", "_AFTER_ERROR_S", "_LEDGER_AWAY_S", "_LISTEN_EVERY_S"):
        monkeypatch.setattr(consuming, name, 0.01)
    for name in ("AWAY_FIRST_S", "AWAY_MOST_S", "_LEDGER_AWAY_S"):
        monkeypatch.setattr(writing, name, 0.01)
    monkeypatch.setattr(ledger, "_SWEEPER_LOST_MS", 100)  # a consumer that a test ends may be the one that sweeps


@pytest.fixture
def desk(redis_url: str, tmp_path: Path, quick: None) -> Iterator[Desk]:
    made = Desk(redis_url, tmp_path)
    yield made
    made.close()
