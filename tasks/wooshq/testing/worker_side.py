"""
The worker's part of the test kit, in the package `wooshq_worker`. It is imported when it is needed, for `wooshq` does not know the worker:
an outbox that only lists what was enqueued works without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, Protocol, cast

from wooshq.client import Wooshq
from wooshq.installation.memory.ledger import MemoryLedger

_MODULE: Final = "wooshq_worker.in_process"


class WorkerSide(Protocol):
    """What the module has."""

    def take_submit(self, wooshq: Wooshq, ledger: MemoryLedger, app: Any, task_id: str, options: Mapping[str, Any]) -> None: ...


def worker_side() -> WorkerSide:
    """Raises ModuleNotFoundError, with what to install."""
    try:
        return cast("WorkerSide", import_module(_MODULE))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"The package {error.name} is missing. Install the extra: pip install 'wooshq[testing]'", name=error.name
        ) from error
