"""The history: bytes a record, CPU to write one, and how long a search takes, in SQLite and PostgreSQL."""

from __future__ import annotations

import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.report import Figures
from tests.databases import a_database, why_missing
from wooshq.history.record import intent_record
from wooshq.history.store import History, open_history
from wooshq.ledger.replies import as_kept, moment
from wooshq.search.parse import parse
from wooshq.settings import Settings

_BATCH = 500
_START_MS = 1_777_000_000_000
_STEP_MS = 86


def run(out: Figures, *, quick: bool) -> None:
    n, with_bodies = (50_000, 20_000) if quick else (1_000_000, 200_000)
    for kind in ("sqlite", "postgresql"):
        if kind != "sqlite" and (why := why_missing(kind)):
            out.add(f"{kind}", "not measured", note=why)
            continue
        for bodies, count in ((False, n), (True, with_bodies)):
            with tempfile.TemporaryDirectory() as folder, a_database(kind, Path(folder)) as url:
                history = open_history(Settings(history_url=url, history_bodies=bodies))
                assert history is not None
                _measure(out, history, f"{kind}, {'with' if bodies else 'without'} bodies", count, bodies=bodies)
                history.close()


def _measure(out: Figures, history: History, of: str, n: int, *, bodies: bool) -> None:
    made_s = written_s = took_s = 0.0
    given = rows(n)
    while batch := list(itertools.islice(given, _BATCH)):
        started = time.process_time()
        records = [intent_record(intent_id, row) for intent_id, row in batch]
        made_s += time.process_time() - started
        started, at = time.process_time(), time.perf_counter()
        history.write(records)
        written_s, took_s = written_s + time.process_time() - started, took_s + time.perf_counter() - at
    size = history.size()
    note = f"{size.records:,} intents of one recipient, with a key and one attempt; indexes included"
    out.add(f"{of}: bytes a record", size.bytes / size.records, goal="" if bodies else "400", note=note)
    out.add(
        f"{of}: CPU to write a record, µs",
        written_s / n * 1e6,
        goal="" if bodies else "40",
        note=f"batches of {_BATCH}; without the database's own, if it is a server; {n / took_s:,.0f} a second",
    )
    if not bodies:
        out.add(f"{of}: CPU to make a record of a row, µs", made_s / n * 1e6)
    _searches(out, history, of, n, bodies=bodies)
    at = time.perf_counter()
    pruned = sum(iter(lambda: history.prune(_START_MS + n // 10 * _STEP_MS, 2000), 0))
    out.add(f"{of}: records that leave a second", pruned / (time.perf_counter() - at), note=f"the oldest {pruned:,}, in batches of 2,000")


def _searches(out: Figures, history: History, of: str, n: int, *, bodies: bool) -> None:
    draw = random.Random(2)
    searches: list[tuple[str, str, Callable[[], str]]] = [
        ("by recipient", "50", lambda: f"recipient:user-{draw.randrange(n // 3)}"),
        ("by a recipient who is nowhere", "50", lambda: f"recipient:nobody-{draw.randrange(n)}"),
        ("by a text of the message" if bodies else "by a text of the API", "500", lambda: f'text:"INV-{draw.randrange(10**6):06}"' if bodies else 'text:"is not valid"'),
        ("by a text that is nowhere", "500", lambda: f'text:"gone {draw.randrange(10**6)}"'),
        ("by reason and status", "", lambda: "reason:rejected status:400"),
    ]  # fmt: skip
    for what, goal, query in searches:
        took = []
        found = 0
        for _ in range(30):
            tree = parse(query(), now=datetime.now(UTC))
            at = time.perf_counter()
            found += len(history.find(tree, limit=20))
            took.append((time.perf_counter() - at) * 1000)
        out.add(
            f"{of}: search {what}, ms", statistics.median(took), goal=goal, note=f"median of 30, slowest {max(took):.1f}; {found} found"
        )


def rows(n: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Ids and rows of intents that have ended, as the ledger has them; one in a hundred was refused. Always the same."""
    draw = random.Random(1)
    for i in range(n):
        at = _START_MS + i * _STEP_MS
        ended = at + draw.randrange(30, 900)
        code = "-".join(f"{draw.getrandbits(32):08X}" for _ in range(3))
        common = {
            "lane": "transactional",
            "app": "AAAAA-BBBBB",
            "at": str(at),
            "v": "2",
            "ended": str(ended),
            "n": "1",
            "body": _body(draw, i, n),
        }
        answer = {"at": moment(ended - draw.randrange(5, 60)), "latency_ms": draw.randrange(8, 200)}
        if i % 100 == 99:
            error = "users.list[0]: is not valid"
            attempt = {"outcome": "dead", "http_status": 400, "code": "INVALID_ARGUMENT", "error": error, **answer}
            yield _id(draw, at), {"state": "dead", "reason": "rejected", "detail": error, "a:1": as_kept(attempt), **common}
        else:
            attempt = {"outcome": "sent", "http_status": 200, "code": "OK", **answer}
            yield _id(draw, at), {"state": "sent", "code": code, "a:1": as_kept(attempt), **common}


def _body(draw: random.Random, i: int, n: int) -> str:
    text = f"Order {i} with {draw.randrange(2, 99)} items is on its way, {draw.choice(('Ann', 'Bob', 'Zoë', 'Иван'))}. Invoice INV-{draw.randrange(10**6):06}"
    return json.dumps(
        {
            "to": {"users": [f"user-{draw.randrange(n // 3)}"]},
            "message": {"push": {"title": "Your order", "body": text}},
            "idempotency_key": f"shop-shipped-{i}",
            "application": "AAAAA-BBBBB",
            "lane": "transactional",
        },
        ensure_ascii=False,
    )


def _id(draw: random.Random, at_ms: int) -> str:
    """As `new_id` makes them: the time first."""
    stamp, rest = f"{at_ms:012x}", f"{draw.getrandbits(80):020x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{rest[:3]}-8{rest[4:7]}-{rest[7:19]}"
