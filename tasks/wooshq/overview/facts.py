"""Everything that the overview and the metrics know of the ledger, in a number of commands that does not grow with what waits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from redis.exceptions import ResponseError

from wooshq.errors import LedgerUnavailable
from wooshq.events.ledger import SubscriberLedger
from wooshq.events.webhook import Webhook, webhook_of
from wooshq.gates.waiting import Backlog, read_backlog
from wooshq.jobs.running import Running, read_running
from wooshq.ledger.gates import Gate, read
from wooshq.ledger.intents import KEEPER_S
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_pairs, as_row, ms, text, text_or_none
from wooshq.ledger.steps import Ask, Steps
from wooshq.overview.rates import Rates, read_rates
from wooshq.overview.workers import Worker, read_workers
from wooshq.settings import Settings

MOST_WORKERS: Final = 200
"""Workers that are shown: those that gave a sign of life last."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read. keeper_age_s: None without a keeper. stream: the oldest event that the history does not have; None if there is none."""

    backlog: Backlog
    jobs: Sequence[Running]
    gates: Sequence[Gate]
    counts: Mapping[str, int]
    letters: int
    keeper_age_s: float | None
    telling: Mapping[str, str] = field(default_factory=dict)
    stream_since_ms: int | None = None
    stream_length: int = 0


@dataclass(frozen=True, slots=True)
class Pulse:
    """
    What workers and relays told. outboxes: as their relays saw them last, with `at` (ms). limits: as people set them. subscribers: names of
    webhooks and hooks.
    """

    workers: Sequence[Worker]
    rates: Mapping[str, Rates]
    outboxes: Sequence[Mapping[str, Any]]
    limits: Mapping[str, str]
    subscribers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who receives events: webhooks, and hooks of apps. lag_s: age of the oldest end that was not made into an event for them."""

    webhooks: Sequence[Webhook] = ()
    lag_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RedisState:
    """How the ledger's Redis is; None for what it does not show. used, most: bytes; most is 0 without a limit."""

    used: int | None = None
    most: int | None = None
    policy: str | None = None
    appends: bool | None = None
    last_write_failed: bool = False


def read_facts(keys: Keys) -> Steps[Facts]:
    """Six round trips. Their cost has a bound, because at most 200 applications of each lane are looked at: see docs/operations.md."""
    backlog = yield from read_backlog(keys)
    jobs = yield from read_running(keys)
    time, gates, counts, letters, keeper_ms, telling, first, length = yield Ask(
        [
            ("TIME",),
            ("HGETALL", keys.fixed("gates")),
            ("HGETALL", keys.fixed("counts")),
            ("ZCARD", keys.fixed("letters")),
            ("PTTL", keys.fixed("keeper")),
            ("HGETALL", keys.fixed("telling")),
            ("XRANGE", keys.fixed("events"), "-", "+", "COUNT", 1),
            ("XLEN", keys.fixed("events")),
        ]
    )
    return Facts(
        backlog,
        jobs,
        read(as_row(gates), ms(time)),
        {name: int(n) for name, n in as_row(counts).items()},
        int(letters),
        max(0.0, KEEPER_S - int(keeper_ms) / 1000) if int(keeper_ms) >= 0 else None,
        as_row(telling),
        _first_ms(first),
        int(length),
    )


def _first_ms(first: Any) -> int | None:
    return int(text(first[0][0]).partition("-")[0]) if first else None


def read_pulse(keys: Keys, now_ms: int) -> Steps[Pulse]:
    """Two round trips, and some 60 bytes for each minute of a lane."""
    minutes, tens, seen, limits, subscribers, beats = yield Ask(
        [
            ("HGETALL", keys.fixed("minutes")),
            ("HGETALL", keys.fixed("tens")),
            ("HGETALL", keys.fixed("seen")),
            ("HGETALL", keys.fixed("limits")),
            ("ZRANGE", keys.fixed("subscribers"), 0, -1),
            ("ZREVRANGE", keys.fixed("workers"), 0, MOST_WORKERS - 1, "WITHSCORES"),
        ]
    )
    known = [(text(worker), int(float(at))) for worker, at in as_pairs(beats)]
    cards = (yield Ask([("HGET", keys.worker(worker), "card") for worker, _ in known])) if known else ()
    told = [(worker, at, raw) for (worker, at), card in zip(known, cards, strict=True) if (raw := text_or_none(card))]
    outboxes = [json.loads(raw) for name, raw in sorted(as_row(seen).items()) if name.startswith("outbox ")]
    return Pulse(
        read_workers(told, now_ms), read_rates(minutes, tens, now_ms), outboxes, as_row(limits), [text(one) for one in subscribers]
    )


def read_receivers(settings: Settings, names: Sequence[str], now_ms: int) -> Steps[Receivers]:
    """Two round trips, three commands for each of at most 50 receivers; none without a receiver."""
    if not names:
        return Receivers()
    ledger = SubscriberLedger(settings)
    rows = yield from ledger.rows_of(names)
    figures = yield from ledger.figures()
    return Receivers([webhook_of(*row, now_ms) for row in rows if row[1].get("state")], figures.lag_s)


def read_redis() -> Steps[RedisState]:
    """One round trip. Managed services often do not show all of it."""
    try:
        memory, persistence = yield Ask([("INFO", "memory"), ("INFO", "persistence")])
    except (LedgerUnavailable, ResponseError):
        return RedisState()
    info = {**_info(memory), **_info(persistence)}
    return RedisState(
        used=_number(info, "used_memory"),
        most=_number(info, "maxmemory"),
        policy=str(info["maxmemory_policy"]) if "maxmemory_policy" in info else None,
        appends=None if (appends := _number(info, "aof_enabled")) is None else bool(appends),
        last_write_failed=info.get("aof_last_write_status", "ok") != "ok",
    )


def _info(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}


def _number(info: Mapping[str, Any], name: str) -> int | None:
    return int(info[name]) if name in info else None
