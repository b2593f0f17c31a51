"""The ledger's connection of a worker process, and whether the ledger can be written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import redis.asyncio as aredis
import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.installation.connect import aclient
from wooshq.ledger.run import arun
from wooshq.ledger.steps import Steps

T = TypeVar("T")
log = structlog.get_logger("wooshq.ledger")

#: A worker can wait longer than a producer: nobody stands behind it.
_WITHIN_S = 8.0
_SURE_S = 20.0
_AGAIN_S = 0.1


class LedgerClient:
    """Carries out steps for everything in the process; remembers since when the ledger is out of reach."""

    def __init__(self, url: str, where: str) -> None:
        self._redis: aredis.Redis = aclient(url, _WITHIN_S)
        self._where = where
        self.lost_at: float | None = None  #: monotonic
        self.back_at: float = 0.0  #: monotonic

    async def do(self, steps: Steps[T]) -> T:
        """Raises LedgerUnavailable."""
        try:
            async with asyncio.timeout(_WITHIN_S + 2):
                result = await arun(steps, self._redis, self._where)
        except (LedgerUnavailable, TimeoutError) as error:
            if self.lost_at is None:
                self.lost_at = time.monotonic()
                log.warning("ledger_unavailable", why=str(error) or "no answer in time")
            if isinstance(error, TimeoutError):
                raise LedgerUnavailable(f"Redis at {self._where} did not answer", maybe_done=True) from error
            raise
        if self.lost_at is not None:
            log.info("ledger_back", after_s=round(time.monotonic() - self.lost_at, 1))
            self.lost_at, self.back_at = None, time.monotonic()
        return result

    async def do_until_answered(self, steps: Callable[[], Steps[T]]) -> T:
        """
        `do` for steps that recognise their own first run: one whose answer was lost is asked again, for what it took is held by nobody else.

        Raises LedgerUnavailable where the ledger stays away.
        """
        ends = time.monotonic() + _SURE_S
        while True:
            try:
                return await self.do(steps())
            except LedgerUnavailable as error:
                if not error.maybe_done or time.monotonic() > ends:
                    raise
                await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
