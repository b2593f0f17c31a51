"""
What has ended goes to the history: what that costs the sender, and how soon Redis holds again what it held before.

A worker sends the same intents without and with a history, in turns. The ratio counts the CPU of the process that sends. The process that writes
the history, and Redis, are rows of their own. Then a million intents that have ended, all at once, as after a day without the database: no
record is written before all have ended. They are made by the ledger's scripts, without the API: to the history, this makes no difference.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import Bench, process, wait
from benchmarks.measure import children_of, cpu_s
from benchmarks.report import Figures
from benchmarks.workload import an_intent, intents
from tests.databases import a_database, why_missing
from wooshq.history.store import open_history
from wooshq.intents.entry import new_id
from wooshq.ledger.intents import Settlement
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import moment
from wooshq.ledger.states import Event
from wooshq.ledger.steps import Ask, Steps
from wooshq_worker.keeper.history.ledger import EventLedger

_WARM: Final = 3000
_BATCH: Final = 500
_EVENTS: Final = Keys("wq").fixed("events")
_TELLING: Final = Keys("wq").fixed("telling")


def run(out: Figures, *, quick: bool) -> None:
    many, rounds, million = (10_000, 2, 100_000) if quick else (30_000, 5, 1_000_000)
    for kind in ("sqlite", "postgresql"):
        if kind != "sqlite" and (why := why_missing(kind)):
            out.add(kind, "not measured", note=why)
            continue
        _compare(out, kind, many, rounds)
        for keys in (False, True):
            _drain(out, kind, million if not keys else million // 5, keys=keys)


# Sending with a history and without


@dataclass(frozen=True, slots=True)
class _Sent:
    """Microseconds of CPU for an intent, of the process that sends, of the one that writes the history, and of Redis; and intents a second."""

    sender: float
    writer: float
    redis: float
    per_s: float


def _compare(out: Figures, kind: str, many: int, rounds: int) -> None:
    off, on = [], []
    for _ in range(rounds):
        off.append(_sent(many, "off"))
        with tempfile.TemporaryDirectory() as folder, a_database(kind, Path(folder)) as url:
            on.append(_sent(many, url))
    ratios = [without.sender / with_.sender for without, with_ in zip(off, on, strict=True)]
    note = f"{min(ratios):.2f}–{max(ratios):.2f}, {rounds} rounds of {many:,} intents"
    out.add(f"{kind}: sending with a history / without, by the sender's CPU", statistics.median(ratios), goal="0.95", note=note)
    for what, name in (("the process that sends", "sender"), ("Redis", "redis"), ("the process that writes the history", "writer")):
        without, with_ = (statistics.median(getattr(one, name) for one in side) for side in (off, on))
        out.add(f"{kind}: CPU of {what} for an intent, µs", with_, note=f"without a history: {without:.1f}" if name != "writer" else "")
    per_s = [statistics.median(one.per_s for one in side) for side in (on, off)]
    out.add(f"{kind}: intents sent a second, all on the cores of this machine", per_s[0], note=f"without a history: {per_s[1]:,.0f}")


def _sent(many: int, url: str) -> _Sent:
    with Bench(history_url=url) as bench, bench.worker() as worker:
        sent = lambda: bench.wooshq.counts().get("sent", 0)  # noqa: E731
        if url != "off":
            wait(lambda: bool(children_of(worker.pid)), 60)
        before = sent()
        bench.wooshq.enqueue_many(intents("w", _WARM))
        wait(lambda: sent() - before >= _WARM and _events(bench) == 0, 60, every_s=0.1)
        writers = children_of(worker.pid)
        used = [cpu_s(worker.pid, children=False), sum(map(cpu_s, writers)), _redis_cpu_s(bench)]
        began = time.perf_counter()
        bench.wooshq.enqueue_many(intents("m", many))
        wait(lambda: sent() - before >= _WARM + many, every_s=0.1)
        took_s = time.perf_counter() - began
        sender_s = cpu_s(worker.pid, children=False) - used[0]
        wait(lambda: _events(bench) == 0, every_s=0.1)
        writer_s, redis_s = sum(map(cpu_s, writers)) - used[1], _redis_cpu_s(bench) - used[2]
        return _Sent(sender_s / many * 1e6, writer_s / many * 1e6, redis_s / many * 1e6, many / took_s)


def _events(bench: Bench) -> int:
    return int(_asked(bench, "XLEN", _EVENTS))


def _asked(bench: Bench, *command: str) -> Any:
    """Of the ledger's database; `bench.redis` is the broker's."""
    return bench.wooshq.do(_ask(command))


def _ask(command: tuple[str, ...]) -> Steps[Any]:
    return (yield Ask([command]))[0]


def _redis_cpu_s(bench: Bench) -> float:
    info: Any = bench.redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


# All at once


def _drain(out: Figures, kind: str, n: int, *, keys: bool) -> None:
    of = f"{kind}, {n:,} at once{', each with an idempotency key' if keys else ''}"
    with (
        tempfile.TemporaryDirectory() as folder,
        a_database(kind, Path(folder)) as url,
        Bench(history_url=url, history_bodies=False) as bench,
    ):
        before = _memory(bench)
        _end(bench, n, keys=keys)
        most = _memory(bench)
        began = time.perf_counter()
        with process("-m", "wooshq_worker", "worker", env=bench.env, log=bench.folder / "worker.log") as worker:
            wait(lambda: bool(children_of(worker.pid)), 60)
            wait(lambda: _events(bench) == 0 and not _asked(bench, "HEXISTS", _TELLING, "untold"), every_s=0.1)
            took_s, cpu = time.perf_counter() - began, sum(map(cpu_s, children_of(worker.pid)))
        after = _memory(bench)
        history = open_history(bench.wooshq.settings)
        assert history is not None
        size = history.size()
        history.close()
        if size.records != n:
            raise SystemExit(f"the history has {size.records:,} of {n:,}")
    out.add(f"{of}: Redis when all have ended, MB", most / 1e6, note=f"before {before / 1e6:,.1f} MB; in the end {after / 1e6:,.1f} MB")
    note = f"from the start of the worker on; {n / took_s:,.0f} a second, {cpu / n * 1e6:.0f} µs of CPU each"
    out.add(f"{of}: seconds until the history has them", took_s, goal="" if keys else "60", note=note)
    out.add(f"{of}: bytes that stay in Redis for each", (after - before) / n, note="its id and its key" if keys else "its id")
    out.add(f"{of}: bytes a record in the history", size.bytes / n, goal="400")


def _memory(bench: Bench) -> int:
    info: Any = bench.redis.info("memory")
    return int(info["used_memory"])


def _end(bench: Bench, n: int, *, keys: bool) -> None:
    """Intents that are accepted and sent, as the ledger has them afterwards."""
    wooshq, ledger = bench.wooshq, bench.wooshq.ledger
    wooshq.do(EventLedger(wooshq.settings).listen(wooshq.settings.events_max_bytes))
    wooshq.do(EventLedger(wooshq.settings).sweep("bench", "begin"))
    wooshq.do(EventLedger(wooshq.settings).sweep("bench", "end", 1))  # nothing has ended before
    given = (an_intent(f"user-{i}", i) | ({"idempotency_key": f"order-{i}"} if keys else {}) for i in range(n))
    while batch := list(itertools.islice(given, _BATCH)):
        wooshq.enqueue_many(batch)
        claims = wooshq.do(ledger.take("transactional", _BATCH, token=new_id(), taker="bench")).claims
        while claims:
            attempt = {"at": moment(time.time() * 1000), "outcome": "sent", "http_status": 200, "code": "OK", "latency_ms": 52}
            wooshq.do(
                ledger.settle(
                    [Settlement(one, Event.ACCEPTED, [attempt], message_code=f"{i:08X}-0A1B2C3D-4E5F6071") for i, one in enumerate(claims)]
                )
            )
            claims = wooshq.do(ledger.take("transactional", _BATCH, token=new_id(), taker="bench")).claims
