"""The console with 1,000,000 messages waiting, 100,000 dead letters and 10 jobs: every registered page, and what an open overview costs Redis."""

from __future__ import annotations

import itertools
import re
import secrets
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx
import redis

from benchmarks.bench import APPLICATION, ROOT, Bench, process
from benchmarks.measure import percentile
from benchmarks.report import Figures
from benchmarks.workload import intents
from wooshq import Wooshq
from wooshq.ledger.intents import Settlement
from wooshq.ledger.keys import LANES
from wooshq.ledger.states import Event, Reason
from wooshq.overview.ledger import PulseLedger
from wooshq.overview.rates import Ends
from wooshq_worker.console.pages import PAGES

_TOKEN: Final = "bench-" + secrets.token_urlsafe(32)
_GOAL_MS: Final = 300
_APART_S: Final = 1.05
"""Between two requests of a page: what visitors share is kept for a second, and each request shall read anew."""
_TAKE: Final = 500
_JOBS: Final = 10
_BODY: Final = {"push": {"title": "Your order left", "body": "It arrives tomorrow."}}


def run(out: Figures, *, quick: bool) -> None:
    waiting, letters, each, rounds, turn_s = (50_000, 5_000, 4, 3, 5.0) if quick else (1_000_000, 100_000, 20, 6, 15.0)
    with Bench() as bench:
        ids = _filled(bench.wooshq, waiting, letters)
        settings = {
            "PYTHONPATH": ":".join(str(ROOT / layer) for layer in ("schemas", "tasks", "worker")),
            "WOOSHQ_REDIS_URL": "embedded",
            "WOOSHQ_DATA_DIR": str(bench.folder),
            "PUSHWOOSH_APPLICATION": APPLICATION,
            "WOOSHQ_CONSOLE_TOKEN": _TOKEN,
            "WOOSHQ_HISTORY_URL": "off",
            "WOOSHQ_LOG_LEVEL": "WARNING",
        }
        with (
            process("-m", "wooshq_worker", "console", "--port", "0", env=settings, log=bench.folder / "console.log") as console,
            httpx.Client(base_url=_url(console), timeout=120) as browser,
        ):
            _log_in(browser)
            out.add("messages waiting", f"{waiting:,}", note=f"{letters:,} dead letters, {_JOBS} jobs, 20 causes")
            for page in PAGES:
                _page(out, browser, page.name, page.url(**_parameters(page.name, page.path, ids)), each)
                if page.name == "life":
                    _page(out, browser, "life of a message that waits", page.url(id=ids["waits"]), each)
            _look(out, bench, 300 if quick else 1000)
            for tabs in (1, 8):
                _open_overview(out, browser, bench.redis, tabs, rounds, turn_s)


def _filled(wooshq: Wooshq, waiting: int, letters: int) -> dict[str, str]:
    """Dead letters first: their intents are taken, which is the quickest while nothing else waits. Returns the ids that pages need."""
    wooshq.enqueue_many(
        {"to": {"users": [f"dead-{n}"]}, "message": _BODY, "lane": "bulk", "tags": {"order": str(n)}} for n in range(letters)
    )
    turn = itertools.count()
    letter = ""
    while claims := wooshq.do(wooshq.ledger.take("bulk", _TAKE, token=f"bench-{next(turn)}", taker="bench")).claims:
        attempt = {"at": "2026-11-28T02:00:00.000Z", "outcome": "dead", "http_status": 400, "code": "INVALID_ARGUMENT", "latency_ms": 41.0}
        ended = [
            Settlement(claim, Event.GIVEN_UP, [attempt], reason=Reason.REJECTED, code="INVALID_ARGUMENT", detail=_detail(claim.intent_id))
            for claim in claims
        ]
        wooshq.do(wooshq.ledger.settle(ended))
        letter = claims[0].intent_id
    while wooshq.do(wooshq.ledger.letters.count(_TAKE)):  # as the keeper of every worker does
        pass
    (cause,) = wooshq.dead_letters.groups(most=1)
    replay = wooshq.dead_letters.replay(letter, dry_run=False, why="a benchmark")
    jobs = [
        wooshq.fan_out({"message": {"push": {"title": "Sale {n}"}}}, [{"user": f"u{n}", "n": str(n)} for n in range(10_000)])
        for _ in range(_JOBS)
    ]
    wooshq.enqueue_many(intents("waits-", waiting))
    wooshq.webhooks.add("bench", "https://shop.example/hooks/wooshq", ["webhook.test"])
    (waits,) = wooshq.find("state:queued", most=1).found
    return {"waits": waits.id, "letter": letter, "job": jobs[0].id, "replay": replay.id or "", "cause": cause.cause, "webhook": "bench"}


def _detail(intent_id: str) -> str:
    return f"message.push.title: is refused for reason {int(intent_id[-2:], 16) % 20}"


def _url(console: subprocess.Popen[bytes]) -> str:
    assert console.stdout is not None
    return console.stdout.readline().decode().strip()


def _log_in(browser: httpx.Client) -> None:
    """As a form does it; a secure cookie is sent as a header, because this is plain HTTP."""
    browser.headers["Sec-Fetch-Site"] = "same-origin"
    answer = browser.post("/login", data={"token": _TOKEN})
    assert answer.status_code == 303, answer.text
    browser.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]


def _parameters(name: str, path: str, ids: Mapping[str, str]) -> dict[str, str]:
    """What stands in a page's path: the id of a job, a replay, a cause, or otherwise of a message that is dead."""
    kind = next((kind for kind in ("job", "replay", "cause", "webhook") if kind in f"{name} {path}"), "letter")
    return {parameter: ids.get(parameter, ids[kind]) for parameter in re.findall(r"\{(\w+)", path)}


def _page(out: Figures, browser: httpx.Client, name: str, path: str, each: int) -> None:
    """The server's own time, as it says it itself."""
    took: list[float] = []
    for turn in range(each + 1):
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        if turn:  # the first one compiles the template
            took.append(float(answer.headers["server-timing"].rpartition("=")[2]))
        time.sleep(_APART_S)
    size = f"{len(answer.content) / 1024:,.0f} KB"
    out.add(
        f"{name}: p95, ms", percentile(took, 0.95), goal=f"< {_GOAL_MS}", note=f"median {statistics.median(took):,.0f} ms of {each}; {size}"
    )


def _look(out: Figures, bench: Bench, looks: int) -> None:
    """What one look at the overview, and one telling of a worker, cost: so many in a row, without the wait between them."""
    bench.wooshq.overview()
    used_s, _ = _cost_of(bench.redis, lambda: [bench.wooshq.overview() for _ in range(looks)])
    out.add(
        "a look at the overview: Redis's CPU, ms",
        used_s / looks * 1000,
        note=f"of {looks:,} in a row; an open overview looks once a second",
    )
    pulse, card = (
        PulseLedger(bench.wooshq.ledger.keys),
        {"host": "web-1", "pid": 4711, "lanes": list(LANES), "busy": {lane: [3, 256] for lane in LANES}},
    )
    ended = {lane: Ends(sent=1000, dead=3) for lane in LANES}
    used_s, _ = _cost_of(bench.redis, lambda: [bench.wooshq.do(pulse.tell("bench", n, card, ended)) for n in range(1, looks + 1)])
    bench.wooshq.do(pulse.tell("bench", looks + 1, None, {}))
    out.add(
        "a telling of a worker: Redis's CPU, ms", used_s / looks * 1000, note=f"of {looks:,} in a row; a worker tells every two seconds"
    )


def _open_overview(out: Figures, browser: httpx.Client, server: redis.Redis, tabs: int, rounds: int, turn_s: float) -> None:
    """Without and with open tabs, in turns: what else happens on the machine is in both of them."""
    idle, more, commands = [], [], []
    for _ in range(rounds):
        before, n_before = _cost(server, turn_s)
        with _tabs(browser, tabs):
            time.sleep(2)
            used, n = _cost(server, turn_s)
        idle.append(before)
        more.append((used - before) * 100)
        commands.append(n - n_before)
    note = (
        f"median of {rounds} turns of {turn_s:g} s, {min(more):.2f}–{max(more):.2f}; {statistics.median(idle):.2%} without one; "
        f"{statistics.median(commands):,.0f} commands a second"
    )
    what = "an open overview" if tabs == 1 else f"{tabs} open overviews"
    out.add(f"{what}: Redis's CPU, % of one core", statistics.median(more), goal="< 1", note=note)


def _cost_of(server: redis.Redis, do: Callable[[], object]) -> tuple[float, int]:
    """Seconds of CPU that Redis used meanwhile, and its commands."""
    before = _used(server)
    do()
    after = _used(server)
    return after[0] - before[0], after[1] - before[1]


def _cost(server: redis.Redis, seconds: float) -> tuple[float, float]:
    """Share of one core that Redis used, and commands a second, those of scripts included."""
    began = time.monotonic()
    used_s, commands = _cost_of(server, lambda: time.sleep(seconds))
    lasted = time.monotonic() - began
    return used_s / lasted, commands / lasted


def _used(server: redis.Redis) -> tuple[float, int]:
    info: Any = {**server.info("cpu"), **server.info("commandstats")}  # type: ignore[dict-item]
    calls = sum(int(one["calls"]) for name, one in info.items() if name.startswith("cmdstat_"))
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"]), calls


@contextmanager
def _tabs(browser: httpx.Client, n: int) -> Iterator[None]:
    """Streams that somebody reads."""
    ended = threading.Event()

    def read() -> None:
        with httpx.Client(base_url=browser.base_url, headers=browser.headers, timeout=60) as tab, tab.stream("GET", "/live/") as answer:
            assert answer.status_code == 200
            for _ in answer.iter_bytes():
                if ended.is_set():
                    return

    threads = [threading.Thread(target=read, daemon=True) for _ in range(n)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(10)
