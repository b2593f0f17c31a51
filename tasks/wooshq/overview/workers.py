"""The workers, as each one says of itself: its card, and what that means."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from wooshq.ledger.replies import Result, moment
from wooshq.overview.words import duration

SILENT_S: Final = 10.0
"""A worker that has told nothing for so long is lost: it tells how it is every two seconds."""
LOST_FOR_S: Final = 900.0
"""For so long a worker that is lost is news; then it is left out."""
_DEAF_S: Final = 10.0
_STUCK_S: Final = 5.0


class WorkerState(StrEnum):
    """How a worker is: a closed vocabulary."""

    FINE = "fine"  #: it consumes, and can send
    STARTING = "starting"
    STOPPING = "stopping"  #: it was told to end, and ends what is in progress
    NOT_READY = "not_ready"  #: it runs, and cannot send; it says why
    DEAF = "deaf"  #: it runs, and takes nothing although its lanes have work, or its event loop does not run
    LOST = "lost"  #: it gave no sign of life, and did not say that it ends


@dataclass(frozen=True, slots=True)
class Card:
    """
    What a worker says of itself. Ages are seconds before it said so. slots: lane → calls in progress, and calls that it may make at once.

    loop_s: age of the last turn of its event loop. deaf_s: for how long its lanes have had work of which it received nothing. unsettled: ends that
    the ledger does not know yet. why: what keeps it from being ready. memory: bytes; None if the machine does not say.
    """

    host: str
    pid: int
    version: str
    phase: str
    age_s: float
    taken_s: float | None
    slots: Mapping[str, Sequence[int]]
    lanes: Sequence[str]
    a_minute: int
    unsettled: int
    memory: int | None
    is_keeper: bool
    loop_s: float
    deaf_s: float
    why: Sequence[str] = ()
    spool: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Worker(Result):
    """
    A worker. state: see `WorkerState`. why: in words, if it is not fine. in_flight: calls in progress; slots: that it may make at once. a_minute: messages
    that it sent in the last minute. last_take_at: when it last took something; None if it never did. memory_bytes: None if unknown.
    """

    id: str
    host: str
    pid: int
    version: str
    state: str
    why: str
    started_at: str | None
    seen_at: str | None
    last_take_at: str | None
    lanes: tuple[str, ...]
    in_flight: int
    slots: int
    a_minute: int
    unsettled: int
    memory_bytes: int | None
    is_keeper: bool
    seen_ms: int = field(default=0, metadata={"shown": False})
    taken_ms: int | None = field(default=None, metadata={"shown": False})
    busy: Mapping[str, Sequence[int]] = field(default_factory=dict, metadata={"shown": False})
    spool: Mapping[str, Any] | None = field(default=None, metadata={"shown": False})
    deaf_s: float = field(default=0.0, metadata={"shown": False})

    @property
    def is_alive(self) -> bool:
        """Whether it may take work."""
        return self.state not in (WorkerState.LOST, WorkerState.STOPPING)

    @property
    def name(self) -> str:
        """For a sentence."""
        return f"{self.pid} on {self.host}"


def mark_of(host: str, pid: int) -> str:
    """
    Eight characters for a worker process. The token of everything that it takes begins with them, so that the ledger says at no cost who holds
    a message.
    """
    return hashlib.blake2b(f"{host} {pid}".encode("utf-8", "replace"), digest_size=4).hexdigest()


def read_workers(cards: Iterable[tuple[str, int, str]], now_ms: int) -> list[Worker]:
    """cards: id, when it told last (ms), and what. The oldest worker first. Cards that cannot be read are left out: a newer version wrote them."""
    found = []
    for worker_id, seen_ms, raw in cards:
        card = _card(raw)
        if card is not None and (now_ms - seen_ms) / 1000 < LOST_FOR_S:
            found.append(_worker(worker_id, card, seen_ms, max(0.0, (now_ms - seen_ms) / 1000)))
    return sorted(found, key=lambda worker: (worker.state == WorkerState.LOST, worker.started_at or "", worker.id))


def _card(raw: str) -> Card | None:
    try:
        said = json.loads(raw)
        return Card(**{name: said[name] for name in Card.__dataclass_fields__ if name in said})
    except (ValueError, TypeError):
        return None


def _worker(worker_id: str, card: Card, seen_ms: int, silent_s: float) -> Worker:
    state, why = _state(card, silent_s)
    taken_ms = None if card.taken_s is None else int(seen_ms - card.taken_s * 1000)
    return Worker(
        id=worker_id,
        host=card.host,
        pid=card.pid,
        version=card.version,
        state=state,
        why=why,
        started_at=moment(seen_ms - card.age_s * 1000),
        seen_at=moment(seen_ms),
        last_take_at=moment(taken_ms),
        lanes=tuple(card.lanes),
        in_flight=sum(busy for busy, _ in card.slots.values()),
        slots=max((most for _, most in card.slots.values()), default=0),
        a_minute=card.a_minute,
        unsettled=card.unsettled,
        memory_bytes=card.memory,
        is_keeper=card.is_keeper and state is not WorkerState.LOST,
        seen_ms=seen_ms,
        taken_ms=taken_ms,
        busy=card.slots,
        spool=card.spool,
        deaf_s=card.deaf_s,
    )


def _state(card: Card, silent_s: float) -> tuple[WorkerState, str]:
    if silent_s >= SILENT_S:
        return WorkerState.LOST, f"it gave its last sign of life {duration(silent_s)} ago"
    if card.phase in (WorkerState.STARTING, WorkerState.STOPPING):
        return WorkerState(card.phase), f"it is {card.phase}"
    if card.loop_s >= _STUCK_S:
        return WorkerState.DEAF, f"its event loop has not run for {duration(card.loop_s)}"
    if card.deaf_s >= _DEAF_S:
        return WorkerState.DEAF, f"it has received nothing for {duration(card.deaf_s)}, although its lanes have work"
    return (WorkerState.NOT_READY, "; ".join(card.why)) if card.why else (WorkerState.FINE, "")
