"""A thread that moves the spool into the ledger: in an app as long as something waits, in a worker for ever."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections.abc import Callable, Iterator
from typing import Final

from wooshq.errors import FolderUnusable, LedgerUnavailable, SettingsInvalid
from wooshq.installation import forks
from wooshq.spool.client import Client
from wooshq.spool.moving import Moved, move_spool

log = logging.getLogger("wooshq.spool")

_MOST_WAIT_S: Final = 5.0
"""The longest wait before the next try, while Redis is away."""
_OTHERS_S: Final = 0.5
"""When to look again at what another process is moving: it may be killed."""


class Mover:
    """
    It starts at the first `wake`, and again in a forked child. If no thread can start, another process or the next `wake` moves what waits.

    Nothing is lost if it ends: what is not in the ledger stays in the spool.
    """

    def __init__(self, move: Callable[[], Moved], *, every_s: float | None = None) -> None:
        """move: see `move_spool`. every_s: how often to look without a `wake`; None for never."""
        self._move = move
        self._every_s = every_s
        self._renew()
        forks.renew_in_children(self, Mover._renew)

    def _renew(self) -> None:
        self._starting = threading.Lock()
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Something may wait. Never raises, and never waits for a file or for Redis."""
        self._wanted.set()
        with self._starting:
            if self._thread is not None and self._thread.is_alive():
                return
            self._ended = threading.Event()
            thread = threading.Thread(target=self._run, args=(self._ended,), name="wooshq-spool", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                log.warning("spool_not_moved: no thread can start in this process (%s); another process moves it", error)
            else:
                self._thread = thread

    def stop(self, within_s: float = 1.0) -> None:
        """End after the batch in progress, and wait for that. A later `wake` starts it again."""
        with self._starting:
            thread, self._thread = self._thread, None
            self._ended.set()
        self._wanted.set()
        if thread is not None:
            thread.join(within_s)

    def _run(self, ended: threading.Event) -> None:
        failures = 0
        while not ended.is_set():
            self._wanted.clear()
            wait_s = self._every_s
            try:
                if self._move().left:
                    wait_s = _OTHERS_S
                failures = 0
            except (LedgerUnavailable, FolderUnusable, SettingsInvalid) as error:
                failures += 1
                wait_s = random.uniform(0.05, min(_MOST_WAIT_S, 0.25 * 2 ** min(failures, 10)))
                if failures == 1 or failures % 100 == 0:
                    log.warning("spool_waits: %s", error)
            except Exception:
                wait_s = _MOST_WAIT_S
                log.error("spool_not_moved: a bug; what waits stays in the spool", exc_info=True)
            if not ended.is_set():
                self._wanted.wait(wait_s)


@contextlib.contextmanager
def moving_spool(client: Client, *, every_s: float) -> Iterator[None]:
    """Move the spool of this machine in a thread, for a process that runs for long. Nothing happens if there is no spool."""
    if client.settings.spool_dir is None:
        yield
        return
    mover = Mover(lambda: move_spool(client), every_s=every_s)
    mover.wake()
    try:
        yield
    finally:
        mover.stop()
