from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.stand_in import StandIn


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn(latency_s=0.02) as stand_in:
        yield stand_in


@pytest.fixture
def rig(tmp_path: Path, api: StandIn) -> Iterator[Rig]:
    made = Rig(tmp_path, api.url)
    yield made
    made.close()
