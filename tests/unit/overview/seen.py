"""What was seen, made up: all is well unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.rig import some_settings
from wooshq.events.webhook import Webhook, webhook_of
from wooshq.gates.waiting import Backlog, Waiting, Why
from wooshq.jobs.show import Job
from wooshq.ledger.gates import Gate
from wooshq.ledger.keys import LANES
from wooshq.ledger.replies import moment
from wooshq.letters.replays.show import Replay
from wooshq.overview.facts import Facts, Pulse, Receivers, RedisState
from wooshq.overview.finding import Finding
from wooshq.overview.lanes import lane_now
from wooshq.overview.rates import MINUTE_MS, Ends, read_rates
from wooshq.overview.show import findings_of
from wooshq.overview.workers import Worker, WorkerState
from wooshq.overview.wrong.seen import Seen

NOW_MS = 1_000_000 * MINUTE_MS
APPLICATION = "AAAAA-BBBBB"


def a_worker(state: WorkerState = WorkerState.FINE, **changes: Any) -> Worker:
    """It has 10 slots, of which none is in use."""
    known: dict[str, Any] = {
        "id": "w1",
        "host": "web-1",
        "pid": 4711,
        "version": "1.0",
        "state": state,
        "why": "" if state == WorkerState.FINE else "it is not well",
        "started_at": moment(NOW_MS - 60_000),
        "seen_at": moment(NOW_MS - 1000),
        "last_take_at": None,
        "lanes": LANES,
        "in_flight": 0,
        "slots": 10,
        "a_minute": 0,
        "unsettled": 0,
        "memory_bytes": None,
        "is_keeper": True,
        "seen_ms": NOW_MS - 1000,
        "busy": dict.fromkeys(LANES, (0, 10)),
    }
    return Worker(**{**known, **changes})


def a_job(state: str, **changes: Any) -> Job:
    known: dict[str, Any] = dict.fromkeys(("total", "sent", "dead", "retrying", "unknown", "unknown_identifiers", "expired", "calls"), 0)
    return Job(**{"id": "01a21ff7-5bc0", "state": state, "rate": 0.0, "accepted_at": None, "ended_at": None, **known, **changes})


def a_replay(state: str, **changes: Any) -> Replay:
    """Of 20 letters, of which 12 wait."""
    numbers = {**dict.fromkeys(("sending", "dead", "expired", "cancelled", "left_out", "calls"), 0), "total": 20, "waiting": 12, "sent": 8}
    said: dict[str, Any] = {
        "selection": "",
        "why": "INC-7",
        "by": "ana",
        "note": "",
        "recipe": None,
        "rate": None,
        "first": 0,
        "stop_at": 0.1,
    }
    times: dict[str, Any] = dict.fromkeys(("planned_at", "started_at", "ended_at"))
    return Replay(**{"id": "01b21ff7-5bc0-7000", "state": state, **numbers, **said, **times, **changes})


def a_gate(name: str = "circuit", application: str = APPLICATION, *, since_s: float = 60, **changes: Any) -> Gate:
    since_ms = int(NOW_MS - since_s * 1000)
    return Gate(
        **{
            "gate": name,
            "application": application,
            "state": "shut",
            "why": "20 failures in a row",
            "since": moment(since_ms),
            "until": None,
            "since_ms": since_ms,
            **changes,
        }
    )


def a_webhook(name: str = "webhook/shop", *, waits: int = 0, oldest_s: float = 0.0, **row: Any) -> Webhook:
    """row: over that of one that is well, as the ledger keeps it."""
    kept = {"state": "active", "url": "https://shop.example/hook", **{name: str(value) for name, value in row.items()}}
    return webhook_of(name, kept, waits, int(NOW_MS - oldest_s * 1000) if waits else None, NOW_MS)


def before(seconds: float) -> int:
    """That long ago, as the ledger keeps it."""
    return int(NOW_MS - seconds * 1000)


def waiting(why: Why, n: int, *, lane: str = "transactional", application: str = APPLICATION, for_s: float = 1.0) -> Waiting:
    return Waiting(lane, application, why, n, int(NOW_MS - for_s * 1000))


def ended(*minutes_ago: tuple[int, Ends], lane: str = "transactional") -> dict[str, str]:
    """As the ledger keeps it."""
    return {f"{lane} {NOW_MS // MINUTE_MS - ago}": f"{NOW_MS // MINUTE_MS - ago} {ends.as_text()}" for ago, ends in minutes_ago}


def seen(
    *,
    workers: Sequence[Worker] | None = None,
    waits: Sequence[Waiting] = (),
    gates: Sequence[Gate] = (),
    jobs: Sequence[Job] = (),
    minutes: Mapping[str, str] | None = None,
    redis: RedisState | None = None,
    outboxes: Sequence[Mapping[str, Any]] = (),
    limits: Mapping[str, str] | None = None,
    learned: Mapping[str, float] | None = None,
    webhooks: Sequence[Webhook] = (),
    lag_s: float = 0.0,
    replays: Sequence[Replay] = (),
    **facts: Any,
) -> Seen:
    """facts: over those of a ledger that is well."""
    known: dict[str, Any] = {"keeper_age_s": 0.1, "counts": {}, "letters": 0, **facts}
    settings = some_settings()
    backlog = Backlog(NOW_MS, waits, 0, 0, 0)
    there = [a_worker()] if workers is None else workers
    rates = read_rates(minutes or {}, {}, NOW_MS)
    lanes = [lane_now(lane, backlog, (), rates[lane], there, settings) for lane in LANES]
    pulse = Pulse(there, rates, outboxes, limits or {})
    well = RedisState(10**6, 0, "noeviction", True)
    receivers = Receivers(webhooks, lag_s)
    return Seen(Facts(backlog, (), gates, **known), pulse, redis or well, jobs, lanes, settings, learned or {}, receivers, replays)


def found(**what: Any) -> list[tuple[str, str]]:
    """Kind and severity of each finding."""
    return [(finding.kind, finding.severity) for finding in findings_of(seen(**what))]


def the(**what: Any) -> Finding:
    """The only finding."""
    (only,) = findings_of(seen(**what))
    return replace(only)
