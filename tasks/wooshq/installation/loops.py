"""What an event loop needs: a client of its own, because a connection belongs to the loop in which it was made; threads for what would block it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TypeVar

import redis.asyncio as aredis

from wooshq.installation import forks
from wooshq.installation.connect import aclient
from wooshq.installation.installation import no_thread

T = TypeVar("T")


@dataclass(frozen=True)
class _Held:
    """url: of the ledger. end: closes the client when it is closed itself."""

    client: aredis.Redis
    url: str
    end: AsyncGenerator[None, None]


class LoopClients:
    """
    One client for each running event loop. Threads may share it.

    A loop that ends gives its connections back: `asyncio.run` closes the async generators that were begun in its loop, and each client has
    one that closes it. A loop that somebody closed without that leaves its connections to the next call of any loop.
    """

    def __init__(self) -> None:
        self._held: dict[asyncio.AbstractEventLoop, _Held] = {}
        forks.renew_in_children(self, LoopClients._renew)

    def _renew(self) -> None:
        """In a forked child: the clients and their loops are the parent's."""
        forks.keep(self._held)
        self._held = {}

    async def get(self, url: str, within_s: float) -> aredis.Redis:
        """The running loop's client of the ledger at `url`. within_s: see `aclient`."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is not None and held.url == url:
            return held.client
        if held is not None:
            await self.close()
        self._forget_closed_loops()
        client = aclient(url, within_s)
        end = self._end_of(loop, client)
        await anext(end)
        self._held[loop] = _Held(client, url, end)
        return client

    async def close(self) -> None:
        """Close the running loop's client."""
        if (held := self._held.get(asyncio.get_running_loop())) is not None:
            await held.end.aclose()

    async def _end_of(self, loop: asyncio.AbstractEventLoop, client: aredis.Redis) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._held.pop(loop, None)
            await client.aclose()

    def _forget_closed_loops(self) -> None:
        for loop in [loop for loop in self._held if loop.is_closed()]:
            self._held.pop(loop, None)


async def in_thread(call: Callable[[], T]) -> T:
    """Raises LedgerUnavailable if no thread can start."""
    loop = asyncio.get_running_loop()
    try:
        done = loop.run_in_executor(None, call)
    except RuntimeError as error:
        raise no_thread() from error
    return await done


async def in_thread_or_here(call: Callable[[], T]) -> T:
    """So that a slow disk does not stop the event loop. If no thread can start, the disk is used here."""
    loop = asyncio.get_running_loop()
    try:
        done = loop.run_in_executor(None, call)
    except RuntimeError:
        return call()
    return await done
