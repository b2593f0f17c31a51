"""Suspects: of those that workers were lost over, the one who did it is found by sending fewer at once each time, and nobody beside them."""

from __future__ import annotations

import asyncio
from typing import Final

_MOST: Final = 16


def suspects_at_once(lost: int, poison_after: int) -> int:
    """How many that so many workers were lost over are sent together: a quarter with every further one, and one alone before it is poison."""
    return min(_MOST, int(4 ** max(0, poison_after - 2 - lost)))


class Alone:
    """Who may send to suspects now: one at a time in a worker, be it a group of intents or a chunk of a fan-out."""

    def __init__(self) -> None:
        self._holder: object = None
        self._given = asyncio.Event()

    def is_held_by(self, who: object) -> bool:
        return self._holder is who

    def is_free_for(self, who: object) -> bool:
        return self._holder is None or self._holder is who

    def take(self, who: object) -> bool:
        """Whether it is `who`'s from now on."""
        if not self.is_free_for(who):
            return False
        self._holder = who
        return True

    def give(self, who: object) -> bool:
        """Whether it was `who`'s, and is nobody's now."""
        if self._holder is not who:
            return False
        self._holder = None
        self._given.set()
        return True

    async def wait(self, who: object) -> None:
        """Returns when it is `who`'s."""
        while not self.take(who):
            self._given.clear()
            await self._given.wait()
