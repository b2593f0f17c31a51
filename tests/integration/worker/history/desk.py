"""A producer, a worker, an operator and consumers at one ledger with a history, whose writes a test decides about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import redis

from tests.rig import GENEROUS_S, an_intent, some_settings
from wooshq import Wooshq
from wooshq.history.record import Record
from wooshq.history.store import History, open_history
from wooshq.intents.entry import new_id
from wooshq.intents.status import Status
from wooshq.ledger.intents import Settlement
from wooshq.ledger.keys import Keys
from wooshq.ledger.states import Event, Reason
from wooshq_worker.keeper.history.consumer import Consumer
from wooshq_worker.keeper.history.ledger import EventLedger
from wooshq_worker.ledger_client import LedgerClient

ATTEMPT = {"at": "2026-05-01T09:00:00.000Z", "outcome": "sent", "http_status": 200}
KEYS = Keys("wq")


class Desk:
    """A producer, a worker and an operator at one ledger with a history. write: stands before the history's own."""

    def __init__(self, redis_url: str, folder: Path, **settings: Any) -> None:
        self.url = redis_url
        self.settings = some_settings(**{"redis_url": redis_url, "history_url": f"sqlite:///{folder / 'history.db'}", **settings})
        self.wooshq = Wooshq(self.settings)
        self.ledger = self.wooshq.ledger
        self.events = EventLedger(self.settings)
        self.redis = redis.Redis.from_url(redis_url)
        self.write: Callable[[History, list[Record]], None] = lambda history, records: history.write(records)

    def close(self) -> None:
        self.wooshq.close()
        self.redis.close()

    def listen(self, most: int = 10**9) -> None:
        self.wooshq.do(self.events.listen(most))

    def accepted(self, n: int = 1, **fields: Any) -> list[str]:
        return [i for i in self.wooshq.enqueue_many(an_intent(f"u{i}", **fields) for i in range(n)).ids if i]

    def settled(self, event: Event = Event.ACCEPTED, n: int = 1, **fields: Any) -> list[str]:
        """Intents that were sent, or ended otherwise."""
        more = {name: fields.pop(name) for name in ("doubt", "held_ms") if name in fields}
        ids = sorted(self.accepted(n, **fields))
        claims = self.wooshq.do(self.ledger.take("transactional", n, token=new_id(), taker="a")).claims
        given = {"message_code": "M-1", "reason": Reason.REJECTED, "detail": "no", **more}
        assert all(self.wooshq.do(self.ledger.settle([Settlement(claim, event, [ATTEMPT], **given) for claim in claims])))
        return ids

    def settle_all(self) -> None:
        """Everything that waits is sent."""
        while claims := self.wooshq.do(self.ledger.take("transactional", 500, token=new_id(), taker="a")).claims:
            assert all(
                self.wooshq.do(self.ledger.settle([Settlement(one, Event.ACCEPTED, [ATTEMPT], message_code="M-1") for one in claims]))
            )

    def rows(self) -> list[str]:
        """The intents that the ledger has."""
        return [key.decode().rpartition(":")[2] for key in self.redis.keys(KEYS.intent("*"))]

    def status(self, intent_id: str) -> Status:
        found = self.wooshq.status(intent_id)
        assert found is not None
        return found

    def in_history(self) -> list[str]:
        history = open_history(self.settings)
        assert history is not None
        try:
            return [record.id for record in history.find(None, limit=1000) if record.kind == "intent"]
        finally:
            history.close()

    @asynccontextmanager
    async def consumer(self, lost_after_ms: int = 0) -> AsyncIterator[Consumer]:
        """A consumer that runs. lost_after_ms: after so long it takes what another one has taken."""
        history = open_history(self.settings)
        assert history is not None
        client = LedgerClient(self.url, "the test's Redis")
        made = Consumer(self.settings, client, _Faulty(history, self), new_id(), lost_after_ms)  # type: ignore[arg-type]
        task = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            made.stop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            made.close()
            await client.close()

    async def consumed(self, done: Callable[[], bool]) -> None:
        """Let a consumer run until that is true."""
        async with self.consumer():
            await until(done, lambda: (self.rows(), self.redis.hgetall(KEYS.fixed("telling"))))


class _Faulty:
    """A history whose writes the test decides about."""

    def __init__(self, history: History, desk: Desk) -> None:
        self._history = history
        self._desk = desk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._history, name)

    def write(self, records: Iterable[Record]) -> None:
        self._desk.write(self._history, list(records))


async def until(done: Callable[[], bool], saw: Callable[[], object] = lambda: "") -> None:
    async with asyncio.timeout(GENEROUS_S):
        while not done():
            await asyncio.sleep(0.01)
