"""A server of the HTTP API on the test's own installation."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.integration.worker.console.served import served
from wooshq import Wooshq


@pytest.fixture
def http(wooshq: Wooshq) -> Iterator[httpx.Client]:
    """A client whose token has all scopes."""
    with served(wooshq.settings) as client:
        yield client
