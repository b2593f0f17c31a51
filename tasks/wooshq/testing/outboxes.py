"""The outbox: while it is open, everything that this process enqueues goes into a ledger in memory, and is listed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, overload

from pydantic import SecretStr

from wooshq.client import Wooshq
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.installation.memory.standing_in import StandIn, stands_in
from wooshq.letters.letter import Letter
from wooshq.testing import sandboxes, worker_side
from wooshq.testing.enqueued import Enqueued, Recorder
from wooshq.testing.submitted import submits_go_to

if TYPE_CHECKING:
    from wooshq_worker.in_process import SandboxOfTest

APPLICATION: Final = "TESTS-TESTS"
"""The application of intents that name none, if the settings have none either."""
TOKEN: Final = "token-of-tests"
"""The API token of the worker that `drain` is, if the settings have none. The sandbox takes any token."""

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
        self.own_sandbox: SandboxOfTest | None = None
        """See `sandbox`; None if it was not needed."""
        self.before_reading: Callable[[], object] = _do_nothing
        """Called before the list is read, and before it is drained."""

    def _read(self) -> list[Enqueued]:
        self.before_reading()
        return self._recorder.read()

    def __len__(self) -> int:
        return len(self._read())

    @overload
    def __getitem__(self, index: int) -> Enqueued: ...
    @overload
    def __getitem__(self, index: slice) -> list[Enqueued]: ...
    def __getitem__(self, index: int | slice) -> Enqueued | list[Enqueued]:
        return self._read()[index]

    def __iter__(self) -> Iterator[Enqueued]:
        return iter(self._read())

    def __repr__(self) -> str:
        return f"<Outbox: {', '.join(map(str, self)) or 'nothing was enqueued'}>"

    def clear(self) -> None:
        """Empty this list. What was enqueued stays in the ledger: its ids and idempotency keys are still known, and `drain` still sends it."""
        self._recorder.clear()

    def unavailable(self) -> AbstractContextManager[None]:
        """Inside, every call fails as if Redis were down: `enqueue` raises NotAccepted."""
        return self._ledger.away()

    @property
    def sandbox(self) -> SandboxOfTest:
        """The stand-in for the API that `drain` calls: that of the fixture `wooshq_sandbox`, if the test uses it; otherwise its own."""
        if (of_test := sandboxes.current()) is not None:
            return of_test
        if self.own_sandbox is None:
            self.own_sandbox = worker_side.new_sandbox()
        return self.own_sandbox

    def drain(self, for_s: float = 0.0) -> None:
        """
        Send what was enqueued, as a worker does: its own code renders, asks the gates, calls the sandbox, judges the answers, retries, and
        records the outcome. `wooshq.status`, `wooshq.dead_letters` and `sandbox` then say what became of it.

        for_s: also send what comes due in so many seconds, such as retries. The clock then stands at their end. Nothing waits for real: only
        the clock moves. The worker's settings are those of the environment.
        """
        self._read()
        wooshq = Wooshq()
        namespaces = {wooshq.settings.namespace, *self._recorder.namespaces}
        worker_side.drain(wooshq.settings, namespaces, self._ledger, self.sandbox, for_s)

    def advance(self, seconds: float) -> None:
        """
        Move the ledger's clock forwards. What has come due is sent, retried or expired by the next `drain`.

        The clock of this process stays: an `expires_at` that the app computes later is a moment of that clock.
        """
        self._read()
        self._ledger.advance(seconds)

    def letters(self, most: int | None = None) -> list[Letter]:
        """The dead letters of the installation that the environment describes, the newest first."""
        return Wooshq().dead_letters.list(most=most)

    def wait_for_more(self, n: int, within_s: float) -> bool:
        """Wait until there are more than `n` entries, made by other threads. False if they did not come in time."""
        with self._recorder.changed:
            return self._recorder.changed.wait_for(lambda: len(self) > n, within_s)

    def _take_submit(self, app: Any, task_id: str, options: Mapping[str, Any]) -> None:
        worker_side.take_submit(Wooshq(), self._ledger, app, task_id, options)


def _do_nothing() -> None:
    return None


@contextmanager
def outbox() -> Iterator[Outbox]:
    """
    Open an outbox. The fixture `wooshq_outbox` and the class `OutboxMixin` do it for you.

    In it, an intent without an application belongs to `APPLICATION` if PUSHWOOSH_APPLICATION is not set. Raises AssertionError at its end if
    a fault of its own sandbox never struck.
    """
    opened = Outbox()
    stand_in = StandIn(
        opened._ledger,
        unless_set={"application": APPLICATION, "api_token": SecretStr(TOKEN)},
        # A job with more chunks than this waits until workers have sent some of them, and here is no worker.
        always={"bulk_open_chunks": 100_000},
    )
    with ExitStack() as stack:
        stack.enter_context(stands_in(stand_in))
        stack.enter_context(submits_go_to(opened._take_submit))
        _open.append(opened)
        stack.callback(_open.remove, opened)
        yield opened
    if opened.own_sandbox is not None:
        sandboxes.all_struck(opened.own_sandbox)


def current_outbox() -> Outbox:
    """The outbox that is open now, the innermost of several. Raises RuntimeError if none is."""
    if not _open:
        raise RuntimeError(
            "No outbox is open. With pytest, use the fixture wooshq_outbox; with unittest, the class wooshq.testing.OutboxMixin; "
            "elsewhere, `with wooshq.testing.outbox():`"
        )
    return _open[-1]
