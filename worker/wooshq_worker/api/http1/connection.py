"""One connection, and one call on it at a time: write the request, read the answer, and say what broke, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from wooshq_worker.api.http1.answer_reader import AnswerReader
from wooshq_worker.api.outcome import Answer, Break, Broke, Cut


class Connection(asyncio.Protocol):
    """
    Made by `loop.create_connection`.

    Every call ends with exactly one outcome, whatever the server does. If that is not a complete answer, the connection is closed: what would
    come next could be taken for the answer to another call.
    """

    def __init__(
        self, *, read_s: float, answer_limit_bytes: int, on_idle: Callable[[Connection], None], on_lost: Callable[[Connection], None]
    ) -> None:
        """read_s: without a byte. on_idle: another call can be made. on_lost: no further call can be made."""
        self._loop = asyncio.get_running_loop()
        self._read_s = read_s
        self._limit = answer_limit_bytes
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._peer_closed = False
        self.idle_since = 0.0  #: by the event loop's clock
        # Of the call in progress:
        self._waiter: asyncio.Future[Answer | Break] | None = None
        self._reader: AnswerReader | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ends_at = 0.0
        self._heard_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether a request can be written."""
        return self._transport is not None and not self._peer_closed and not self._transport.is_closing()

    async def call(self, request: bytes, ends_at: float) -> Answer | Break:
        """
        Write a request and wait for its outcome. Raises only CancelledError, and then the connection is closed.

        ends_at: by the event loop's clock. A timeout ends the call with an outcome; nothing is cancelled for it.
        """
        if self._transport is None or not self.is_open:
            return Break(Broke.NOT_WRITTEN, "the server closed the connection before the request was written")
        loop = self._loop
        waiter: asyncio.Future[Answer | Break] = loop.create_future()
        self._waiter = waiter
        self._reader = AnswerReader(self._limit)
        self._ends_at = ends_at
        self._heard_at = now = loop.time()
        self._timer = loop.call_at(min(now + self._read_s, ends_at), self._on_time)
        self._transport.write(request)
        try:
            return await waiter
        finally:
            if waiter.cancelled():
                self.close()

    def close(self) -> None:
        """Close it at once. A call in progress gets no answer."""
        self._end(Break(Broke.DISCONNECTED, "closed by this worker"))

    def _end(self, outcome: Answer | Break, *, keep: bool = False) -> None:
        """A call, if one is in progress, ends with this outcome. keep: the connection can be used again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._reader is not None:
            self._reader.let_go()
            self._reader = None
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)
        if keep and self.is_open:
            self.idle_since = self._loop.time()
            self._on_idle(self)
        else:
            self._on_lost(self)
            if self._transport is not None:
                self._transport.abort()  # `close` would wait until the server has closed its side of TLS, too

    def _on_time(self) -> None:
        """The read timeout or the deadline may have come. A byte puts off the read timeout, and that needs no new timer."""
        reader, now = self._reader, self._loop.time()
        assert reader is not None and self._transport is not None
        if self._transport.get_write_buffer_size() > 0:  # a large request is still on its way
            self._heard_at = now
        silent_at = self._heard_at + self._read_s
        if now >= self._ends_at:
            self._end(reader.break_off(Cut.DEADLINE, Break(Broke.DEADLINE)))
        elif now >= silent_at:
            self._end(reader.break_off(Cut.STALLED, Break(Broke.SILENT, f"no byte within {self._read_s:g} s")))
        else:
            self._timer = self._loop.call_at(min(silent_at, self._ends_at), self._on_time)

    # For the event loop:

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass of it

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:  # nobody asked
            self.close()
            return
        self._heard_at = self._loop.time()
        try:
            outcome = reader.feed(data)
        except Exception as error:  # a bug in wooshq
            outcome = Break(Broke.STRANGE, f"{type(error).__name__}: {error}")
        if outcome is not None:
            self._end(outcome, keep=reader.may_be_kept)

    def eof_received(self) -> None:
        """The server will send nothing more. TLS knows it before `connection_lost`, and until then a request could still be written."""
        self.connection_lost(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._peer_closed = True
        if error is None:
            lost = Break(Broke.DISCONNECTED, "the server closed the connection")
            self._end(lost if self._reader is None else self._reader.end(lost))
        else:
            reset = Break(Broke.RESET, f"{type(error).__name__}: {error}")
            self._end(reset if self._reader is None else self._reader.break_off(Cut.BROKEN, reset))
