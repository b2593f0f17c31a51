"""An intent's journey through a worker: take, render, deliver, settle. The steps are in `Batches.take` and `Batches.send`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import TAKE_BYTES, Claim, IntentLedger, Settlement, Taken
from wooshq.ledger.states import Event
from wooshq.overview.workers import mark_of
from wooshq.settings import Settings
from wooshq_schemas.recipient_lists import recipients_in_request
from wooshq_worker.api.attempt import Attempt, AttemptRecord
from wooshq_worker.api.backoff import Backoff
from wooshq_worker.api.deliver import Delivery, ShortRetries, deliver
from wooshq_worker.api.secrets import secrets_of_body
from wooshq_worker.api.transport import Api
from wooshq_worker.intents.render import NoToken, Ready, Renderer, TakenAt
from wooshq_worker.intents.settlement import settlement_of
from wooshq_worker.intents.settler import Settler
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.metrics.measures import Measures, off

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.spans import Spans

log = structlog.get_logger("wooshq.batch")

_SEGMENT: Final = 1000
"""Recipients that a call to a segment counts for: nobody knows how many they are."""


class Group(Protocol):
    """Holds the slots of one batch, and is told how far its intents are."""

    def ended(self, n: int) -> None:
        """`n` of the intents need no slot any more."""

    def close(self) -> None:
        """All of them have ended."""


class Batches:
    """Everything that a worker process needs to send intents: made once, used by every batch."""

    def __init__(
        self,
        settings: Settings,
        ledger: IntentLedger,
        client: LedgerClient,
        api: Api,
        settler: Settler,
        measures: Measures = off,
        spans: Spans | None = None,
    ) -> None:
        """spans: None if tracing is off."""
        self._s = settings
        self._ledger = ledger
        self._client = client
        self._api = api
        self._settler = settler
        self._measures = measures
        self._spans = spans
        self._gates = settler.gates
        self._renderer = Renderer(settings)
        self._short = ShortRetries(tries=settings.short_tries, total_s=settings.short_retry_s)
        self._backoff = Backoff(base_s=settings.backoff_base_s, ceiling_s=settings.backoff_ceiling_s)
        self._taker = uuid.uuid4().hex
        self._mark = mark_of(socket.gethostname(), os.getpid())
        self.bytes_held = 0
        """Of all requests in progress, as values and as text."""
        self.stopping = False

    async def take(self, lane: str, most: int, *, suspects: bool = False, woken: bool = False) -> Taken:
        """
        Take intents of a lane that may leave now; one round trip. One call at a time for each lane, and one for its suspects.

        suspects: take a group of suspects. woken: the lane slept until it heard a bell. Raises LedgerUnavailable if nothing could be taken.
        """
        token, asked_at = self._mark + uuid.uuid4().hex[len(self._mark) :], time.monotonic()
        taker = f"{self._taker}-{lane}{'-suspects' if suspects else ''}"
        with self._holding(TAKE_BYTES if most else 0):  # as much as the answer may hold
            taken = await self._client.do_until_answered(
                lambda: self._ledger.take(lane, most, token=token, taker=taker, suspects=suspects, woken=woken)
            )
        if most:
            self._measures.taken(lane, len(taken.claims), time.monotonic() - asked_at, taken.now_ms)
        for claim in taken.claims:
            self._gates.admitted(claim.application, asked_at, probe=claim.probe)
        if taken.expired:
            log.info("expired", n=len(taken.expired), intent_ids=list(taken.expired))
        return replace(taken, asked_at=asked_at)

    async def send(self, taken: Taken, group: Group) -> None:
        """Send what was taken. An intent's fate never depends on its neighbours."""
        try:
            ready = self._render(taken, group)  # no round trip
            with self._holding(2 * sum(len(one.body) for one in ready)):
                await self._deliver(ready, group)  # one call each, all at once; each is settled as its answer comes (see Settler)
        finally:
            group.close()

    def _render(self, taken: Taken, group: Group) -> list[Ready]:
        """What can be sent. Everything else is settled now."""
        ready = []
        at = TakenAt.of(taken.now_ms, taken.asked_at)
        for claim in taken.claims:
            rendered = self._renderer.render(claim, at)
            match rendered:
                case Ready():
                    ready.append(rendered)
                    continue
                case NoToken():
                    self._gates.shut_without_token(claim.application)
                    self._settler.add(Settlement(claim, Event.HANDED_BACK))
                case Settlement():
                    self._settler.add(rendered if self._spans is None else self._spans.sent(rendered, taken.asked_at))
            group.ended(1)
        return ready

    async def _deliver(self, ready: Sequence[Ready], group: Group) -> None:
        # One task each: with `gather` the first answer would be settled when the last has come.
        tasks = [asyncio.create_task(self._deliver_one(one, group)) for one in ready]
        for task in tasks:
            await task

    async def _deliver_one(self, ready: Ready, group: Group) -> None:
        """One intent's calls. Never raises: after a bug the end of its lease brings it back, and its neighbours go on."""
        try:
            if ready.claim.leaves_ms:
                await asyncio.sleep(ready.claim.leaves_ms / 1000)
            delivery = await self._call(ready)
            now, jitter = time.monotonic(), random.random()
            settlement = settlement_of(ready, delivery, backoff=self._backoff, now=now, jitter=jitter)
            if self._spans is not None:
                settlement = self._spans.sent(settlement, ready.taken_at, delivery.attempts)
            self._settler.add(settlement)
        except Exception as error:
            log.error("send_failed", intent_id=ready.claim.intent_id, error=type(error).__name__, exc_info=True)
        finally:
            group.ended(1)

    async def _call(self, ready: Ready) -> Delivery:
        application = ready.claim.application
        return await deliver(
            lambda: self._api.call(ready.body, ready.token, leaves_within_s=_seconds_until(ready.expires_at)),
            policy=self._short,
            retry_after_ceiling_s=self._s.retry_after_ceiling_s,
            may_go=lambda: self._may_go(ready),
            on_verdict=lambda verdict: self._gates.on_verdict(application, verdict, lambda: _people(ready)),
            secrets=lambda: secrets_of_body(ready.payload, ready.token),
            on_wait=partial(self._note, ready.claim),
            may_repeat=partial(self._begin_again, ready.claim),
        )

    # Only a call that failed comes here: a message that is sent at once costs no further round trip.

    async def _note(self, claim: Claim, attempts: Sequence[Attempt]) -> None:
        """Record the calls so far, and that none is in progress: if this worker is lost now, nothing is in doubt."""
        with contextlib.suppress(LedgerUnavailable):  # the next call needs the ledger, and the settlement has all calls
            await self._client.do_until_answered(lambda: self._ledger.note(claim, _as_dicts(attempts), waits=True))

    async def _begin_again(self, claim: Claim, attempts: Sequence[Attempt]) -> bool:
        """Record that another call begins. False if the claim is not this worker's any more, or if the ledger is unavailable."""
        try:
            return await self._client.do_until_answered(lambda: self._ledger.note(claim, _as_dicts(attempts), waits=False))
        except LedgerUnavailable:
            return False

    def _may_go(self, ready: Ready) -> str | None:
        """Asked just before a request is written: a reason not to, or None."""
        now = time.monotonic()
        if now >= ready.lease_until:
            return "lease"
        if ready.expires_at is not None and now >= ready.expires_at:
            return "expired"
        if (gate := self._gates.gate_shut_for(ready.claim.application)) is not None:
            return f"gate {gate}"
        return "stopping" if self.stopping else None

    @contextlib.contextmanager
    def _holding(self, size: int) -> Iterator[None]:
        self.bytes_held += size
        try:
            yield
        finally:
            self.bytes_held -= size


def _as_dicts(attempts: Sequence[Attempt]) -> list[AttemptRecord]:
    return [attempt.as_dict() for attempt in attempts]


def _people(ready: Ready) -> int:
    """How many recipients a call may reach. A segment may be everybody."""
    return _SEGMENT if "segment" in ready.payload else max(1, len(recipients_in_request(ready.payload)))


def _seconds_until(moment: float | None) -> float | None:
    return None if moment is None else moment - time.monotonic()
