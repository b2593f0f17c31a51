"""The ledger's real scripts, run by a Redis in the memory of this process. Its clock can be moved forwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import fakeredis
import redis

from wooshq.ledger.replies import ms
from wooshq.ledger.run import ask
from wooshq.ledger.steps import Request, Wanted

WHERE: Final = "memory"
"""Names this ledger in errors, where another one has its host and port."""


class Clock:
    """The ledger's clock. ahead_s: how many seconds it is ahead of this machine's clock."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.ahead_s


class _Server(fakeredis.FakeServer):
    def __init__(self, clock: Clock) -> None:
        super().__init__(version=(7, 0))
        self.clock = clock


class _Connection(fakeredis.FakeRedisConnection):
    """A connection to a server with a clock of its own. fakeredis carries out a command by the method of that name."""

    def _connect(self) -> Any:
        connected: Any = super()._connect()
        clock, xadd = cast("_Server", self._server).clock, connected.xadd

        def time_now() -> list[bytes]:
            seconds, micros = divmod(round(clock.now() * 1_000_000), 1_000_000)
            return [b"%d" % seconds, b"%d" % micros]

        def xadd_now(key: Any, *args: bytes) -> Any:
            """`*` makes an id of the machine's time. Entries are trimmed by their ids, so these must follow the ledger's clock."""
            if b"*" in args:
                at = args.index(b"*")
                args = (*args[:at], b"%d-*" % (clock.now() * 1000), *args[at + 1 :])
            return xadd(key, *args)

        connected.time, connected.xadd = time_now, xadd_now
        return connected


class MemoryLedger:
    """Threads may share it. Each has its own contents and its own clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._server = _Server(self.clock)
        self._client = fakeredis.FakeRedis(server=self._server, connection_class=_Connection, protocol=2, driver_info=None)
        self._expired_until_s = 0.0
        self._listeners: list[Callable[[Request], None]] = []

    def ask(self, wanted: Wanted) -> Any:
        """Carry out one request. Raises LedgerUnavailable while the ledger is `away`."""
        answer = ask(wanted, self._client, WHERE)
        for listener in self._listeners:
            listener(cast("Request", wanted))
        return answer

    def listen(self, listener: Callable[[Request], None]) -> None:
        """Call `listener` with every request that was carried out, in the thread that made it."""
        self._listeners.append(listener)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Inside, the ledger gives no answer: it refuses every connection, as a Redis that is down."""
        self._server.connected = False
        try:
            yield
        finally:
            self._server.connected = True

    def advance(self, seconds: float) -> None:
        """Move the clock forwards. Keys whose time is over are gone. Raises ValueError for a negative number."""
        if not seconds >= 0:
            raise ValueError(f"the clock can only be moved forwards, and not by {seconds:g} s")
        self.clock.ahead_s += seconds
        # The server lets keys expire by the machine's clock, so what is left of their time becomes shorter.
        gone_ms = round((self.clock.ahead_s - self._expired_until_s) * 1000)
        self._expired_until_s = self.clock.ahead_s
        keys = cast("list[bytes]", self._client.keys("*"))
        left_ms = self._each(("PTTL", key) for key in keys)
        self._each(
            ("PEXPIRE", key, left - gone_ms) if left > gone_ms else ("DEL", key)
            for key, left in zip(keys, left_ms, strict=True)
            if left >= 0
        )
        [time_now] = self._each(iter([("TIME",)]))
        if abs(ms(time_now) / 1000 - self.clock.now()) > 60:
            raise RuntimeError(f"fakeredis {fakeredis.__version__} does not let its clock be moved. Install fakeredis 2.41")

    def _each(self, commands: Iterator[tuple[Any, ...]]) -> Sequence[Any]:
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return pipe.execute() if len(pipe) else []

    def client(self) -> redis.Redis:
        """A client of this Redis, to look into it."""
        return self._client
