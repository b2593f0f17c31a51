"""Accepts intents that come in requests of their own together: those that wait while one round trip is under way share the next one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from wooshq.aio import AsyncWooshq
from wooshq.errors import LedgerUnavailable
from wooshq.intents.accept import Checked, accept_checked, not_accepted
from wooshq.ledger.entry import Entry
from wooshq.ledger.intents import AcceptOutcome

_ROUNDS: Final = 2
"""Round trips at the same time. With more of them each carries less, and costs the same."""
_MOST_BYTES: Final = 16 * 1024 * 1024
"""Of intents that share a round trip."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: Entry
    outcome: asyncio.Future[AcceptOutcome]


class Accepting:
    """Intents that wait to be accepted. For one event loop."""

    def __init__(self, client: AsyncWooshq) -> None:
        self._client = client
        self._waiting: list[_Waiting] = []
        self._rounds: set[asyncio.Task[None]] = set()

    async def accept(self, entry: Entry) -> AcceptOutcome:
        """Accept one entry. Raises Conflict, NotAccepted, as `enqueue` does."""
        mine = _Waiting(entry, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if len(self._rounds) < _ROUNDS:
            self._begin()
        return await mine.outcome

    def _begin(self) -> None:
        task = asyncio.create_task(self._round())
        self._rounds.add(task)

    async def _round(self) -> None:
        """Accept what waits, until nothing does."""
        try:
            await asyncio.sleep(0)  # requests that came with the one that began this are read first
            while some := self._next():
                await self._accept(some)
        finally:
            self._rounds.discard(asyncio.current_task())

    def _next(self) -> list[_Waiting]:
        some: list[_Waiting] = []
        size = 0
        for one in self._waiting[: self._client.settings.accept_batch]:
            some.append(one)
            size += len(one.entry.body)
            if size > _MOST_BYTES:
                break
        del self._waiting[: len(some)]
        return some

    async def _accept(self, some: list[_Waiting]) -> None:
        """Every one of them gets its outcome, or an error of its own."""
        batch = [Checked(n, one.entry) for n, one in enumerate(some)]
        try:
            outcomes = await self._client.do(accept_checked(self._client.ledger, self._client.settings, batch))
        except LedgerUnavailable as error:
            for one in some:
                _fail(one, not_accepted(error, [one.entry.intent_id]))
            return
        except BaseException as error:
            for one in some:
                _fail(one, error)
            if not isinstance(error, Exception):
                raise
            return
        for one, outcome in zip(some, outcomes, strict=True):
            if outcome.conflict is not None:
                _fail(one, outcome.conflict)
            elif not one.outcome.done() and outcome.accepted is not None:
                one.outcome.set_result(outcome.accepted)


def _fail(one: _Waiting, error: BaseException) -> None:
    if not one.outcome.done():
        one.outcome.set_exception(error if isinstance(error, Exception) else RuntimeError("the server ends"))
