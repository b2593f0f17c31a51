"""What waits in the lanes now, for what, and since when. Its cost has a bound, however much waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from wooshq.ledger.gates import Gate, GateName, holds, read, waits_for_slot
from wooshq.ledger.intents import read_rows
from wooshq.ledger.keys import LANES, Keys
from wooshq.ledger.replies import as_pairs, ms, text, text_or_none
from wooshq.ledger.steps import Ask, Steps

MOST_QUEUES: Final = 200
"""Applications of a lane that are looked at."""
_HEADS: Final = 3
"""Intents of a queue that are looked at. The first one may be a retry that has just come back: then a later one has waited longer."""
_FEW_QUEUES: Final = 40
"""Of more queues only the first intent is looked at: a look each second must not cost Redis more than a hundredth of its time."""


class Why(StrEnum):
    """What queued intents wait for: a closed vocabulary."""

    WORKER = "worker"  #: nothing holds it: a worker must take it
    SLOT = "slot"  #: its application makes as many calls a second as it may
    PAUSED = "paused"  #: a person paused it
    CIRCUIT = "circuit"  #: the gates, see `GateName`
    TOKEN = "token"
    APPLICATION = "application"
    NOT_BEFORE = "not_before"
    ANSWERS = "answers"
    SUSPECT = "suspect"  #: lost workers held it: it is sent apart from the others


@dataclass(frozen=True, slots=True)
class Waiting:
    """Queued intents of one application in one lane. since_ms: since when the one waits that has waited longest; None if nobody knows."""

    lane: str
    application: str
    why: Why
    n: int
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """
    All that waits. retrying: failed, and will be tried again. sending: a worker holds them. unread: applications beyond `MOST_QUEUES`.

    overdue_ms: lane → since when a retry is due that the keeper has not queued, or a lease has ended that nobody has taken over.
    """

    now_ms: int
    waiting: Sequence[Waiting]
    retrying: int
    sending: int
    unread: int
    overdue_ms: Mapping[str, int] = field(default_factory=dict)

    def oldest_due_s(self, lane: str) -> float:
        """For how long the message has waited that should have left first. What a gate, a pause or a slot holds back is not due."""
        due = [one.since_ms for one in self.waiting if one.lane == lane and one.why is Why.WORKER and one.since_ms is not None]
        oldest = min([*due, *filter(None, [self.overdue_ms.get(lane)])], default=self.now_ms)
        return max(0.0, (self.now_ms - oldest) / 1000)


def read_backlog(keys: Keys) -> Steps[Backlog]:
    """What waits now; three round trips."""
    time, gates, due, due_head, leases, lease_head, *lanes = yield Ask(
        [
            ("TIME",),
            ("HGETALL", keys.fixed("gates")),
            *_size_and_head(keys.fixed("due")),
            *_size_and_head(keys.fixed("leases")),
            *(command for lane in LANES for command in _of_a_lane(keys, lane)),
        ]
    )
    now_ms = ms(time)
    queues: list[tuple[str, str]] = []
    suspects: list[Waiting] = []
    unread = 0
    for n, lane in enumerate(LANES):
        ring, size, suspected, first = lanes[4 * n : 4 * n + 4]
        queues += [(lane, text(application)) for application in ring]
        unread += int(size) - len(ring)
        if suspected:
            suspects.append(Waiting(lane, "", Why.SUSPECT, int(suspected), None if (at := _score(first)) is None else min(at, now_ms)))
    waiting = yield from _queues(keys, queues, read(gates, now_ms), now_ms)
    overdue = yield from _overdue(keys, [due_head, lease_head], now_ms)
    return Backlog(now_ms, [*waiting, *suspects], int(due), int(leases), unread, overdue)


def _size_and_head(key: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return ("ZCARD", key), ("ZRANGE", key, 0, 0, "WITHSCORES")


def _of_a_lane(keys: Keys, lane: str) -> tuple[tuple[Any, ...], ...]:
    ring = keys.ring(lane)
    return ("ZRANGE", ring, 0, MOST_QUEUES - 1), ("ZCARD", ring), *_size_and_head(keys.suspects(lane))


def _score(head: Any) -> int | None:
    return int(float(as_pairs(head)[0][1])) if head else None


def _queues(keys: Keys, queues: Sequence[tuple[str, str]], gates: Sequence[Gate], now_ms: int) -> Steps[list[Waiting]]:
    if not queues:
        return []
    names = [keys.queue(*queue) for queue in queues]
    heads_each = _HEADS if len(queues) <= _FEW_QUEUES else 1
    answers = yield Ask(
        [
            *(("ZCARD", name) for name in names),
            *(("ZRANGE", name, 0, heads_each - 1) for name in names),
            *(("HGET", keys.pace(application), "asked") for _, application in queues),
        ]
    )
    sizes, heads, asked = (answers[part * len(queues) : (part + 1) * len(queues)] for part in range(3))
    since = yield from _since(keys, [[text(i) for i in ids] for ids in heads])
    return [
        Waiting(lane, application, _why(gates, application, lane, text_or_none(said) or "", now_ms), int(size), since_ms)
        for (lane, application), size, said, since_ms in zip(queues, sizes, asked, since, strict=True)
        if size
    ]


def _since(keys: Keys, heads: Sequence[Sequence[str]]) -> Steps[list[int | None]]:
    """Since when the one of each queue's first intents waits that has waited longest: when it was queued again, or accepted."""
    ids = [i for some in heads for i in some]
    rows = iter((yield from read_rows(keys, ids)).rows if ids else ())
    found: list[int | None] = []
    for some in heads:
        moments = [float(since) for row in (next(rows) for _ in some) if (since := row.get("queued_at") or row.get("at"))]
        found.append(int(min(moments)) if moments else None)
    return found


def _why(gates: Sequence[Gate], application: str, lane: str, asked: str, now_ms: int) -> Why:
    gate = holds(gates, application, lane)
    if gate is not None:
        return Why.PAUSED if gate.gate == GateName.HAND else Why(gate.gate)
    return Why.SLOT if waits_for_slot(asked, lane, now_ms) else Why.WORKER


def _overdue(keys: Keys, heads: Sequence[Any], now_ms: int) -> Steps[dict[str, int]]:
    """Lane → the earliest moment of the first entries of `due` and `leases`, if it has passed."""
    passed = [(text(pair[0]), at) for head in heads for pair in as_pairs(head) if (at := int(float(pair[1]))) < now_ms]
    if not passed:
        return {}
    rows = (yield from read_rows(keys, [i for i, _ in passed])).rows
    found: dict[str, int] = {}
    for row, (_, at) in zip(rows, passed, strict=True):
        if (lane := row.get("lane")) is not None:
            found[lane] = min(at, found.get(lane, at))
    return found
