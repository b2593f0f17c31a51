"""
The process that writes the history, and delivers events to the world outside (`wooshq_worker/beside`): a worker starts it, watches it, starts it
again if it dies, and ends it. Without a history it is started when somebody wants events.

It is a process of its own because sending needs the worker's interpreter for itself. Its standard input is a pipe from the worker: first the
settings, then nothing. When the pipe ends, the worker has ended, however that happened, and the process ends, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from importlib import metadata
from typing import IO, Final

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.events.ledger import HOOKS, SubscriberLedger
from wooshq.history.store import history_url
from wooshq.settings import Settings
from wooshq.settings.history_url import OFF
from wooshq_worker.keeper.history.ledger import EventLedger
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.history")

COMMAND: Final = (sys.executable, "-m", "wooshq_worker.beside")
_FIRST_AFTER_S: Final = 6.0
"""After the worker's start, if few ends wait. They are told from its start on; a worker that ends soon needs no second process."""
_MANY_BYTES: Final = 64 * 1024
"""Of events that wait: these are not few."""
_LOOK_EVERY_S: Final = 0.5
_WANTED_EVERY_S: Final = 2.0
_AGAIN_FIRST_S: Final = 1.0
_AGAIN_MOST_S: Final = 30.0
_RAN_WELL_S: Final = 60.0
_END_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Given:
    """What the process is told. name: of the reader, the same for each process of one worker: the next one goes on where the last one died."""

    settings: Settings
    name: str
    log_level: str


class HistoryProcess:
    """Used in one event loop. settings: as the worker uses them, with the embedded Redis filled in."""

    def __init__(self, settings: Settings, client: LedgerClient) -> None:
        self._client = client
        level = logging.getLevelName(logging.getLogger().level) or settings.log_level
        self._given = Given(settings, f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:4]}", level)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = asyncio.Event()
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def run(self) -> None:
        """Until `stop`, or until it is cancelled."""
        if history_url(self._given.settings) == OFF:
            await self._until_wanted()
        else:
            await self._listen()
            await self._until_it_pays()
        again_s = _AGAIN_FIRST_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._process = await asyncio.get_running_loop().run_in_executor(None, _started, self._given)
            except OSError as error:  # no memory, too many processes
                log.error("history_process_not_started", why=error.strerror or type(error).__name__, again_in_s=again_s)
            else:
                self.starts += 1
                log.info("history_process_started", process=self._process.pid)
                while self._process.poll() is None and not self._stopping.is_set():
                    await self._wait(_LOOK_EVERY_S)
                if self._stopping.is_set():
                    return
                self._close_pipe()
                again_s = _AGAIN_FIRST_S if time.monotonic() - began > _RAN_WELL_S else again_s
                log.error("history_process_died", process=self._process.pid, status=self._process.returncode, again_in_s=again_s)
            await self._wait(again_s)
            again_s = min(2 * again_s, _AGAIN_MOST_S)

    async def _until_wanted(self) -> None:
        """Until somebody wants events."""
        ledger = SubscriberLedger(self._given.settings)
        hooks = [point.name for point in metadata.entry_points(group=HOOKS)]
        while not self._stopping.is_set():
            with contextlib.suppress(LedgerUnavailable):
                if hooks or (await self._client.do(ledger.want()))[0]:
                    return
            await self._wait(_WANTED_EVERY_S)

    async def _until_it_pays(self) -> None:
        """Until many ends wait, or few have waited for some time."""
        ledger, ends = EventLedger(self._given.settings), time.monotonic() + _FIRST_AFTER_S
        while not self._stopping.is_set() and (left_s := ends - time.monotonic()) > 0:
            with contextlib.suppress(LedgerUnavailable):
                if (await self._client.do(ledger.state())).now_bytes > _MANY_BYTES:
                    return
            await self._wait(min(left_s, _WANTED_EVERY_S))

    async def _listen(self) -> None:
        """Have ends told from the worker's start on. If Redis is away, the process does it."""
        settings = self._given.settings
        with contextlib.suppress(LedgerUnavailable):
            await self._client.do(EventLedger(settings).listen(settings.events_max_bytes))

    async def stop(self) -> None:
        """Let it finish its batch, but not for long: what it has not done, another one does."""
        self._stopping.set()
        process = self._process
        if process is None or process.poll() is not None:
            return
        self._close_pipe()
        process.terminate()  # while it still starts, it does not read its pipe, and holds nothing
        ends = time.monotonic() + _END_WITHIN_S
        while process.poll() is None:
            if time.monotonic() > ends:
                log.warning("history_process_killed", process=process.pid, hint="it did not end in time; another worker takes what it had")
                process.kill()
            await asyncio.sleep(0.02)
        self._process = None

    def _close_pipe(self) -> None:
        if self._process is not None:
            _pipe_of(self._process).close()

    async def _wait(self, seconds: float) -> None:
        """Not longer than until `stop`."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            pass


def _started(given: Given) -> subprocess.Popen[bytes]:
    # The path: the packages may be where only this process looks for them. A session of its own: Ctrl-C is for the worker, which then ends it.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env, start_new_session=True)
    told = pickle.dumps(given)
    pipe = _pipe_of(process)
    try:
        pipe.write(len(told).to_bytes(8, "big") + told)
        pipe.flush()
    except OSError:  # it has ended already, as the worker sees soon
        pass
    return process


def _pipe_of(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def read_given(pipe: int) -> Given:
    """What `HistoryProcess` has written into the pipe. Raises EOFError if it has ended before."""
    length = int.from_bytes(_read(pipe, 8), "big")
    given = pickle.loads(_read(pipe, length))
    assert isinstance(given, Given)
    return given


def _read(pipe: int, n: int) -> bytes:
    parts = bytearray()
    while len(parts) < n:
        some = os.read(pipe, n - len(parts))
        if not some:
            raise EOFError
        parts += some
    return bytes(parts)
