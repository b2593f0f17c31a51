"""What every benchmark needs: an installation of its own, processes that end with it, CPU, memory, profiles."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from wooshq import Settings, Wooshq
from wooshq.installation.embedded import EmbeddedRedis

ROOT: Final = Path(__file__).parent.parent
APPLICATION: Final = "AAAAA-BBBBB"
TICKS: Final = os.sysconf("SC_CLK_TCK")
#: What a sample of a profile is counted as: the first of these that the path of a frame matches, from the innermost frame outwards.
_PARTS: Final = (
    ("wooshq: ledger's client and scripts", re.compile(r"/redis/|wooshq/ledger/|wooshq_worker/ledger_client|hiredis")),
    ("HTTP client (aiohttp, httpx)", re.compile(r"/aiohttp/|/httpx|/multidict/|/yarl/|wooshq_worker/api/transport|http_?aiohttp")),
    ("verdict and answer", re.compile(r"api/(judge|verdict|table|outcome)|wooshq_schemas/answer")),
    ("rendering the request", re.compile(r"wooshq_schemas|/pydantic")),
    ("Celery and kombu", re.compile(r"/celery/|/kombu/|/amqp/|/billiard/|/vine/")),
    ("wooshq: bulk, batches, gates, settling", re.compile(r"/wooshq")),
)


def cpu_s(pid: int) -> float:
    """User and system seconds of a process and of its children."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def peak_mb(pid: int) -> float:
    """The most memory that a process ever held, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def wait(done: Callable[[], bool], within_s: float = 900, every_s: float = 0.02) -> None:
    ends = time.monotonic() + within_s
    while not done():
        if time.monotonic() > ends:
            raise SystemExit("the benchmark did not come to an end")
        time.sleep(every_s)


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


@contextmanager
def process(*command: str, env: Mapping[str, str], log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that is ended with the block."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PUSHWOOSH_", "WOOSHQ_", "SENTRY_"))}
    with (log or Path(os.devnull)).open("ab") as err:
        started = subprocess.Popen([sys.executable, *command], cwd=ROOT, env={**clean, **env}, stdout=subprocess.PIPE, stderr=err)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


class Bench:
    """One installation: embedded Redis, the API of api.py. A context manager."""

    def __init__(self, latency_ms: int = 50, **settings: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wq-bench-"))
        self._latency_ms = latency_ms
        self._settings = settings

    def __enter__(self) -> Bench:
        self._redis = EmbeddedRedis(self.folder)
        self.broker_url = self._redis.__enter__().broker_url
        self._api = process("-m", "benchmarks.api", "--latency-ms", str(self._latency_ms), env={})
        out = self._api.__enter__().stdout
        assert out is not None
        self.api_url = out.readline().decode().strip()
        self.wooshq = Wooshq(Settings(_env_file=None, application=APPLICATION, data_dir=self.folder, **self._settings))  # type: ignore[call-arg]
        self.wooshq.counts()
        self.redis = redis.Redis.from_url(self.broker_url.replace("redis+socket://", "unix://").replace("virtual_host=", "db="))
        return self

    def __exit__(self, *error: object) -> None:
        self.wooshq.close()
        self.redis.close()
        self._api.__exit__(None, None, None)
        self._redis.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def env(self) -> dict[str, str]:
        return {
            "PUSHWOOSH_API_TOKEN": "bench",
            "PUSHWOOSH_APPLICATION": APPLICATION,
            "PUSHWOOSH_BASE_URL": self.api_url,
            "WOOSHQ_DATA_DIR": str(self.folder),
            **{f"WOOSHQ_{name.upper()}": str(value) for name, value in self._settings.items()},
        }

    @contextmanager
    def worker(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """One worker process, which has sent its first message."""
        with process("-m", "wooshq_worker", "worker", env={**self.env, **more}, log=self.folder / "worker.log") as started:
            before = self.wooshq.counts().get("sent", 0)
            self.wooshq.enqueue({"to": {"users": ["first"]}, "message": {"push": {"title": "Hi"}}})
            wait(lambda: self.wooshq.counts().get("sent", 0) > before, 60)
            self.reset()
            yield started

    def account(self) -> dict[str, Any]:
        """What arrived at the API since the last reset."""
        with urllib.request.urlopen(f"{self.api_url}/account", timeout=60) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    def reset(self) -> None:
        self._post("/reset", {})

    def refuse(self, whom: list[str]) -> None:
        self._post("/bad", whom)

    def _post(self, path: str, body: Any) -> None:
        urllib.request.urlopen(f"{self.api_url}{path}", json.dumps(body).encode(), timeout=60).close()


class Watched:
    """The most memory that Redis held meanwhile, in MB. A context manager."""

    def __init__(self, server: redis.Redis) -> None:
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_mb = 0.0
        self.before_mb = 0.0

    def __enter__(self) -> Watched:
        self.before_mb = self._now()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _now(self) -> float:
        return int(self._server.info("memory")["used_memory"]) / 1e6  # type: ignore[index]

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self.peak_mb = max(self.peak_mb, self._now())


class Profile:
    """Where a process's CPU goes from now on, by py-spy. `read` gives name → part of all samples; empty where it may not look."""

    def __init__(self, pid: int, folder: Path, *, seconds: float) -> None:
        self._file = folder / "profile.txt"
        spy = Path(sys.executable).parent / "py-spy"
        command = [
            str(spy),
            "record",
            "--pid",
            str(pid),
            "--format",
            "raw",
            "--full-filenames",
            "--rate",
            "100",
            "--duration",
            str(int(seconds)),
            "--output",
        ]
        self._spy = (
            subprocess.Popen([*command, str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) if spy.exists() else None
        )

    def read(self) -> dict[str, float]:
        """Waits for its end."""
        if self._spy is None or self._spy.wait(120) != 0 or not self._file.exists():
            return {}
        counts: Counter[str] = Counter()
        for line in self._file.read_text().splitlines():
            stack, _, n = line.rpartition(" ")
            counts[_part(stack.split(";"))] += int(n)
        return {name: n / counts.total() for name, n in counts.most_common()}


def _part(stack: list[str]) -> str:
    """What a sample belongs to. Outside the event loop's own turn stands only who started it."""
    if stack[0].startswith("_run_module_as_main"):  # the main thread is Celery's consumer, whose Redis client is kombu's
        return "Celery and kombu"
    turns = [at for at, frame in enumerate(stack) if frame.startswith("_run_once ")]
    for frame in reversed(stack[turns[-1] + 1 :] if turns else stack):
        for name, pattern in _PARTS:
            if pattern.search(frame):
                return name
    return "event loop and the rest"
