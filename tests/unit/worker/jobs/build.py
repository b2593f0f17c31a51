"""Chunks and calls for tests: valid unless told otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from wooshq.jobs.units import Unit, pack
from wooshq.ledger.chunks import ChunkName, TakenChunk
from wooshq_schemas import parse_template
from wooshq_worker.api.attempt import Attempt
from wooshq_worker.api.deliver import Delivery, Withheld
from wooshq_worker.api.verdict import Verdict
from wooshq_worker.jobs.call_in_progress import CallInProgress
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.job import JobInfo

APPLICATION = "AAAAA-BBBBB"
NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def a_job(**changes: Any) -> JobInfo:
    fields: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "template": parse_template({"message": {"push": {"title": "Hi"}}}, application=APPLICATION),
        "application": APPLICATION,
        "unknown_resends": 1,
        "expires_at": None,
        "max_age_s": float("inf"),
    }
    return JobInfo(**fields | changes)


def a_chunk(
    units: Sequence[Unit],
    *,
    marks: str = "",
    proved: bool = True,
    suspects: Mapping[int, int] | None = None,
    lease_s: float = float("inf"),
    doubted: str = "",
    later: str = "",
    rounds: int = 0,
    age_s: float = 0,
    taken_at: float = 0,
    **job: Any,
) -> ActiveChunk:
    """marks: '' if no recipient was called yet. doubted, later: as its row has them. taken_at: monotonic. job: fields of its job."""
    made = a_job(**job)
    size = sum(len(unit.identifiers) for unit in units)
    taken = TakenChunk(
        ChunkName(made.id, 0),
        "token",
        0,
        pack(0, units).data,
        marks or "." * size,
        "",
        rounds,
        "",
        proved,
        doubted,
        later,
        int(age_s * 1000),
    )
    return ActiveChunk(taken, made, asked_at=taken_at, lease_s=lease_s, suspects=suspects or {})


def shared(n: int) -> list[Unit]:
    """`n` recipients that share their request."""
    return [Unit("users", None, (), tuple(f"u{i}" for i in range(n)))]


def personal(n: int) -> list[Unit]:
    """`n` recipients, each with a request of their own."""
    return [Unit("users", None, (("name", f"N{i}"),), (f"u{i}",)) for i in range(n)]


def a_started_call(chunk: ActiveChunk) -> CallInProgress:
    """The next call of the chunk's plan."""
    (call,) = chunk.plan.take(1)
    return CallInProgress.start(chunk, call, "api-token", at=0)


def a_delivery(verdict: Verdict | Withheld, *, http_status: int | None = None) -> Delivery:
    """One attempt with this verdict; none if it was withheld."""
    if isinstance(verdict, Withheld):
        return Delivery(verdict, ())
    return Delivery(verdict, (Attempt(NOW, verdict.outcome, http_status, getattr(verdict, "code", None), 1.0, None),))
