"""The ledger's connection of a worker process, shared by everything in it, and whether the ledger is available."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import redis.asyncio as aredis
import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.installation.connect import aclient
from wooshq.ledger.run import arun
from wooshq.ledger.steps import Ask, Steps

T = TypeVar("T")
log = structlog.get_logger("wooshq.ledger")

#: Longer than a producer waits: no user is waiting for a worker.
_ANSWER_WITHIN_S: Final = 8.0
_DO_WITHIN_S: Final = _ANSWER_WITHIN_S + 2
_ASK_AGAIN_FOR_S: Final = 20.0
_ASK_AGAIN_AFTER_S: Final = 0.1


class LedgerClient:
    """Carries out steps of the ledger, and knows since when it is unavailable."""

    def __init__(self, url: str, where: str, on_no_answer: Callable[[], object] = lambda: None) -> None:
        """where: names the server in errors and logs, without its password. on_no_answer: called after each request without an answer."""
        self._redis: aredis.Redis = aclient(url, _ANSWER_WITHIN_S)
        self._where = where
        self._on_no_answer = on_no_answer
        self.lost_at: float | None = None  #: monotonic: since when the ledger is unavailable
        self.back_at = 0.0  #: monotonic: when the ledger was last available again after an outage; 0 if it always was

    @property
    def is_available(self) -> bool:
        """Whether the last request was answered."""
        return self.lost_at is None

    async def do(self, steps: Steps[T]) -> T:
        """Carry out `steps`. Raises LedgerUnavailable."""
        try:
            async with asyncio.timeout(_DO_WITHIN_S):
                result = await arun(steps, self._redis, self._where)
        except (LedgerUnavailable, TimeoutError) as error:
            if self.lost_at is None:
                self.lost_at = time.monotonic()
                log.warning("ledger_unavailable", why=str(error) or "no answer in time")
            self._on_no_answer()
            if isinstance(error, TimeoutError):
                raise LedgerUnavailable(f"Redis at {self._where} did not answer", maybe_done=True) from error
            raise
        if self.lost_at is not None:
            log.info("ledger_back", after_s=round(time.monotonic() - self.lost_at, 1))
            self.lost_at, self.back_at = None, time.monotonic()
        return result

    async def ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        """The answers of plain commands, in one round trip. Raises LedgerUnavailable."""
        return await self.do(_ask(commands))

    async def do_until_answered(self, steps: Callable[[], Steps[T]]) -> T:
        """
        `do`, again if the answer was lost: what the lost answer gave to this worker, no other worker can have.

        Only for scripts that recognise their own first run. Raises LedgerUnavailable if the ledger stays unavailable.
        """
        ends = time.monotonic() + _ASK_AGAIN_FOR_S
        while True:
            try:
                return await self.do(steps())
            except LedgerUnavailable as error:
                if not error.maybe_done or time.monotonic() > ends:
                    raise
                await asyncio.sleep(_ASK_AGAIN_AFTER_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _ask(commands: Sequence[tuple[Any, ...]]) -> Steps[list[Any]]:
    return (yield Ask(commands))  # type: ignore[no-any-return]
