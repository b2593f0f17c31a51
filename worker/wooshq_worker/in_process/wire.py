"""A connection in memory: two transports, each of which hands its bytes to the protocol of the other."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, NamedTuple

_HIGH: Final = 256 * 1024
"""Bytes that may wait for a side that does not read. Then the other side is asked to stop."""


class _End(NamedTuple):
    """The other side has ended. error: None for a normal end."""

    error: Exception | None


class MemoryTransport(asyncio.Transport):
    """One side of a connection. Bytes arrive in a later turn of the loop, as they do from a socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 0), "sockname": ("127.0.0.1", 0)})
        self._loop = loop
        self._protocol: asyncio.BaseProtocol = protocol
        self._other: MemoryTransport
        self._arrived: deque[bytes | _End] = deque()
        self._size = 0
        self._is_paused = self._is_closing = self._is_lost = self._wakes = self._other_is_asked_to_stop = False

    def join(self, other: MemoryTransport) -> None:
        """Make it and the other one the two sides of one connection."""
        self._other, other._other = other, self

    # What a protocol calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing and data:
            self._other._arrive(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._other._arrive(_End(None))

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(ConnectionResetError(104, "Connection reset by peer"))

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._wake()

    def is_reading(self) -> bool:
        return not (self._is_paused or self._is_closing)

    def get_write_buffer_size(self) -> int:
        return self._other._size

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The limits are fixed."""

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    # What happens

    def _arrive(self, what: bytes | _End) -> None:
        if self._is_closing:
            return
        self._arrived.append(what)
        if isinstance(what, bytes):
            self._size += len(what)
            if self._size > _HIGH and not self._other_is_asked_to_stop:
                self._other_is_asked_to_stop = True
                self._other._protocol.pause_writing()
        self._wake()

    def _wake(self) -> None:
        if self._arrived and not self._wakes:
            self._wakes = True
            self._loop.call_soon(self._hand_on)

    def _hand_on(self) -> None:
        self._wakes = False
        protocol: Any = self._protocol
        while self._arrived and not self._is_paused and not self._is_closing:
            what = self._arrived.popleft()
            if isinstance(what, bytes):
                self._size -= len(what)
                protocol.data_received(what)
            elif what.error is None:
                protocol.eof_received()
                self._end(None)
            else:
                self._is_closing = True
                self._lose(what.error)
        if self._size <= _HIGH and self._other_is_asked_to_stop:
            self._other_is_asked_to_stop = False
            self._other._protocol.resume_writing()

    def _end(self, error: Exception | None) -> None:
        """Close this side. error: what the other side sees."""
        if self._is_closing:
            return
        self._is_closing = True
        self._other._arrive(_End(error))
        self._loop.call_soon(self._lose, None)

    def _lose(self, error: Exception | None) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._arrived.clear()
            self._protocol.connection_lost(error)


def connect(loop: asyncio.AbstractEventLoop, client: asyncio.Protocol, server: asyncio.Protocol) -> MemoryTransport:
    """Connect two protocols. Returns the client's side."""
    side, other = MemoryTransport(loop, client), MemoryTransport(loop, server)
    side.join(other)
    server.connection_made(other)
    client.connection_made(side)
    return side
