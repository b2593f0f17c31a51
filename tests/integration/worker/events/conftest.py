"""A producer, a worker and receivers at one ledger; what delivers runs in this process, and may be killed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from tests.integration.worker.events.receiver import Receiver
from tests.rig import GENEROUS_S, an_intent, some_settings
from wooshq import Wooshq
from wooshq.history.contract import History
from wooshq.intents.entry import new_id
from wooshq.ledger.intents import Settlement
from wooshq.ledger.keys import Keys
from wooshq.ledger.states import Event, Reason
from wooshq_worker.events.hooks import Function, Hooks
from wooshq_worker.events.outward import Outward
from wooshq_worker.ledger_client import LedgerClient

ATTEMPT = {"at": "2026-05-01T09:00:00.000Z", "outcome": "sent", "http_status": 200}
KEYS = Keys("wq")


class Post:
    """Everything that a test of events needs. settings: of the installation."""

    def __init__(self, redis_url: str, **settings: Any) -> None:
        self.url = redis_url
        self.settings = some_settings(redis_url=redis_url, webhooks_allow="127.0.0.0/8", **settings)
        self.wooshq = Wooshq(self.settings)
        self.redis = redis.Redis.from_url(redis_url)
        self._open = contextlib.ExitStack()

    def close(self) -> None:
        self._open.close()
        self.wooshq.close()
        self.redis.close()

    def receiver(self, name: str = "shop", *types: str, answer: Callable[[Any, int], Any] = lambda got, n: None) -> Receiver:
        """A receiver, and the webhook that leads to it."""
        made = self._open.enter_context(Receiver(answer))
        made.secret = self.wooshq.webhooks.add(name, made.url, types, by="ana").secret
        return made

    def settled(self, event: Event = Event.ACCEPTED, n: int = 1, **fields: Any) -> list[str]:
        """Intents that were sent, or ended otherwise, in one step."""
        ids = sorted(i for i in self.wooshq.enqueue_many(an_intent(f"u{i}", **fields) for i in range(n)).ids if i)
        claims = self.wooshq.do(self.wooshq.ledger.take(fields.get("lane", "transactional"), n, token=new_id(), taker="a")).claims
        given: dict[str, Any] = {"message_code": "M-1", "reason": Reason.REJECTED, "detail": "no"}
        assert all(self.wooshq.do(self.wooshq.ledger.settle([Settlement(claim, event, [ATTEMPT], **given) for claim in claims])))
        return ids

    def now(self, name: str = "shop") -> None:
        """Whatever waits for a webhook is due at once."""
        subscriber = f"webhook/{name}"
        due = KEYS.subscriber_part(subscriber, "due")
        for entry in self.redis.zrange(due, 0, -1):
            self.redis.zadd(due, {entry: 1}, xx=True)
        self.redis.hdel(KEYS.subscriber(subscriber), "quiet_till")

    @asynccontextmanager
    async def delivering(self, history: History | None = None, **hooks: Function) -> AsyncIterator[asyncio.Task[None]]:
        """What delivers, until the end of the block. Cancel the task, and it is as if it was killed."""
        client = LedgerClient(self.url, "Redis")
        outward = Outward(self.settings, client, history, new_id(), Hooks(hooks))
        running = asyncio.create_task(outward.run())
        try:
            yield running
        finally:
            outward.stop()
            await asyncio.wait([running], timeout=GENEROUS_S)
            await client.close()


async def until(done: Callable[[], Any], saw: Callable[[], object] = lambda: "") -> None:
    """Wait until `done()` is true, while the loop runs on."""
    ends = asyncio.get_running_loop().time() + GENEROUS_S
    while not done():
        assert asyncio.get_running_loop().time() < ends, f"not within {GENEROUS_S:g} s; last seen: {saw()}"
        await asyncio.sleep(0.02)


@pytest.fixture
def post(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Post]:
    marked = request.node.get_closest_marker("settings")
    made = Post(redis_url, **(marked.kwargs if marked else {}))
    yield made
    made.close()
