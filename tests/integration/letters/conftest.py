"""An installation whose history is in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.letters.gone import a_desk
from tests.integration.worker.history.desk import Desk
from wooshq_worker.keeper.history import consumer as consuming
from wooshq_worker.keeper.history import ledger


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LOOK_EVERY_S", "_GATHER_S", "_AWAY_FIRST_S", "_AWAY_MOST_S", "_LEDGER_AWAY_S", "_LISTEN_EVERY_S"):
        monkeypatch.setattr(consuming, name, 0.01)
    monkeypatch.setattr(ledger, "_SWEEPER_LOST_MS", 100)


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desk(quick: None, kind: str, redis_url: str, tmp_path: Path) -> Iterator[Desk]:
    with a_desk(kind, redis_url, tmp_path) as made:
        made.listen()
        yield made
