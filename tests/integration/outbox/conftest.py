"""What the tests of the outbox have: a database of each kind with its table, and a relay that moves its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import create_engine

from tests.databases import KINDS, a_database, make_table
from wooshq import Wooshq
from wooshq.outbox.relay import Relay
from wooshq.outbox.sessions import SqlAlchemyDatabase


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with a_database(request.param, tmp_path) as found:
        make_table(found)
        yield found


@pytest.fixture
def engine(url: str) -> Iterator[sqlalchemy.Engine]:
    made = create_engine(url)
    yield made
    made.dispose()


@pytest.fixture
def relay(url: str, wooshq: Wooshq) -> Iterator[Relay]:
    database = SqlAlchemyDatabase(url)
    yield Relay(wooshq, database)
    database.close()
