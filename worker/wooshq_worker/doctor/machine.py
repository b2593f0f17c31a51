"""What does the machine allow, and is it enough for a worker: open files, threads, memory?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wooshq.settings import Settings
from wooshq_worker.api.transport import SPARE_CONNECTIONS
from wooshq_worker.doctor.finding import Finding

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

OTHER_FILES: Final = 64 + SPARE_CONNECTIONS
"""Open files of a worker beside one for each call in progress: Redis, broker, log, event loops (35 were measured), and spare connections."""
_BASE_MEMORY: Final = 128 * 1024 * 1024
"""Memory of a worker without calls (95 MB were measured), and the requests that it holds."""
_MEMORY_OF_A_CALL: Final = 64 * 1024
"""25 KB were measured."""
OTHER_THREADS: Final = 13
"""Threads of a worker beside those of `HELPERS`. Four are of uvloop, which ends the process if it cannot start them."""
HELPERS: Final = min(32, (os.cpu_count() or 1) + 4)
"""Threads that ask name servers and the broker, so that the event loop never waits for them."""
LEAST_CALLS: Final = 16
"""Fewer calls at a time are of no use: if the machine allows less, the worker tries with these."""

_CGROUP: Final = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """What this process may use; None where nothing limits it. files: at the same time. memory: bytes. threads: that it may still start."""

    files: int | None = None
    memory: int | None = None
    threads: int | None = None


def this_machine() -> Machine:
    """The limits of this process and of its containers (cgroups, version 1 or 2)."""
    return Machine(_files(), _least(_memories()), _least(_threads()))


def files_needed(concurrency: int) -> int:
    """Open files that a worker needs."""
    return concurrency + OTHER_FILES


def calls_that_fit(machine: Machine) -> int | None:
    """Calls in progress for which the machine has room, at least `LEAST_CALLS`; None without a limit."""
    fits = _least(
        (
            None if machine.files is None else machine.files - OTHER_FILES,
            None if machine.memory is None else (machine.memory - _BASE_MEMORY) // _MEMORY_OF_A_CALL,
        )
    )
    return None if fits is None else max(LEAST_CALLS, fits)


def check(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Compare the machine of the doctor with what a worker with these settings needs."""
    calls = settings.concurrency
    files, memory, threads = files_needed(calls), _BASE_MEMORY + calls * _MEMORY_OF_A_CALL, OTHER_THREADS + HELPERS
    yield _compare("files", machine.files, files, "open files", f"Raise the limit to {files}: {RAISE_FILES}, or lower WOOSHQ_CONCURRENCY")
    mend = "Raise the memory limit, or lower WOOSHQ_CONCURRENCY"
    yield _compare("machine memory", _megabytes(machine.memory), _megabytes(memory), "MB of memory", mend)
    yield _compare("threads", machine.threads, threads, "more threads", "Raise the limit of processes (pids)")


RAISE_FILES: Final = "ulimit -n (systemd: LimitNOFILE, Docker: --ulimit nofile)"


def _compare(what: str, most: int | None, needed: int | None, of: str, mend: str) -> Finding:
    """needed: of a worker with the configured concurrency."""
    if most is None:
        return Finding(what, "ok", "no limit")
    says = f"{most:,} {of} are allowed, and a worker needs {needed:,}"
    return Finding(what, "ok", says) if needed is None or most >= needed else Finding(what, "warn", f"only {says}", mend)


def _megabytes(n: int | None) -> int | None:
    return None if n is None else n // 1024**2


def _least(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _files() -> int | None:
    """The hard limit: a worker raises the soft one itself."""
    if resource is None:
        return None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def _memories() -> Iterator[int | None]:
    for folder in _cgroups("memory"):
        yield _number(folder / "memory.max")
        yield _number(folder / "memory.limit_in_bytes")


def _threads() -> Iterator[int | None]:
    for folder in _cgroups("pids"):
        most, now = _number(folder / "pids.max"), _number(folder / "pids.current")
        yield None if most is None or now is None else max(0, most - now)


def _cgroups(controller: str) -> Iterator[Path]:
    """The folders that limit this process: its own group's and those above. In a container, the root is its own."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _CGROUP / controller if controllers else _CGROUP
        group = root / path.strip("/")
        yield from (root, *(folder for folder in (group, *group.parents) if folder.is_relative_to(root) and folder != root))


def _number(file: Path) -> int | None:
    """None if there is no such file, or no limit. Version 1 writes a very large number for no limit."""
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() and int(text) < 2**60 else None
