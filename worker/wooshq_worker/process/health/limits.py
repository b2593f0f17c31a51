"""Fits a worker into its machine before its first call: raises the limit of open files, and lowers the concurrency if it must."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import structlog

from wooshq.settings import Settings
from wooshq_worker.doctor.machine import HELPERS, OTHER_THREADS, RAISE_FILES, Machine, calls_that_fit, files_needed, this_machine

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

log = structlog.get_logger("wooshq.worker")

_LEAST_HELPERS: Final = 2


def fitted(settings: Settings, machine: Machine | None = None) -> Settings:
    """
    The settings with a concurrency for which the machine has room. If a file could not be opened, or memory ended, between a request and
    the record of its answer, the message would be sent again.

    machine: None for this one, whose soft limit of open files is raised first.
    """
    if machine is None:
        machine = replace(this_machine(), files=_raised_files(files_needed(settings.concurrency)))
    fits = calls_that_fit(machine)
    if fits is None or fits >= settings.concurrency:
        return settings
    log.warning(
        "concurrency_lowered",
        concurrency=fits,
        configured=settings.concurrency,
        files=machine.files,
        memory=machine.memory,
        hint=f"the machine has no room for more calls. Raise {RAISE_FILES} or the memory limit, or lower WOOSHQ_CONCURRENCY",
    )
    return settings.model_copy(update={"concurrency": fits})


def _raised_files(needed: int) -> int | None:
    """Raise the soft limit of open files, at most to the hard one. Returns it. macOS begins with 256. None without a limit."""
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a limit of the system that getrlimit does not show
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def helpers(
    most: int = HELPERS, other: int = OTHER_THREADS, start: Callable[[threading.Thread], None] = threading.Thread.start
) -> ThreadPoolExecutor:
    """
    The threads for the event loop's blocking calls, already started: one that cannot be started later would look like a lost answer.

    most: threads of it. other: threads that the worker needs beside them. start: starts one. Raises RuntimeError if the machine allows too
    few.
    """
    go = threading.Event()
    waiting = [threading.Thread(target=go.wait, daemon=True) for _ in range(most + other)]
    started = []
    try:
        for thread in waiting:
            start(thread)
            started.append(thread)
    except RuntimeError:
        pass
    finally:
        go.set()
        for thread in started:
            thread.join()
    n = min(most, len(started) - other)
    if n < _LEAST_HELPERS:
        raise RuntimeError(f"only {len(started)} threads can be started. Raise the limit of processes (pids)")
    if n < most:
        log.warning("threads_are_short", threads=len(started), needed=most + other, hint="raise the limit of processes (pids)")
    return _started(n)


def _started(n: int) -> ThreadPoolExecutor:
    """An executor starts a thread for each call for which no thread is free."""
    executor = ThreadPoolExecutor(n, thread_name_prefix="wooshq-helper")
    go = threading.Event()
    calls = [executor.submit(go.wait) for _ in range(n)]
    go.set()
    for call in calls:
        call.result()
    return executor
