"""The outbox: while it is open, everything that this process enqueues goes into a ledger in memory, and is listed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final, overload

from wooshq.client import Wooshq
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.installation.memory.standing_in import StandIn, stands_in
from wooshq.letters.letter import Letter
from wooshq.testing.enqueued import Enqueued, Recorder
from wooshq.testing.submitted import submits_go_to
from wooshq.testing.worker_side import worker_side

APPLICATION: Final = "TESTS-TESTS"
"""The application of intents that name none, if the settings have none either."""

_open: list[Outbox] = []


class Outbox(Sequence[Enqueued]):
    """
    What was enqueued, in the order of the calls. A fan-out is in it with one entry for each recipient.

    The calls of `wooshq`, `wooshq.aio`, and of all `Wooshq` and `AsyncWooshq` of this process go into it, with the same answers and errors
    as with a Redis: the ledger's real scripts carry them out. No Redis, broker or worker is needed, and nothing leaves this process.
    """

    def __init__(self) -> None:
        self._ledger = MemoryLedger()
        self._recorder = Recorder(self._ledger)
        self._wooshq = Wooshq()

    def __len__(self) -> int:
        return len(self._recorder.read())

    @overload
    def __getitem__(self, index: int) -> Enqueued: ...
    @overload
    def __getitem__(self, index: slice) -> list[Enqueued]: ...
    def __getitem__(self, index: int | slice) -> Enqueued | list[Enqueued]:
        return self._recorder.read()[index]

    def __iter__(self) -> Iterator[Enqueued]:
        return iter(self._recorder.read())

    def __repr__(self) -> str:
        return f"<Outbox: {', '.join(map(str, self)) or 'nothing was enqueued'}>"

    def clear(self) -> None:
        """Empty this list. What was enqueued stays in the ledger: its ids and idempotency keys are still known, and `drain` still sends it."""
        self._recorder.clear()

    def unavailable(self) -> AbstractContextManager[None]:
        """Inside, every call fails as if Redis were down: `enqueue` raises NotAccepted."""
        return self._ledger.away()

    def letters(self, most: int | None = None) -> list[Letter]:
        """The dead letters of the installation that the environment describes, the newest first."""
        return self._wooshq.dead_letters.list(most=most)

    def _take_submit(self, app: Any, task_id: str, options: Mapping[str, Any]) -> None:
        worker_side().take_submit(self._wooshq, self._ledger, app, task_id, options)

    def wait_for_more(self, n: int, within_s: float) -> bool:
        """Wait until there are more than `n` entries, made by other threads. False if they did not come in time."""
        with self._recorder.changed:
            return self._recorder.changed.wait_for(lambda: len(self) > n, within_s)


@contextmanager
def outbox() -> Iterator[Outbox]:
    """
    Open an outbox. The fixture `wooshq_outbox` and the class `OutboxMixin` do it for you.

    In it, an intent without an application belongs to `APPLICATION` if PUSHWOOSH_APPLICATION is not set.
    """
    opened = Outbox()
    # A job with more chunks than this waits until workers have sent some of them, and here is no worker.
    stand_in = StandIn(opened._ledger, unless_set={"application": APPLICATION}, always={"bulk_open_chunks": 100_000})
    with ExitStack() as stack:
        stack.enter_context(stands_in(stand_in))
        stack.enter_context(submits_go_to(opened._take_submit))
        _open.append(opened)
        stack.callback(_open.remove, opened)
        yield opened


def current_outbox() -> Outbox:
    """The outbox that is open now, the innermost of several. Raises RuntimeError if none is."""
    if not _open:
        raise RuntimeError(
            "No outbox is open. With pytest, use the fixture wooshq_outbox; with unittest, the class wooshq.testing.OutboxMixin; "
            "elsewhere, `with wooshq.testing.outbox():`"
        )
    return _open[-1]
