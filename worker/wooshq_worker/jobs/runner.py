"""Takes chunks as turns are called and slots are free, makes their calls, writes down what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.ledger import lost_workers as losses
from wooshq.ledger.chunks import ChunkName, TakenChunk
from wooshq.ledger.gates import may_leave, read
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.replies import as_row, ms, text
from wooshq.ledger.steps import Ask, Steps
from wooshq.settings import Settings
from wooshq_schemas import IntentInvalid, NewerModel, Template
from wooshq_worker.api.backoff import Backoff
from wooshq_worker.api.deliver import ShortRetries, deliver
from wooshq_worker.api.gates import LocalGates
from wooshq_worker.api.secrets import secrets_of_call
from wooshq_worker.api.transport import Api
from wooshq_worker.jobs.chunk import ActiveChunk, JobInfo
from wooshq_worker.jobs.hold_chunk import AWAY_S, LOOK_AGAIN_S, HoldChunk
from wooshq_worker.jobs.log import JobLog
from wooshq_worker.jobs.plan import Call
from wooshq_worker.jobs.suspects import Alone, suspects_at_once
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.scrub import scrub

log = structlog.get_logger("wooshq.bulk")
T = TypeVar("T")

MOST_CHUNKS: Final = 32
"""Chunks that a worker holds at once: enough for shared calls to fill its slots, few enough for its memory."""
_TELL_EVERY_S: Final = 1.0
_JOBS_KNOWN: Final = 64
#: Jobs that are asked about together, and how many of those that wait are looked at for one turn: behind a shut gate there may be many.
_PAGE: Final = 64
_MOST_LOOKED_AT: Final = 1024


class Slots(Protocol):
    """The calls that the process may have under way, of which the bulk lane has a part."""

    def free(self) -> int: ...
    def taken(self, n: int) -> None: ...


class Flight(NamedTuple):
    """A call that may leave, as soon as somebody makes it."""

    chunk: ActiveChunk
    call: Call


class Runner:
    """
    One per process. A fixed number of pullers make the calls; each chunk has a task that asks for more and writes down what came.

    While one chunk has calls to begin no other is taken: it is the tail of one that the next one fills.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: JobLedger,
        client: LedgerClient,
        api: Api,
        gates: LocalGates,
        slots: Slots,
        alone: Alone,
        telling: JobLog,
        *,
        pullers: int,
    ) -> None:
        """alone: who may send to suspects now, in the whole worker."""
        self._s = settings
        self._ledger = ledger
        self._client = client
        self._api = api
        self._gates = gates
        self._slots = slots
        self._alone = alone
        self.telling = telling
        self._pullers = pullers
        # Begun a little ahead of the slots, so that none stands empty for a round trip; who is in doubt when a worker is lost are never more
        # than its concurrency.
        self._ahead = max(1, settings.concurrency - pullers)
        self._short = ShortRetries(tries=settings.short_tries, total_s=settings.short_retry_s)
        self._backoff = Backoff(base_s=settings.backoff_base_s, ceiling_s=settings.backoff_ceiling_s)
        self._turns: deque[Callable[[], None]] = deque()
        self._active: set[ActiveChunk] = set()
        self._hungry: set[ActiveChunk] = set()  # chunks that have calls to begin, and may
        self._flights: asyncio.Queue[Flight] = asyncio.Queue()
        self._granted = 0
        self._jobs: OrderedDict[str, JobInfo] = OrderedDict()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopping = False

    # Turns

    def turn(self, ack: Callable[[], None]) -> None:
        """A chunk waits somewhere; ack: called when one was taken, or none was to be had."""
        self._turns.append(ack)
        self._wake.set()

    @property
    def is_busy(self) -> bool:
        return bool(self._active)

    async def run(self) -> None:
        """Take chunks for ever."""
        helpers = [asyncio.create_task(self._tell()), *(asyncio.create_task(self._pull()) for _ in range(self._pullers))]
        try:
            while True:
                self._wake.clear()
                while self._turns and self._wants_more():
                    await self._take_turn()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S if self._turns else None):
                        await self._wake.wait()
        finally:
            for helper in helpers:
                helper.cancel()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            self.telling.tell()

    def _wants_more(self) -> bool:
        return not self.stopping and not self._hungry and len(self._active) < MOST_CHUNKS and self._room() > 0

    def _room(self) -> int:
        """Calls that may be asked for."""
        return min(self._pullers, self._slots.free() + self._granted) + self._ahead - self._granted

    async def _take_turn(self) -> None:
        ack = self._turns.popleft()
        try:
            chunk = await self._next_chunk()
        except LedgerUnavailable:
            await asyncio.sleep(AWAY_S)
            chunk = None
        except Exception:  # the ledger has the chunk, and its lease ends
            log.error("chunk_not_taken", exc_info=True)
            chunk = None
        ack()
        if chunk is not None:
            self._active.add(chunk)
            self._hungry.add(chunk)
            task = asyncio.create_task(self._work(chunk))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _next_chunk(self) -> ActiveChunk | None:
        """The chunk whose turn it is: of the job that has waited longest, leaving out those whose chunk here only waits."""
        keys = self._ledger.keys
        resting = {chunk.job.id for chunk in self._active}
        for at in range(0, _MOST_LOOKED_AT, _PAGE):
            page, time_, flat = await self._do(
                _ask(("ZRANGE", keys.fixed("turns"), at, at + _PAGE - 1), ("TIME",), ("HGETALL", keys.fixed("gates")))
            )
            ids = [text(i) for i in page]
            now_ms = ms(time_)
            gates = read(flat, now_ms)
            apps = await self._do(_ask(*(("HGET", keys.job(i), "app") for i in ids))) if gates and ids else [None] * len(ids)
            shut = {
                job_id
                for job_id, app in zip(ids, apps, strict=True)
                if app is not None and not may_leave(gates, text(app), now_ms, probes=self._s.probes, most=1)
            }
            # A job of which this worker holds a chunk that must wait comes after all others.
            for job_id in sorted(ids, key=lambda i: i in resting):
                if job_id in shut or (job_id in resting and self._waits(job_id)):
                    continue
                job = await self._job(job_id)
                if job is not None and (chunk := await self._chunk_of(job)) is not None:
                    return chunk
            if len(ids) < _PAGE:
                return None
        return None

    async def _chunk_of(self, job: JobInfo) -> ActiveChunk | None:
        """The first of its chunks that can be taken."""
        numbers = (await self._do(_ask(("ZRANGE", self._ledger.keys.job_part(job.id, "queued"), 0, 3))))[0]
        for number in map(int, numbers):
            chunk = await self._take(ChunkName(job.id, number), job)
            if isinstance(chunk, ActiveChunk):
                return chunk
            if chunk != "taken":
                return None
        return None

    def _waits(self, job_id: str) -> bool:
        """Whether a chunk of the job here has calls that may not leave yet: a second one would only wait with it."""
        return any(chunk.job.id == job_id and len(chunk.plan) > 0 for chunk in self._active)

    async def _take(self, name: ChunkName, job: JobInfo) -> ActiveChunk | str:
        token = uuid.uuid4().hex
        asked_at = time.monotonic()
        taken = await self._client.do_until_answered(lambda: self._ledger.chunks.take(name, token))
        if not isinstance(taken, TakenChunk):
            return taken
        suspects = {
            place: suspects_at_once(lost, self._s.poison_after)
            for place, lost in losses.read(taken.losses).items()
            if lost >= self._s.suspect_after
        }
        return ActiveChunk(taken, job, asked_at=asked_at, lease_s=self._s.lease_s - self._s.http_total_s, suspects=suspects)

    async def _job(self, job_id: str) -> JobInfo | None:
        """What is known of a job; None where it is gone, or is a newer wooshq's."""
        if (known := self._jobs.get(job_id)) is not None:
            self._jobs.move_to_end(job_id)
            return known
        asked_at = time.monotonic()
        flat, time_ = await self._do(_ask(("HGETALL", self._ledger.keys.job(job_id)), ("TIME",)))
        row = as_row(flat)
        if not row:
            return None
        try:
            template = Template.load_stored(row["template"], int(row["v"]), platforms=self._s.platform_table)
        except (NewerModel, IntentInvalid) as error:
            log.warning("job_not_understood", job_id=job_id, error=type(error).__name__)
            return None
        now_ms = ms(time_)
        made = JobInfo(
            id=job_id,
            template=template,
            application=row["app"],
            on_unknown=row.get("on_unknown", self._s.on_unknown),
            rate=float(row["rate"]) if "rate" in row else None,
            expires_at=asked_at + (float(row["expires"]) - now_ms) / 1000 if "expires" in row else None,
            too_old_at=asked_at + (float(row["at"]) - now_ms) / 1000 + self._s.max_age_s,
            in_steps="steps" in row,
        )
        self._jobs[job_id] = made
        while len(self._jobs) > _JOBS_KNOWN:
            self._jobs.popitem(last=False)
        return made

    async def _do(self, steps: Steps[T]) -> T:
        return await self._client.do(steps)

    # A chunk

    async def _work(self, chunk: ActiveChunk) -> None:
        try:
            await HoldChunk(self, chunk).to_the_end()
        except Exception:  # its lease ends, and the next worker goes on where the marks say
            log.error("chunk_failed", job_id=chunk.name.job_id, chunk=chunk.name.number, exc_info=True)
            chunk.lost = True
        finally:
            self._active.discard(chunk)
            self._hungry.discard(chunk)
            self.with_suspects_done(chunk)
            self._wake.set()

    def depart(self, chunk: ActiveChunk, calls: Sequence[Call], start_s: float, gap_s: float) -> None:
        """Calls may leave, the first in start_s and then one every gap_s."""
        chunk.in_flight += len(calls)
        self._granted += len(calls)
        loop = asyncio.get_running_loop()
        if gap_s == 0 and start_s == 0:
            for call in calls:
                self._flights.put_nowait(Flight(chunk, call))
            return
        for n, call in enumerate(calls):
            loop.call_later(start_s + n * gap_s, self._flights.put_nowait, Flight(chunk, call))

    def is_limited(self, chunk: ActiveChunk) -> bool:
        """Whether a chunk must wait for its own calls, or for others' suspects: see `room_for`."""
        if self._is_careful(chunk):
            return chunk.in_flight > 0 or not self._alone.is_free_for(chunk)
        return (not chunk.proved or chunk.is_doubtful) and chunk.in_flight > 0

    def room_for(self, chunk: ActiveChunk) -> int:
        """
        Calls that a chunk may ask for now: one, where the API has accepted nothing of its job yet, or refuses one after the other.

        Suspects are sent to one group after the other in the whole worker, so that of many whose worker was lost the one who does it is found.
        """
        if self._is_careful(chunk):
            if chunk.in_flight > 0 or not self._alone.take(chunk):
                return 0
        elif not chunk.proved or chunk.is_doubtful:
            return 1 if chunk.in_flight == 0 else 0
        return max(0, self._room())

    def _is_careful(self, chunk: ActiveChunk) -> bool:
        """Whether suspects of a chunk wait or are being sent to."""
        return chunk.plan.has_suspects or self._alone.is_held_by(chunk)

    def with_suspects_done(self, chunk: ActiveChunk) -> None:
        """A chunk whose suspects, if it had any, have been sent to lets others' be."""
        if self._alone.give(chunk):
            self.look_again()

    def look_again(self) -> None:
        """Something changed that chunks may wait for."""
        for chunk in self._active:
            chunk.news.set()

    def hungry(self, chunk: ActiveChunk, is_hungry: bool) -> None:
        """Whether a chunk has calls to begin that may begin; where none has, the next one is taken."""
        if is_hungry:
            self._hungry.add(chunk)
        elif chunk in self._hungry:
            self._hungry.discard(chunk)
            self._wake.set()

    # Calls

    async def _pull(self) -> None:
        while True:
            flight = await self._flights.get()
            self._slots.taken(1)
            try:
                await self._fly(*flight)
            except Exception:  # a bug of ours: whom the call was for is in doubt, and their chunk's lease tells
                log.error("call_failed", job_id=flight.chunk.name.job_id, exc_info=True)
                flight.chunk.lost = True
                flight.chunk.news.set()
            finally:
                self._granted -= 1
                self._slots.taken(-1)
                for chunk in self._hungry:
                    chunk.news.set()

    async def _fly(self, chunk: ActiveChunk, call: Call) -> None:
        job = chunk.job
        unit = chunk.plan.unit(call)
        identifiers = chunk.plan.identifiers(call)
        now = chunk.now(time.monotonic())

        def body_for(some: Sequence[str]) -> bytes:
            return job.template.body(unit.to, some, locale=unit.locale, placeholders=unit.placeholders, now=now)

        token = self._s.token_for(job.application)
        if token is None:
            why = f"no token is set for the application {job.application}: set PUSHWOOSH_API_TOKEN and restart the worker"
            self._gates.shut(job.application, "token", why)
            chunk.in_flight -= 1
            chunk.put_back(call)
            chunk.held = chunk.held or "gate token"
            chunk.news.set()
            return
        secret = token.get_secret_value()
        body = body_for(identifiers)
        leaves = None if job.expires_at is None else job.expires_at - time.monotonic()

        def secrets() -> frozenset[str]:
            return secrets_of_call(identifiers, unit.placeholders, secret)

        delivery = await deliver(
            lambda: self._api.call(body, secret, leaves_within_s=leaves),
            policy=self._short,
            retry_after_ceiling_s=self._s.retry_after_ceiling_s,
            may_go=lambda: self._may_go(chunk),
            on_verdict=lambda verdict: self._gates.on_verdict(job.application, verdict),
            secrets=secrets,
        )
        chunk.landed(call, delivery, body_for, lambda said: scrub(said, secrets()))

    def _may_go(self, chunk: ActiveChunk) -> str | None:
        """Asked just before a request is written: a reason to let it be."""
        at = time.monotonic()
        if chunk.lost or at >= chunk.lease_until:
            return "lease"
        if chunk.job.expires_at is not None and at >= chunk.job.expires_at:
            return "expired"
        if (gate := self._gates.gate_shut_for(chunk.job.application)) is not None:
            return f"gate {gate}"
        if chunk.held:
            return chunk.held
        return "stopping" if self.stopping else None

    def drain(self) -> None:
        """Begin nothing more: chunks go back as their calls end."""
        self.stopping = True
        self.look_again()


def _ask(*commands: tuple[Any, ...]) -> Steps[list[Any]]:
    return (yield Ask(list(commands)))  # type: ignore[no-any-return]
