"""Chunks of lost workers: recipients that were being sent to are in doubt, and the chunk goes back into its queue."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.jobs.units import Unit, unpack
from wooshq.ledger import lost_workers
from wooshq.ledger.chunks import ChunkName
from wooshq.ledger.replies import as_row, ms, text
from wooshq.ledger.states import Mark
from wooshq_schemas import IntentInvalid, NewerModel
from wooshq_worker.jobs.failed_calls import FailedCalls
from wooshq_worker.jobs.job import JobInfo
from wooshq_worker.keeper.chunk_letters import in_parts, letters_of
from wooshq_worker.keeper.duty import DutyContext
from wooshq_worker.observe.few import few

log = structlog.get_logger("wooshq.bulk")

_PAGE: Final = 50
_UNREADABLE_S: Final = 60.0
"""A chunk that cannot be read is tried again after this time; a newer worker may be able to read it."""
_CAUSE: Final = "worker lost while sending"


@dataclass(frozen=True, slots=True)
class LostChunk:
    """
    A chunk whose lease has ended, as it was read. lease: the claim token of its worker. losses: lost workers by place, this one included.

    sending: places of the recipients that were being sent to. job: the job's row. now_ms: the ledger's clock.
    """

    name: ChunkName
    lease: str
    marks: str
    units: Sequence[Unit]
    losses: Mapping[int, int]
    log: str
    job: Mapping[str, str]
    now_ms: int

    @property
    def sending(self) -> list[int]:
        return [place for place, mark in enumerate(self.marks) if mark == Mark.SENDING]

    def identifiers(self, places: Sequence[int]) -> list[str]:
        identifiers = [identifier for unit in self.units for identifier in unit.identifiers]
        return [identifiers[place] for place in places]


async def take_over_chunks(context: DutyContext) -> None:
    """Take over the chunks whose lease has ended."""
    moved = 0
    for member in await context.client.do(context.intents.come_due("chunk_leases", _PAGE)):
        try:
            chunk = await _read(context, ChunkName.of(member))
            moved += chunk is not None and await _take_over(context, chunk)
        except LedgerUnavailable:
            raise
        except Exception:  # the other chunks must not wait for one that cannot be read
            log.error("chunk_not_taken_over", chunk=member, exc_info=True)
            await context.client.do(context.jobs.chunks.set_aside(member, _UNREADABLE_S))
    await context.broker.call_turns(moved)


async def _read(context: DutyContext, name: ChunkName) -> LostChunk | None:
    """None if the chunk was given back, or its job is forgotten: then only the entry of the lease is left, and it is removed."""
    keys = context.jobs.keys
    (lease, data, losses, failed_calls), marks, flat, time_ = await context.client.ask(
        ("HMGET", keys.chunk(name.job_id, name.number), "lease", "data", "losses", "log"),
        ("GET", keys.marks(name.job_id, name.number)),
        ("HGETALL", keys.job(name.job_id)),
        ("TIME",),
    )
    job = as_row(flat)
    if lease is None or data is None or not job:
        await context.client.ask(("ZREM", keys.fixed("chunk_leases"), str(name)))
        return None
    return LostChunk(
        name=name,
        lease=text(lease),
        marks=text(marks),
        units=unpack(data),
        losses=lost_workers.after(lost_workers.read(text(losses) if losses else ""), text(marks)),
        log=text(failed_calls) if failed_calls else "",
        job=job,
        now_ms=ms(time_),
    )


async def _take_over(context: DutyContext, chunk: LostChunk) -> bool:
    """Whether the chunk is in its queue again."""
    resend = chunk.job.get("on_unknown") != "dead_letter"
    sending = chunk.sending
    dead = {place: chunk.losses[place] for place in sending if not resend or chunk.losses[place] >= context.settings.poison_after}
    token = chunk.lease
    if dead:
        filed = await _file_letters(context, chunk, dead)
        if filed is None:
            return False
        token = filed
    in_doubt = chunk.identifiers(sending)
    outcome = await context.client.do(
        context.jobs.chunks.take_over(
            chunk.name,
            token,
            chunk.marks,
            cause=_CAUSE,
            in_doubt=in_doubt,
            losses={place: times for place, times in chunk.losses.items() if place not in dead},
            dead=list(dead),
        )
    )
    if outcome != "held":
        few(log.warning, "chunk_taken_over", {"job_id": chunk.name.job_id}, chunk=chunk.name.number, in_doubt=len(in_doubt))
    return outcome == "moved"


async def _file_letters(context: DutyContext, chunk: LostChunk, dead: Mapping[int, int]) -> str | None:
    """
    File the letters of recipients that are not sent to again. dead: place → lost workers.

    The keeper's claim token of the chunk; None if the chunk is not the keeper's, or if a newer wooshq made its job.
    """
    chunks, token = context.jobs.chunks, uuid.uuid4().hex
    if not await context.client.do(chunks.revoke(chunk.name, chunk.lease, chunk.marks, token)):
        return None
    try:
        job = JobInfo.from_row(chunk.name.job_id, chunk.job, context.settings, now_ms=chunk.now_ms, asked_at=time.monotonic())
        letters = letters_of(job, chunk.units, dead, FailedCalls(chunk.log), poison_after=context.settings.poison_after)
        for part in in_parts(letters):
            if not await context.client.do(chunks.file_letters(chunk.name, token, part)):
                return None
    except (NewerModel, IntentInvalid):
        return None
    return token
