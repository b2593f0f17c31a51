"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.stand_in import Call, Reply, StandIn, refusal


def _no_bad_ones(call: Call, _: int) -> Reply | None:
    """An API that refuses whoever is called bad."""
    if any(name.startswith("bad") for name in call.recipients):
        return refusal(400, 3, "this recipient is not valid, and the sentence that says so is longer than a terminal is wide")
    return None


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with StandIn(_no_bad_ones) as api:
        made = Rig(tmp_path, api.url)
        yield made
        made.close()
