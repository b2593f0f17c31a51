"""The engine's thread: it starts, or says why not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.rig import some_settings
from wooshq import Wooshq
from wooshq_worker.observe.sentry import silent
from wooshq_worker.process import engine as module
from wooshq_worker.process.engine import Engine


def test_an_error_while_it_starts_is_raised_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("no certificate")

    monkeypatch.setattr(module, "Services", fails)
    with Wooshq(some_settings(redis_url="redis://127.0.0.1:1", broker_url="redis://127.0.0.1:1")) as wooshq:
        engine = Engine(wooshq, silent, ThreadPoolExecutor(1))
        with pytest.raises(OSError, match="no certificate"):
            engine.start()
