"""What the tests of the spool have: a Redis that they may stop, and an installation that spools meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.installation.servers import Server
from tests.rig import some_settings
from wooshq import Settings, Wooshq
from wooshq.spool.folder import SpoolFolder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path, "--appendonly", "yes", "--appendfsync", "always", "--save", "")
    yield made
    made.kill()


@pytest.fixture
def settings(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Settings:
    marked = {name: value for mark in request.node.iter_markers("settings") for name, value in mark.kwargs.items()}
    return some_settings(
        **{"redis_url": f"redis://127.0.0.1:{server.port}/0", "spool_dir": tmp_path / "spool", "accept_within_s": 5.0, **marked}
    )


@pytest.fixture
def folder(settings: Settings) -> SpoolFolder:
    found = SpoolFolder.of(settings)
    assert found is not None
    return found


@pytest.fixture
def shop(settings: Settings) -> Iterator[Wooshq]:
    """A producer."""
    with Wooshq(settings) as made:
        yield made
