"""What must not be forgotten of fan-outs: chunks of lost workers, due rounds, steps, cancelled jobs, and turns that the broker lost."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.installation.publish import BrokerConnection
from wooshq.jobs.calls import sweep
from wooshq.jobs.units import Unit, unpack
from wooshq.ledger import lost_workers as losses
from wooshq.ledger.chunks import ChunkName, DeadRecipient
from wooshq.ledger.gates import may_leave, read
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.replies import as_row, ms, text
from wooshq.ledger.states import Mark, Reason
from wooshq.ledger.steps import Ask, Steps
from wooshq.settings import Settings
from wooshq_schemas import IntentInvalid, NewerModel
from wooshq_worker.jobs.failed_calls import FailedCalls
from wooshq_worker.jobs.job import JobInfo
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.bulk")

_PAGE: Final = 50
_MOST_TURNS: Final = 50
_LETTERS: Final = 50
_LETTER_BYTES: Final = 4_000_000
_MOST_LOOKED_AT: Final = 1024
#: A chunk that cannot be read is looked at again after so long; a newer worker may be able to.
_UNREADABLE_S: Final = 60.0


class JobDuties:
    """The keeper's duties for fan-outs; carried out by whoever holds its lock, and harmless if two do."""

    def __init__(self, settings: Settings, ledger: IntentLedger, client: LedgerClient, line: BrokerConnection) -> None:
        self._s = settings
        self._peek = ledger
        self._ledger = JobLedger(settings)
        self._client = client
        self._line = line

    async def round(self) -> None:
        """What has come due."""
        queued = 0
        for member in await self._client.do(self._peek.come_due("chunk_due", _PAGE)):
            queued += await self._client.do(self._ledger.chunks.due(ChunkName.of(member)))
        for job_id in await self._members("stepping"):
            if (how := await self._client.do(self._ledger.end_rollout_step(job_id))) != "waits":
                log.info("job_step", job_id=job_id, then=how)
                queued += how in ("running", "last")
        for job_id in await self._members("ending"):
            await self._end(job_id, "ending")
        for job_id in await self._client.do(self._peek.come_due("job_expiry", _PAGE)):
            await self._end(job_id, "job_expiry")
        if queued:
            await self._call_turns(min(queued, _MOST_TURNS))

    async def take_over(self) -> None:
        """Chunks whose lease has ended."""
        moved = 0
        for member in await self._client.do(self._peek.come_due("chunk_leases", _PAGE)):
            try:
                moved += await self._take_over(ChunkName.of(member))
            except LedgerUnavailable:
                raise
            except Exception:  # one that cannot be read must not keep the others
                log.error("chunk_not_taken_over", chunk=member, exc_info=True)
                await self._client.do(self._ledger.chunks.set_aside(member, _UNREADABLE_S))
        if moved:
            await self._call_turns(moved)

    async def call_lost_turns(self, lane_is_empty: Callable[[], bool]) -> None:
        """Chunks wait and the lane is empty: the broker lost their turns, or a gate has opened. lane_is_empty: asks the broker, and blocks."""
        keys = self._ledger.keys
        ids = [text(i) for i in (await self._client.do(_ask(("ZRANGE", keys.fixed("turns"), 0, _MOST_LOOKED_AT - 1))))[0]]
        if not ids:
            return
        *rows, time_, flat = await self._client.do(
            _ask(
                *(c for i in ids for c in (("HGET", keys.job(i), "app"), ("ZCARD", keys.job_part(i, "queued")))),
                ("TIME",),
                ("HGETALL", keys.fixed("gates")),
            )
        )
        now_ms = ms(time_)
        gates = read(flat, now_ms)
        waiting = sum(
            int(n)
            for app, n in zip(rows[::2], rows[1::2], strict=True)
            if app is not None and may_leave(gates, text(app), now_ms, probes=self._s.probes, most=1) > 0
        )
        if waiting and await asyncio.to_thread(lane_is_empty):
            await self._call_turns(min(waiting, _MOST_TURNS))

    async def _members(self, name: str) -> list[str]:
        return [text(i) for i in (await self._client.do(_ask(("SMEMBERS", self._ledger.keys.fixed(name)))))[0]]

    async def _end(self, job_id: str, from_: str) -> None:
        """A job that was cancelled, or whose time is over: mark who was not sent to, of the chunks that nobody holds."""
        await self._client.do(sweep(self._ledger, job_id))
        keys = self._ledger.keys
        state, fed, chunks, done = (await self._client.do(_ask(("HMGET", keys.job(job_id), "state", "fed", "chunks", "chunks_done"))))[0]
        if state is None or (chunks == done and (fed is not None or text(state) == "cancelled")):
            await self._client.do(_ask(("SREM" if from_ == "ending" else "ZREM", keys.fixed(from_), job_id)))

    async def _take_over(self, name: ChunkName) -> int:
        keys = self._ledger.keys
        (lease, data, before, kept), marks, row_, time_ = await self._client.do(
            _ask(
                ("HMGET", keys.chunk(name.job_id, name.number), "lease", "data", "losses", "log"),
                ("GET", keys.marks(name.job_id, name.number)),
                ("HGETALL", keys.job(name.job_id)),
                ("TIME",),
            )
        )
        row = as_row(row_)
        if lease is None or data is None or not row:
            # It was given back, or its job is forgotten: only the lease is left.
            await self._client.do(_ask(("ZREM", keys.fixed("chunk_leases"), str(name))))
            return 0
        seen = text(marks)
        sent_to = [at for at, mark in enumerate(seen) if mark == Mark.SENDING]
        units = unpack(data)
        who = _identifiers(units, sent_to)
        lost = losses.after(losses.read(text(before) if before else ""), seen)
        resend = row.get("on_unknown") != "dead_letter"
        dead = [place for place in sent_to if not resend or lost[place] >= self._s.poison_after]
        token = text(lease)
        if dead:
            mine = uuid.uuid4().hex
            if not await self._client.do(self._ledger.chunks.revoke(name, token, seen, mine)):
                return 0
            token = mine
            try:
                job = JobInfo.from_row(name.job_id, row, self._s, now_ms=ms(time_), asked_at=time.monotonic())
                letters = _letters(job, units, {place: lost.pop(place) for place in dead}, text(kept) if kept else "", self._s)
                for some in _in_parts(letters):
                    if not await self._client.do(self._ledger.chunks.file_letters(name, token, some)):
                        return 0
            except (NewerModel, IntentInvalid):
                return 0  # a newer wooshq's job is left to it
        cause = "worker lost while sending"
        answer = await self._client.do(self._ledger.chunks.take_over(name, token, seen, cause=cause, in_doubt=who, losses=lost, dead=dead))
        if answer != "held":
            log.warning("chunk_taken_over", job_id=name.job_id, chunk=name.number, in_doubt=len(who))
        return int(answer == "moved")

    async def _call_turns(self, n: int) -> None:
        try:
            await asyncio.to_thread(self._line.call_turns, n)
        except Exception as error:  # of any transport; the next looks find that the lane is empty
            log.warning("publish_failed", lane="bulk", n=n, error=type(error).__name__)


def _identifiers(units: Sequence[Unit], places: Sequence[int]) -> list[str]:
    everybody = [identifier for unit in units for identifier in unit.identifiers]
    return [everybody[place] for place in places]


def _letters(job: JobInfo, units: Sequence[Unit], dead: Mapping[int, int], kept: str, s: Settings) -> Iterator[DeadRecipient]:
    """Dead letters of those who are not to be sent to again. dead: their places, and how many workers were lost while they sent to them."""
    now = datetime.now(UTC)
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    failed_calls = FailedCalls(kept)
    place = 0
    for unit in units:
        for identifier in unit.identifiers:
            if place in dead:
                poison = dead[place] >= s.poison_after
                detail = (
                    f"{dead[place]} workers were lost while they sent to them"
                    if poison
                    else "the worker that sent it was lost before the answer came"
                )
                lost_call = {"at": at, "outcome": "unknown", "code": "WORKER_LOST", "error": detail}
                yield job.dead_letter(
                    unit,
                    identifier,
                    reason=Reason.POISON if poison else Reason.UNKNOWN,
                    detail=detail,
                    code="WORKER_LOST",
                    payload=job.template.body(unit.to, [identifier], locale=unit.locale, placeholders=unit.placeholders, now=now),
                    attempts=[*failed_calls.of_place(place), lost_call],
                )
            place += 1


def _in_parts(letters: Iterable[DeadRecipient]) -> Iterator[list[DeadRecipient]]:
    """Letters as one script may file them: a script holds up everybody who asks Redis."""
    some: list[DeadRecipient] = []
    size = 0
    for letter in letters:
        some.append(letter)
        size += len(letter.body) + len(letter.payload)
        if len(some) >= _LETTERS or size >= _LETTER_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _ask(*commands: tuple[Any, ...]) -> Steps[list[Any]]:
    return (yield Ask(list(commands)))  # type: ignore[no-any-return]
