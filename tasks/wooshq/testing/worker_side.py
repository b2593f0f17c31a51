"""
The worker's part of the test kit. Only this file of `wooshq` knows the worker, and it imports it when a test needs it: an outbox that only
lists what was enqueued works without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wooshq.client import Wooshq
from wooshq.installation.memory import standing_in
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.settings import Settings

if TYPE_CHECKING:
    from wooshq_worker.in_process import SandboxOfTest


def new_sandbox() -> SandboxOfTest:
    """A sandbox whose clock is that of the outbox that is open when it is called; otherwise the machine's."""
    from wooshq_worker.in_process import SandboxOfTest

    return SandboxOfTest(_ahead_s)


def _ahead_s() -> float:
    stand_in = standing_in.current()
    return 0.0 if stand_in is None else stand_in.ledger.clock.ahead_s


def drain(settings: Settings, namespaces: Iterable[str], ledger: MemoryLedger, sandbox: SandboxOfTest, for_s: float) -> None:
    """See `Outbox.drain`."""
    from wooshq_worker.in_process import drain as drain_now

    drain_now(settings, namespaces, ledger, sandbox, for_s)


def take_submit(wooshq: Wooshq, ledger: MemoryLedger, app: Any, task_id: str, options: Mapping[str, Any]) -> None:
    """Take a task `wooshq.submit` as a worker does."""
    from wooshq_worker.in_process import take_submit as take

    take(wooshq, ledger, app, task_id, options)
