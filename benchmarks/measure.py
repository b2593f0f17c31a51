"""What is measured about a process and about Redis: CPU, memory, and a profile of where the CPU goes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import redis

TICKS: Final = os.sysconf("SC_CLK_TCK")
#: The part that a sample of a profile belongs to. The innermost frame whose path matches decides.
_PARTS: Final = (
    ("wooshq: ledger's client and scripts", re.compile(r"/redis/|wooshq/ledger/|wooshq_worker/ledger_client|hiredis")),
    ("HTTP client", re.compile(r"wooshq_worker/api/(transport|http1)|/httptools/|/aiohappyeyeballs/|/ssl\.py|/sslproto\.py")),
    ("verdict and answer", re.compile(r"api/(judge|verdict|table|outcome)|wooshq_schemas/answer")),
    ("rendering the request", re.compile(r"wooshq_schemas|/pydantic")),
    ("Celery and kombu", re.compile(r"/celery/|/kombu/|/amqp/|/billiard/|/vine/")),
    ("wooshq: jobs, batches, gates, settling", re.compile(r"/wooshq")),
)


def cpu_s(pid: int, *, children: bool = True) -> float:
    """Seconds of CPU, user and system, of a process, and of its children."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == pid or (children and int(fields[1]) == pid):
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def peak_mb(pid: int) -> float:
    """Peak memory of a process since its start, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def percentile(values: list[float], part: float) -> float:
    """part: 0.99 for p99."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


class RedisMemory:
    """Peak memory of Redis while the block runs, in MB. A context manager."""

    def __init__(self, server: redis.Redis) -> None:
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_mb = 0.0
        self.before_mb = 0.0

    def __enter__(self) -> RedisMemory:
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
    """Where the CPU of a process goes from now on, by py-spy. `read` returns part → share of all samples; empty if py-spy cannot run."""

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
        """Waits until the profile is complete."""
        if self._spy is None or self._spy.wait(120) != 0 or not self._file.exists():
            return {}
        counts: Counter[str] = Counter()
        for line in self._file.read_text().splitlines():
            stack, _, n = line.rpartition(" ")
            counts[_part(stack.split(";"))] += int(n)
        return {name: n / counts.total() for name, n in counts.most_common()}


def _part(stack: list[str]) -> str:
    """The part that a sample belongs to. Frames before the last turn of the event loop only say who started the loop."""
    if stack[0].startswith("_run_module_as_main"):  # the main thread is Celery's consumer; its Redis client is kombu's
        return "Celery and kombu"
    turns = [at for at, frame in enumerate(stack) if frame.startswith("_run_once ")]
    for frame in reversed(stack[turns[-1] + 1 :] if turns else stack):
        for name, pattern in _PARTS:
            if pattern.search(frame):
                return name
    return "event loop and the rest"
