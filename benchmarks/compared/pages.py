"""The console's pages on a large installation: a million messages wait, 100,000 dead letters, ten jobs. By the server's own time."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from benchmarks.bench import Bench, process, wait
from benchmarks.measure import percentile
from benchmarks.report import Figures
from benchmarks.workload import SHARED, an_intent, intents
from wooshq_worker.console.pages import PAGES

_TOKEN = "bench-" + secrets.token_urlsafe(32)
_BATCH = 500
_PARAMETER = re.compile(r"\{(\w+)\}")


def run(out: Figures, *, quick: bool) -> None:
    waiting, letters, looks, seconds = (20_000, 2000, 5, 5) if quick else (1_000_000, 100_000, 20, 20)
    with Bench(latency_ms=1, max_age_s=3600) as bench:
        job = _fill(bench, waiting, letters)
        with _browser(bench) as browser:
            for name, path in _paths(bench, job).items():
                took = [_look(browser, path) for _ in range(looks)]
                out.add(f"{name}: p95, ms", percentile(took, 0.95), goal="300", note=f"p50 {percentile(took, 0.5):.1f}, {looks} looks")
            first = PAGES[0]
            if first.live:
                share = _redis_share(bench, browser, f"/live{first.path}", seconds)
                out.add(f"CPU of Redis while the page {first.name} is open, %", share * 100, goal="1", note=f"{seconds} s")


def _fill(bench: Bench, waiting: int, letters: int) -> str:
    """The id of one of ten jobs."""
    bench.refuse(["bad"])
    wooshq = bench.wooshq
    jobs = [wooshq.fan_out(SHARED, [{"user": f"u{n}"} for n in range(1000)]) for _ in range(10)]
    refused = (an_intent("bad", n) for n in range(letters))
    while part := list(itertools.islice(refused, _BATCH)):
        wooshq.enqueue_many(part)
    with bench.worker(WOOSHQ_LOG_LEVEL="WARNING"):
        wait(lambda: wooshq.counts().get("dead", 0) >= letters, every_s=1)
        wait(lambda: all(job.show().state == "done" for job in jobs))
    rest = intents("w", waiting)
    while part := list(itertools.islice(rest, _BATCH)):
        wooshq.enqueue_many(part)
    return jobs[0].id


def _paths(bench: Bench, job: str) -> Mapping[str, str]:
    """Every page that needs no id, and those of a message that waits, of a letter, a cause, a replay and a job."""
    (one,) = bench.wooshq.find("state:queued", most=1).found
    (letter,) = bench.wooshq.dead_letters.list(most=1)
    (cause,) = bench.wooshq.dead_letters.groups(most=1)
    replay = bench.wooshq.dead_letters.replay(letter.id, start=False)
    assert replay.id is not None
    ids = {
        "job": {"a job": job},
        "life": {"a message that waits": one.id, "a message that died": letter.id},
        "cause": {"a cause": cause.cause},
        "letter": {"a letter": letter.id},
        "replay": {"the plan of a replay": replay.id},
        "outcomes": {"the letters of a replay": replay.id},
    }
    plain = {page.name: page.path for page in PAGES if "{" not in page.path}
    return plain | {
        what: page.url(**dict.fromkeys(_PARAMETER.findall(page.path), known))
        for page in PAGES
        for what, known in ids.get(page.name, {}).items()
    }


@contextmanager
def _browser(bench: Bench) -> Iterator[httpx.Client]:
    """A client that is logged in to a server of the console."""
    env = {**bench.env, "WOOSHQ_CONSOLE_TOKEN": _TOKEN, "WOOSHQ_LOG_LEVEL": "WARNING"}
    with process("-m", "wooshq_worker", "console", "--port", "0", env=env, log=bench.folder / "console.log") as server:
        assert server.stdout is not None
        url = server.stdout.readline().decode().strip()
        with httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=300) as client:
            answer = client.post("/login", data={"token": _TOKEN})
            client.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
            yield client


def _look(browser: httpx.Client, path: str) -> float:
    """Milliseconds that the server needed for a page, as for the only one who looks: what pages share for a second is too old by now."""
    time.sleep(1.05)
    answer = browser.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return float(answer.headers["server-timing"].removeprefix("total;dur="))


def _redis_share(bench: Bench, browser: httpx.Client, path: str, seconds: float) -> float:
    """The part of a core that Redis needs while one page is open."""

    def used() -> float:
        info = bench.redis.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def in_a_while(lines: Iterator[str] | None) -> float:
        before, ends = used(), time.monotonic() + seconds
        while time.monotonic() < ends:
            if lines is None:
                time.sleep(0.1)
            else:
                next(lines)  # the stream sends something every second
        return (used() - before) / seconds

    quiet = in_a_while(None)
    with browser.stream("GET", path) as stream:
        return max(0.0, in_a_while(stream.iter_lines()) - quiet)
