"""Runs the sandbox on a socket: in a test's event loop, in its own thread, or as a process until it is told to end."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from wooshq_worker.sandbox.call_log import Recording
from wooshq_worker.sandbox.router import Router
from wooshq_worker.sandbox.stand_in import DEFAULT_TOKEN, StandIn
from wooshq_worker.sandbox.wire import Connection

START_LIMIT_S = 30.0
BACKLOG = 1024
"""Most connections that wait to be accepted: a benchmark opens hundreds at once."""


class _Listener:
    """A listening socket and its connections, on one event loop."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._router = Router(stand_in)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Starts to listen. Raises OSError if the port is in use."""
        loop, stand_in = asyncio.get_running_loop(), self._stand_in
        self._server = await loop.create_server(self._new_connection, stand_in.host, stand_in.port, backlog=BACKLOG)
        stand_in.port = self._server.sockets[0].getsockname()[1]

    def _new_connection(self) -> Connection:
        return Connection(self._router, self._connections.add, self._connections.discard)

    async def stop(self) -> None:
        """Stops listening and drops every connection."""
        if self._server is None:
            return
        self._server.close()
        leaving = list(self._connections)
        for connection in leaving:
            connection.abort()
        for connection in leaving:
            await connection.gone.wait()
        await self._server.wait_closed()
        self._server = None


class Sandbox(StandIn):
    """
    For tests with an event loop: `async with Sandbox(token="t", seed=1) as sandbox: … sandbox.url, sandbox.calls`.

    Parameters: see StandIn.
    """

    _listener: _Listener | None = None

    async def start(self) -> None:
        """Starts to listen. Raises OSError if the port is in use."""
        self._listener = _Listener(self)
        await self._listener.start()

    async def stop(self) -> None:
        """Stops listening and drops every connection. Recorded calls can still be read."""
        if self._listener is not None:
            await self._listener.stop()
            self._listener = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()


class SandboxThread(StandIn):
    """
    For tests without an event loop, or with a busy or blocked one: `with SandboxThread(token="t") as sandbox: …`.

    Parameters: see StandIn.
    """

    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop
    _end: asyncio.Event

    def start(self) -> None:
        """Starts to listen. Raises OSError if the port is in use."""
        started = threading.Event()
        failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(started, failed), name="wooshq-sandbox", daemon=True)
        self._thread.start()
        if not started.wait(START_LIMIT_S):
            raise TimeoutError(f"the sandbox did not start to listen within {START_LIMIT_S:g} s; the machine may be too busy. Try again.")
        if failed:
            self._thread.join()
            self._thread = None
            raise failed[0]

    def stop(self) -> None:
        """Stops listening and drops every connection. Recorded calls can still be read."""
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._thread = None

    def _run(self, started: threading.Event, failed: list[BaseException]) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._end = asyncio.Event()
            listener = _Listener(self)
            try:
                await listener.start()
            except OSError as error:
                failed.append(error)
                return
            finally:
                started.set()
            await self._end.wait()
            await listener.stop()

        asyncio.run(serve())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def run_sandbox(
    host: str = "127.0.0.1",
    port: int = 8081,
    *,
    token: str | None = DEFAULT_TOKEN,
    seed: int = 0,
    latency_ms: float = 0.0,
    bare: bool = False,
    record: Recording = "all",
    lean: bool = False,
    allow_other_hosts: bool = False,
    announce: Callable[[str], None] | None = None,
) -> None:
    """
    Runs until Ctrl-C or SIGTERM, then returns. Call it in the main thread: signals arrive there.

    announce: is called with the URL after the start. Default: print the URL on a line of its own to standard output.
    Raises ValueError for parameters that are not valid, OSError if the port is in use.
    """
    sandbox = Sandbox(
        host=host, port=port, token=token, seed=seed, latency_s=latency_ms / 1000, bare=bare, record=record, lean=lean,
        allow_other_hosts=allow_other_hosts,
    )  # fmt: skip

    async def serve() -> None:
        end = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end.set)
        async with sandbox:
            (announce or _print_url)(sandbox.url)
            await end.wait()

    asyncio.run(serve())


def _print_url(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
