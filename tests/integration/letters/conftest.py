"""An installation whose history is in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.letters.gone import a_desk
from tests.integration.worker.history.conftest import quick
from tests.integration.worker.history.desk import Desk

__all__ = ["quick"]


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desk(quick: None, kind: str, redis_url: str, tmp_path: Path) -> Iterator[Desk]:
    with a_desk(kind, redis_url, tmp_path) as made:
        made.listen()
        yield made
