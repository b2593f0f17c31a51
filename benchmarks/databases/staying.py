"""
What stays in Redis of jobs that have ended, with a history: bytes for each recipient, in all and by kind of key.

A fan-out in calls of 1,000, a personalised one, and one of which the API refuses some recipients. Then the keys of single messages.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import Bench, wait
from benchmarks.measure import children_of
from benchmarks.report import Figures
from benchmarks.workload import PERSONAL, SHARED, an_intent
from tests.databases import a_database
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import text
from wooshq.ledger.steps import Ask, Steps

_KEYS: Final = Keys("wq")
_REFUSED_EVERY: Final = 100
_BATCH: Final = 500


def run(out: Figures, *, quick: bool) -> None:
    n = 10_000 if quick else 100_000
    names = [{"user": f"user-{i}"} for i in range(n)]
    _job(out, f"{n:,} in calls of 1,000", SHARED, lambda: iter(names), n)
    _job(out, f"{n:,} personalised", PERSONAL, lambda: ({**one, "name": f"N{i}"} for i, one in enumerate(names)), n)
    _job(out, f"{n:,} in calls of 1,000, 1 % refused", SHARED, lambda: iter(names), n, refused=n // _REFUSED_EVERY)
    _idempotency_keys(out, n)


def _job(
    out: Figures, what: str, template: Mapping[str, Any], recipients: Callable[[], Iterator[Mapping[str, str]]], n: int, *, refused: int = 0
) -> None:
    """refused: so many recipients become dead letters, which are open afterwards."""
    with (
        tempfile.TemporaryDirectory() as folder,
        a_database("sqlite", Path(folder)) as url,
        Bench(history_url=url) as bench,
        bench.worker() as worker,
    ):
        bench.refuse([f"user-{_REFUSED_EVERY * i}" for i in range(refused)])
        wait(lambda: bool(children_of(worker.pid)), 60)
        before = _used(bench)
        job = bench.wooshq.fan_out(template, recipients())
        wait(lambda: job.show().is_final, every_s=0.5)
        wait(lambda: not _asked(bench, "XLEN", _KEYS.fixed("events")), every_s=0.1)
        shown = job.show()
        if (shown.sent, shown.dead) != (n - refused, refused):
            raise SystemExit(f"{what}: {json.dumps(dict(shown))}")
        stays = _used(bench) - before
        by_kind = _by_kind(bench)
    parts = ", ".join(
        f"{kind} {size / n:.2f} ({keys:,} keys)" for kind, (size, keys) in sorted(by_kind.items(), key=lambda one: -one[1][0])[:6]
    )
    out.add(
        f"{what}: bytes that stay in Redis for each recipient", stays / n, goal="" if refused else "10", note=f"by MEMORY USAGE: {parts}"
    )


def _by_kind(bench: Bench) -> dict[str, tuple[int, int]]:
    """Kind of key → bytes by MEMORY USAGE, and how many keys there are. A key's kind has no ids in it."""
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    cursor = "0"
    while True:
        cursor, keys = (text(part) if n == 0 else part for n, part in enumerate(_asked(bench, "SCAN", cursor, "COUNT", "1000")))
        names = [text(key) for key in keys]
        sizes = bench.wooshq.do(_ask_all([("MEMORY", "USAGE", name, "SAMPLES", "0") for name in names])) if names else ()
        for name, size in zip(names, sizes, strict=True):
            kind, _, rest = name.removeprefix(_KEYS.prefix).partition(":")
            part = rest.rpartition(":")[2] if kind in ("job", "cause") and ":" in rest else ""
            of = f"{kind}:{part}" if part else kind
            found[of] = (found[of][0] + int(size or 0), found[of][1] + 1)
        if cursor == "0":
            return dict(found)


def _idempotency_keys(out: Figures, n: int) -> None:
    """What one key takes while its intent is in Redis, and so also afterwards."""
    with Bench(history_url="off") as bench:
        used = []
        for given in (False, True):
            before = _used(bench)
            made = ({**an_intent(f"user-{i}", i), **({"idempotency_key": f"order-{i}"} if given else {})} for i in range(n))
            while batch := list(itertools.islice(made, _BATCH)):
                bench.wooshq.enqueue_many(batch)
            used.append(_used(bench) - before)
        size, keys = _by_kind(bench)["idem"]
    out.add(f"{n:,} idempotency keys: bytes each", (used[1] - used[0]) / n, note=f"used_memory; by MEMORY USAGE {size / keys:.0f}")


def _used(bench: Bench) -> int:
    info: Any = bench.redis.info("memory")
    return int(info["used_memory"])


def _asked(bench: Bench, *command: str) -> Any:
    return bench.wooshq.do(_ask_all([command]))[0]


def _ask_all(commands: list[tuple[str, ...]]) -> Steps[Any]:
    return (yield Ask(commands))
