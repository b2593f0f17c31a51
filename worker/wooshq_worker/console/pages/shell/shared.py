"""What all visitors of this server share: a value is read at most once in a while, by the first who wants it. For one event loop."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_MOST: Final = 512
"""Values that are kept."""


@dataclass(slots=True)
class _Kept:
    reading: asyncio.Task[Any]
    at: float


class Shared:
    """Values by name. An error is told to all who wait for it, and not kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

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

    def forget(self) -> None:
        """After an act: everybody reads anew."""
        self._kept.clear()

    def _is_old(self, kept: _Kept, fresh_s: float) -> bool:
        if not kept.reading.done():
            return False
        return kept.reading.cancelled() or kept.reading.exception() is not None or self._clock() - kept.at >= fresh_s


async def _of(read: Callable[[], Awaitable[T]]) -> T:
    return await read()
