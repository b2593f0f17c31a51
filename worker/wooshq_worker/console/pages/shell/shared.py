"""What all visitors of this server share: values that are read at most once in a while, and work that goes on after its request. For one event loop."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_MOST: Final = 512
"""Values that are kept."""
_MOST_WORKS: Final = 32


class Work:
    """Something that goes on after the request that asked for it. done, of: how far it is; of: None if nobody knows. back: where it was asked for."""

    def __init__(self, back: str, of: int | None) -> None:
        self.back = back
        self.of = of
        self.done = 0
        self.task: asyncio.Future[Any] | None = None

    def note(self, done: int) -> None:
        """It is so far."""
        self.done = done

    async def ends(self, within_s: float) -> bool:
        """Whether it has ended, now or within this time."""
        assert self.task is not None
        return bool((await asyncio.wait((self.task,), timeout=within_s))[0])


@dataclass(slots=True)
class _Kept:
    reading: asyncio.Task[Any]
    at: float


class Shared:
    """Values by name. An error is told to all who wait for it, and not kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._works: OrderedDict[str, Work] = OrderedDict()

    async def get(self, name: str, read: Callable[[], Awaitable[T]], fresh_s: float) -> T:
        """The value; read now if nobody is reading it and it is older than `fresh_s`."""
        kept = self._kept.get(name)
        if kept is None or self._is_old(kept, fresh_s):
            kept = self._kept[name] = _Kept(asyncio.ensure_future(_of(read)), self._clock())
            self._kept.move_to_end(name)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return cast(T, await asyncio.shield(kept.reading))

    async def soon(self, name: str, read: Callable[[], Awaitable[T]], fresh_s: float, within_s: float) -> T | None:
        """The value; None if reading it takes longer than `within_s`. It is read all the same, for who asks again."""
        asking = asyncio.ensure_future(self.get(name, read, fresh_s))
        done, _ = await asyncio.wait((asking,), timeout=within_s)
        if done:
            return asking.result()
        asking.cancel()
        return None

    def begin(self, work: Work, run: Awaitable[object]) -> str:
        """Have it go on by itself. Returns its name, under which this server knows it for some time."""
        name = secrets.token_hex(8)
        self._works[name] = work
        work.task = asyncio.ensure_future(run)
        while len(self._works) > _MOST_WORKS:
            _, old = self._works.popitem(last=False)
            if old.task is not None:
                old.task.cancel()
        return name

    def work(self, name: str) -> Work | None:
        """What was begun under this name; None if this server does not know it."""
        return self._works.get(name)

    def forget(self) -> None:
        """After an act: everybody reads anew."""
        self._kept.clear()

    def _is_old(self, kept: _Kept, fresh_s: float) -> bool:
        if not kept.reading.done():
            return False
        return kept.reading.cancelled() or kept.reading.exception() is not None or self._clock() - kept.at >= fresh_s


async def _of(read: Callable[[], Awaitable[T]]) -> T:
    return await read()
