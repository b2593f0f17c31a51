"""What a worker process sets for all of its threads."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from wooshq_worker.process.worker import hand_over_soon


@pytest.fixture
def _interval_restored() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_interval_restored")
class WhenTheEngineIsBusy:
    def test_celerys_thread_has_the_interpreter_within_a_millisecond(self) -> None:
        sys.setswitchinterval(0.005)  # Python's own
        hand_over_soon()
        assert sys.getswitchinterval() <= 0.001
