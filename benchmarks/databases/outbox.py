"""The outbox: how many rows a second one relay moves, and how long a message takes from the commit to the ledger and to the API."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from benchmarks.bench import Bench, wait
from benchmarks.measure import percentile
from benchmarks.report import Figures
from benchmarks.workload import an_intent
from tests.databases import KINDS, a_database, make_table, why_missing
from wooshq import Wooshq
from wooshq.outbox import enqueue_in
from wooshq.outbox.relay import Relay
from wooshq.outbox.sessions import SqlAlchemyDatabase


def run(out: Figures, *, quick: bool) -> None:
    many, few = (5000, 60) if quick else (30_000, 300)
    with Bench() as bench:
        for kind in KINDS:
            if kind != "sqlite" and (why := why_missing(kind)):
                out.add(f"{kind}", "not measured", note=why)
                continue
            with tempfile.TemporaryDirectory() as folder, a_database(kind, Path(folder)) as url:
                make_table(url)
                _rate(out, bench, kind, url, many)
                _latency(out, bench, kind, url, few)


def _rate(out: Figures, bench: Bench, kind: str, url: str, n: int) -> None:
    engine = create_engine(url)
    with Session(engine) as session, session.begin():
        for i in range(n):
            enqueue_in(session, an_intent(f"{kind}-{i}", i), wooshq=bench.wooshq)
    database = SqlAlchemyDatabase(url)
    relay = Relay(bench.wooshq, database)
    used, started = time.process_time(), time.perf_counter()
    moved = sum(one.accepted for one in relay.moves())
    took, cpu_ms = time.perf_counter() - started, (time.process_time() - used) / n * 1000
    assert moved == n
    goal = "5,000" if kind == "postgresql" else ""
    out.add(f"{kind}: rows that one relay moves a second", n / took, goal=goal, note=f"{n:,} rows; {cpu_ms:.3f} ms of CPU per row")
    database.close()
    engine.dispose()


def _latency(out: Figures, bench: Bench, kind: str, url: str, n: int) -> None:
    """One transaction every 30 ms, with a relay and a worker that have nothing else to do."""
    engine = create_engine(url)
    seen_at: dict[str, float] = {}
    committed_at: dict[str, float] = {}
    with bench.worker(), _relay(bench.wooshq, url, seen_at):
        wait(lambda: bench.wooshq.counts().get("now_queued_transactional", 0) == 0)
        bench.reset()
        for i in range(n):
            with Session(engine) as session:
                intent_id = enqueue_in(session, an_intent(f"timed-{i}", i), wooshq=bench.wooshq)
                session.commit()
            committed_at[intent_id] = committed_at[f"timed-{i}"] = time.time()
            time.sleep(0.03)
        wait(lambda: len(bench.arrived()["arrivals"]) >= n, every_s=0.2)
        to_api = [(at - committed_at[user]) * 1000 for user, at in bench.arrived()["arrivals"]]
    to_ledger = [(seen_at[i] - committed_at[i]) * 1000 for i in seen_at if i in committed_at]
    engine.dispose()
    for where, found, goal in (("the ledger", to_ledger, "50"), ("the API", to_api, "")):
        out.add(f"{kind}: from the commit to {where}, p50, ms", statistics.median(found), goal=goal)
        out.add(f"{kind}: from the commit to {where}, p99, ms", percentile(found, 0.99), note=f"{n} transactions, one every 30 ms")


@contextlib.contextmanager
def _relay(wooshq: Wooshq, url: str, seen_at: dict[str, float]) -> Iterator[None]:
    """A relay in a thread. seen_at: is told when each intent was in the ledger."""
    database = SqlAlchemyDatabase(url)
    relay = _Watched(wooshq, database)
    relay.seen_at = seen_at
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield
    finally:
        relay.stop()
        thread.join()
        database.close()


class _Watched(Relay):
    """A relay that notes when an intent was accepted."""

    seen_at: dict[str, float]

    def _accept(self, rows):  # type: ignore[no-untyped-def]
        outcomes = super()._accept(rows)
        self.seen_at.update(dict.fromkeys((row.id for row in rows), time.time()))
        return outcomes
