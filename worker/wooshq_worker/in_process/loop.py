"""An event loop without a world: whoever connects gets the sandbox, and time that nobody has work for is skipped."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any, Final

from wooshq.installation.memory.ledger import Clock
from wooshq_worker.in_process.wire import connect
from wooshq_worker.sandbox.router import Router
from wooshq_worker.sandbox.stand_in import StandIn
from wooshq_worker.sandbox.wire import Connection

_A_LITTLE_S: Final = 1e-6
"""A sum of seconds since the epoch is no more exact than this. Without it, a timer could stay due in no time at all, if a test froze the clock."""


class _Skipping(selectors.DefaultSelector):
    """Where another one would wait until a timer is due, this one moves the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everything waits for something that never comes: a bug in wooshq's test kit")
        if timeout > 0:
            self._clock.ahead_s += timeout + _A_LITTLE_S
        return super().select(0)


class LoopWithoutThreads(asyncio.SelectorEventLoop):
    """What other loops hand to a thread, it does itself: that is only to look up the name of this machine. A process that ends has no threads."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


class LoopWithoutWorld(LoopWithoutThreads):
    """
    For the worker's own code. Its timers follow the ledger's clock, so nothing takes longer than its work.

    Connections are made in memory, to the sandbox, whatever their address is. Nothing else may be waited for: the loop would skip its time.
    """

    def __init__(self, clock: Clock, sandbox: StandIn) -> None:
        self._ledgers_clock = clock
        super().__init__(_Skipping(clock))
        self._sandbox = sandbox

    def time(self) -> float:
        return time.monotonic() + self._ledgers_clock.ahead_s

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """The socket is never used: see `create_connection`."""

    async def create_connection(self, protocol_factory: Callable[[], Any], *_: Any, sock: Any = None, **__: Any) -> Any:
        if sock is not None:
            sock.close()
        client = protocol_factory()
        return connect(self, client, Connection(Router(self._sandbox), _ignore, _ignore)), client


def _ignore(_: Connection) -> None:
    return None
