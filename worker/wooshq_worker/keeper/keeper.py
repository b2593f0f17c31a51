"""What must not be forgotten: due retries, leases of lost workers, opened gates, expiries, and ids that the broker lost."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.installation.publish import BrokerConnection
from wooshq.ledger.gates import may_leave
from wooshq.ledger.intents import Taken
from wooshq.ledger.keys import LANES
from wooshq.ledger.replies import ms as _ms
from wooshq.ledger.replies import text as _text
from wooshq.ledger.steps import Ask, Steps
from wooshq_worker.jobs.suspects import suspect_groups
from wooshq_worker.keeper.jobs import JobDuties
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.keeper")

#: Ids that one script moves: its time on the server is bounded by it.
_PAGE = 200
#: Pages of one duty in one round, so that none starves the others.
_PAGES = 5
_KEEPER_S = 3.0
#: After the ledger was away, workers write down what they know before their leases are taken over.
_GRACE_S = 3.0
_LOOKS_FOR_LOST_S = 1.0


class Keeper:
    """
    Every worker runs one; who holds the lock works. Two at once do no harm: every move is a script that looks again.

    Waiting lives in the ledger alone; the keeper only moves what has come due back into the lanes, and tells the broker.
    """

    def __init__(self, wooshq: Wooshq, client: LedgerClient) -> None:
        self._wooshq = wooshq
        self._ledger = wooshq.ledger
        self._client = client
        self._s = wooshq.settings
        self._line = BrokerConnection(wooshq.installation.app, ids_per_message=self._s.ids_per_message)
        self._bulk = JobDuties(wooshq.settings, wooshq.ledger, client, self._line)
        self._token = uuid.uuid4().hex
        self._looked_at = 0.0
        self._stopping = False
        self.last_round_at = time.monotonic()

    def stop(self) -> None:
        """End after this round."""
        self._stopping = True

    async def run(self) -> None:
        """A round every `keeper_tick_s`, whatever a round runs into."""
        while not self._stopping:
            try:
                if await self._client.do(self._ledger.be_keeper(self._token, _KEEPER_S)):
                    await self._round()
                    self.last_round_at = time.monotonic()
            except LedgerUnavailable:
                pass  # said once, by the client
            except Exception:
                log.error("keeper_round_failed", exc_info=True)
            await asyncio.sleep(self._s.keeper_tick_s)

    async def _round(self) -> None:
        duties: list[Callable[[], Awaitable[object]]] = [self._move_due, self._expire, self._open, self._bulk.round]
        if time.monotonic() - self._client.back_at > _GRACE_S:
            duties += [self._take_over, self._bulk.take_over]
        if time.monotonic() - self._looked_at >= _LOOKS_FOR_LOST_S:
            self._looked_at = time.monotonic()
            duties += [
                self._find_lost,
                lambda: self._bulk.call_lost_turns(lambda: self._is_empty("bulk")),
                lambda: self._client.do(self._ledger.letters.trim(_PAGE)),
            ]
        for duty in duties:
            try:
                await duty()
            except LedgerUnavailable:
                raise
            except Exception:  # one that cannot be done must not keep the others from being done
                log.error("keeper_duty_failed", exc_info=True)

    async def _move_due(self) -> None:
        for _ in range(_PAGES):
            ids = await self._client.do(self._ledger.come_due("due", _PAGE))
            if ids:
                await self._publish(await self._client.do(self._ledger.due(ids)))
            if len(ids) < _PAGE:
                return

    async def _expire(self) -> None:
        ids = await self._client.do(self._ledger.come_due("expiry", _PAGE))
        if ids:
            rows = await self._client.do(self._ledger.fields(ids, "app"))
            waiting = [(i, row[0] or "") for i, row in zip(ids, rows, strict=True)]
            ended = await self._client.do(self._ledger.expire(waiting))
            if ended:
                log.info("expired", n=ended)

    async def _take_over(self) -> None:
        ids = await self._client.do(self._ledger.come_due("leases", _PAGE))
        if not ids:
            return
        rows = await self._client.do(self._ledger.fields(ids, "body"))
        on_unknown = {i: wish for i, row in zip(ids, rows, strict=True) if (wish := _on_unknown(row[0]))}
        taken = await self._client.do(self._ledger.take_over(ids, on_unknown))
        log.warning("leases_taken_over", n=len(ids), queued=len(taken))
        await self._publish(taken)

    async def _open(self) -> None:
        """Let go of what gates hold, as many a round as the rate allows."""
        keys = self._ledger.keys
        applications = [_text(a) for a in (await self._client.do(_ask(("SMEMBERS", keys.fixed("held_applications")))))]
        if not applications:
            return
        gates = await self._client.do(self._ledger.gates.every())
        time_ = await self._client.do(_ask(("TIME",)))
        now_ms = _ms(time_)
        most = max(1, int(self._s.release_per_s * self._s.keeper_tick_s))
        for application in applications:
            n = may_leave(gates, application, now_ms, probes=self._s.probes, most=most)
            while n > 0:
                page = min(n, _PAGE)
                ids = [_text(i) for i in (await self._client.do(_ask(("ZRANGE", keys.held(application), 0, page - 1))))]
                await self._publish(await self._client.do(self._ledger.release(application, ids)))
                n -= page
                if len(ids) < page:
                    break

    async def _find_lost(self) -> None:
        """Queued for too long: the broker lost its message, or never had it (a producer that died between accept and publish)."""
        keys = self._ledger.keys
        for lane in LANES:
            oldest = await self._client.do(_ask(("ZRANGE", keys.queued(lane), 0, 0, "WITHSCORES")))
            if not oldest:
                continue
            empty = await asyncio.to_thread(self._is_empty, lane)
            ids = await self._client.do(self._ledger.stale(lane, lane_is_empty=empty, limit=_PAGE * _PAGES))
            if ids:
                log.info("published_again", lane=lane, n=len(ids))
                taken = Taken()
                rows = await self._client.do(self._ledger.fields(ids, "lost"))
                for i, (lost,) in zip(ids, rows, strict=True):
                    self._ledger.sort(taken, i, lane, int(lost or 0))
                await self._publish(taken)

    def _is_empty(self, lane: str) -> bool:
        return self.depth(lane) == 0

    def depth(self, lane: str) -> int:
        """Messages of a lane that no worker has taken yet. -1 where the broker does not say."""
        try:
            # A connection of its own: one that met a missing queue does not serve again, and this is asked once a second at most.
            with self._wooshq.installation.app.connection_for_write() as connection, connection.channel() as channel:
                return int(channel.queue_declare(queue=self._wooshq.installation.app.lanes[lane], passive=True).message_count)
        except Exception as error:  # of any transport; not knowing is an answer
            missing = "NOT_FOUND" in str(error) or "404" in str(error)
            return 0 if missing else -1

    async def _publish(self, taken: Taken) -> None:
        for lane in LANES:
            if taken.by_lane[lane]:
                await asyncio.to_thread(self._publish_now, lane, taken.by_lane[lane])
        for lane, group in suspect_groups(taken.suspects, self._s.poison_after):
            await asyncio.to_thread(self._publish_now, lane, group, alone=True)

    def _publish_now(self, lane: str, ids: Sequence[str], alone: bool = False) -> None:
        try:
            self._line.publish(lane, ids, alone=alone)
        except Exception as error:  # of any transport; they are queued in the ledger, and the next looks find them again
            log.warning("publish_failed", lane=lane, n=len(ids), error=type(error).__name__)


def _ask(command: tuple[Any, ...]) -> Steps[list[Any]]:
    return (yield Ask([command]))[0]  # type: ignore[no-any-return]


def _on_unknown(body: str | None) -> str | None:
    """The intent's own wish; the ledger keeps it only in the body."""
    if body is None or "on_unknown" not in body:
        return None
    try:
        wish = json.loads(body).get("on_unknown")
    except (ValueError, AttributeError):
        return None
    return wish if wish in ("resend", "dead_letter") else None
