"""The pytest plugin: fixtures. pytest finds it by its entry point. What a fixture needs is imported when the fixture is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wooshq.testing import Outbox


@pytest.fixture
def wooshq_outbox() -> Iterator[Outbox]:
    """What the test enqueues, in a ledger in memory: no Redis, no broker, no worker, nothing sent. See `wooshq.testing.Outbox`."""
    from wooshq.testing import outbox

    with outbox() as opened:
        yield opened
