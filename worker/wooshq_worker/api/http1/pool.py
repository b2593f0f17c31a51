"""The connections to one server: used again while they are fresh, made when none is free."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from wooshq_worker.api.http1.connect import Connector, NotConnected, Origin
from wooshq_worker.api.http1.connection import Connection
from wooshq_worker.api.outcome import Answer, Break, Broke

KEEPALIVE_S: Final = 15.0
"""Idle connections are closed after this time: sooner than servers close them (60 s or more), so that a POST rarely meets a closing one."""


class Pool:
    """Belongs to the event loop in which it was made. It has no limit: who calls keeps one."""

    def __init__(self, origin: Origin, *, read_s: float, answer_limit_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._connector = Connector(origin)
        self._make = partial(Connection, read_s=read_s, answer_limit_bytes=answer_limit_bytes, on_idle=self._keep, on_lost=self._forget)
        self._idle: list[Connection] = []  #: the one that was used last is the last
        self._busy: set[Connection] = set()
        self._connecting: set[asyncio.Timeout] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self.is_closed = False

    async def call(self, request: bytes, *, connect_s: float, total_s: float) -> Answer | Break:
        """One call. A request is written at most once, and nothing is written after `connect_s` without a connection."""
        ends_at = self._loop.time() + total_s
        connection = self._take() or await self._connect(connect_s)
        if isinstance(connection, Break):
            return connection
        self._busy.add(connection)
        try:
            return await connection.call(request, ends_at)
        finally:
            self._busy.discard(connection)

    def close(self) -> None:
        """Close all connections. Calls in progress end without an answer, and those that wait for a connection were not sent."""
        self.is_closed = True
        for connection in (*self._idle, *self._busy):
            connection.close()
        for limit in self._connecting:
            limit.reschedule(self._loop.time())
        if self._sweeper is not None:
            self._sweeper.cancel()

    def _take(self) -> Connection | None:
        """The connection that was used last. The older ones grow old, and are closed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and self._loop.time() - connection.idle_since < KEEPALIVE_S:
                return connection
            connection.close()
        return None

    async def _connect(self, within_s: float) -> Connection | Break:
        """A new connection. Nothing was sent yet, so the time limit may cancel it."""
        limit = asyncio.timeout(within_s)
        try:
            async with limit:
                self._connecting.add(limit)
                try:
                    connection = await self._connector.connect(self._make)
                finally:
                    self._connecting.discard(limit)
        except TimeoutError:
            return Break(Broke.CLOSED) if self.is_closed else Break(Broke.CONNECT_TIMEOUT, f"no connection within {within_s:g} s")
        except NotConnected as error:
            return Break(Broke.CLOSED) if self.is_closed else Break(error.kind, str(error))
        if self.is_closed:
            connection.close()
            return Break(Broke.CLOSED)
        return connection

    def _keep(self, connection: Connection) -> None:
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(KEEPALIVE_S, self._sweep)

    def _forget(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def _sweep(self) -> None:
        """Close what has been idle for too long. The others are looked at when the oldest of them may have become so."""
        self._sweeper = None
        now = self._loop.time()
        for connection in [one for one in self._idle if now - one.idle_since >= KEEPALIVE_S]:
            connection.close()
        if self._idle:
            self._sweeper = self._loop.call_later(self._idle[0].idle_since + KEEPALIVE_S - now, self._sweep)
