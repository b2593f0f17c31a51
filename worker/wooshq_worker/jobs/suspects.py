"""Suspects: recipients and intents that were being sent when workers were lost. Which of them is the cause?"""

from __future__ import annotations

import asyncio
from typing import Final

_MOST: Final = 16


def suspects_at_once(lost: int, poison_after: int) -> int:
    """
    How many suspects may be sent together. lost: workers that were lost with each of them.

    A quarter with every further lost worker, and one alone before it is called poison.
    """
    return min(_MOST, int(4 ** max(0, poison_after - 2 - lost)))


class SuspectLock:
    """The right to send to suspects: one holder at a time in a worker, either a group of intents or a chunk of a job."""

    def __init__(self) -> None:
        self._holder: object = None
        self._released = asyncio.Event()

    def is_held_by(self, who: object) -> bool:
        return self._holder is who

    def is_free_for(self, who: object) -> bool:
        """Whether nothing else holds it."""
        return self._holder is None or self._holder is who

    def acquire(self, who: object) -> bool:
        """Hold it, if it is free. Whether `who` holds it now."""
        if not self.is_free_for(who):
            return False
        self._holder = who
        return True

    def release(self, who: object) -> bool:
        """Release it, if `who` holds it. Whether it was released."""
        if self._holder is not who:
            return False
        self._holder = None
        self._released.set()
        return True

    async def wait(self, who: object) -> None:
        """Return when `who` holds it."""
        while not self.acquire(who):
            self._released.clear()
            await self._released.wait()
