"""Accepts intents that come in requests of their own together: those that wait while one round trip is under way share the next one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from wooshq.aio import AsyncWooshq
from wooshq.errors import LedgerUnavailable
from wooshq.intents.accept import Checked, accept_checked, not_accepted
from wooshq.ledger.entry import Entry
from wooshq.ledger.intents import AcceptOutcome
from wooshq.tracing import accepting

_TURNS: Final = 5
"""Turns of the event loop for which requests are gathered."""
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
        self._round_trips: asyncio.Task[None] | None = None

    async def accept(self, entry: Entry) -> AcceptOutcome:
        """Accept one entry. Raises Conflict, NotAccepted, as `enqueue` does."""
        with accepting(self._client.settings, entry.lane) as span:
            if span.trace:
                entry = replace(entry, trace=span.trace)
                span.note(messaging_message_id=entry.intent_id)
            mine = _Waiting(entry, asyncio.get_running_loop().create_future())
            self._waiting.append(mine)
            if self._round_trips is None:
                self._round_trips = asyncio.create_task(self._accept_all())
            return await mine.outcome

    async def _accept_all(self) -> None:
        """Accept what waits, one round trip after another, until nothing does. With two at a time each would carry half, at the same cost."""
        try:
            while self._waiting:
                await self._gather()
                await self._accept(self._next())
        finally:
            self._round_trips = None

    async def _gather(self) -> None:
        """Let requests be read that are here already, as long as there are more of them each time: microseconds."""
        for _ in range(_TURNS):
            before = len(self._waiting)
            await asyncio.sleep(0)
            if len(self._waiting) == before:
                return

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
