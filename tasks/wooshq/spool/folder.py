"""
The files of the spool. All changes are made under one lock, and are on the disk when a call returns.

    lock                        held for each change; the kernel drops it when its holder ends, however it ends
    incoming.ndjson             what was enqueued last; only appended to
    segment-<ms>-<hex>.ndjson   earlier ones of it, when it became long
    moving-<ms>-<hex>.ndjson    a segment that was tried, first at this time; the process that moves it has a lock on it
    set-aside.ndjson            what will never be accepted, with the reason
    acts.ndjson                 what operators did here, until the ledger has it in the audit log; acts-<ms>-<hex>.ndjson: the same, while it is told
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from wooshq.errors import FolderUnusable
from wooshq.installation import forks
from wooshq.installation.embedded import locks
from wooshq.settings import Settings

_SEGMENT_BYTES: Final = 4 * 1024 * 1024
"""A segment is deleted as a whole, so segments are not long."""
_SEGMENT: Final = re.compile(r"(?:segment|moving)-(\d+)-[0-9a-f]+\.ndjson")
_ACTS: Final = re.compile(r"acts-\d+-[0-9a-f]+\.ndjson")
_OPEN: Final = os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class SpoolFolder:
    """The spool of one installation on this machine: any number of processes may use it at once."""

    def __init__(self, path: Path, most_bytes: int, lock_within_s: float) -> None:
        """most_bytes: of all its files. lock_within_s: how long a call waits for other processes."""
        self.path = path
        self.most_bytes = most_bytes
        self._lock_within_s = lock_within_s
        self._incoming = path / "incoming.ndjson"
        self._set_aside = path / "set-aside.ndjson"
        self._acts = path / "acts.ndjson"

    @classmethod
    def of(cls, settings: Settings) -> SpoolFolder | None:
        """That of an installation; None if it has none. Installations with other namespaces have folders of their own in it."""
        if settings.spool_dir is None:
            return None
        # Many threads of many processes may wait for a slow disk, one after the other, and most calls did not wait for Redis before.
        return cls(settings.spool_dir / settings.namespace, settings.spool_bytes, settings.accept_within_s)

    # Writing

    def append(self, lines: Sequence[bytes]) -> None:
        """Keep lines: all of them, or none. Raises FolderUnusable: full, or cannot be written."""
        data = b"".join(lines)
        with self._change("keep intents in"):
            used = self.bytes()
            if used + len(data) > self.most_bytes:
                raise FolderUnusable(
                    f"The spool in {self.path} is full: it has {used} bytes, and WOOSHQ_SPOOL_BYTES allows {self.most_bytes}. "
                    "Bring Redis back, or allow more"
                )
            if _size(self._incoming) > _SEGMENT_BYTES:
                self._incoming.rename(self._new_name("segment"))
            self._append(self._incoming, data)

    def _append(self, file: Path, data: bytes) -> None:
        written = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | _OPEN, 0o600)
        try:
            size = os.fstat(written).st_size
            if size and os.pread(written, 1, size - 1) != b"\n":
                data = b"\n" + data  # the line before was torn by a crash, and must not spoil this one
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(written, rest) :]
                os.fsync(written)
            except OSError:
                os.ftruncate(written, size)
                raise
        finally:
            os.close(written)
        if not size:
            self._sync_names()

    def set_aside(self, lines: Sequence[bytes]) -> None:
        """Add lines to what was set aside. Raises FolderUnusable."""
        with self._change("set intents aside in"):
            self._append(self._set_aside, b"".join(lines))

    def change_set_aside(self, change: Callable[[list[bytes]], tuple[list[bytes], list[bytes]]], act: bytes) -> None:
        """
        change: is given the lines that are set aside, without their ends, and returns those that stay, and lines that wait again. Nobody else
        sets anything aside meanwhile. What it raises leaves everything as it is. act: for the audit log, see `tell_acts`. Raises FolderUnusable.

        What waits again is written first: after a crash between both it is in both places, and it is still one message.
        """
        with self._change("change what is set aside in"):
            stay, back = change(list(lines_of(self._set_aside)))
            self._append(self._acts, act)
            if back:
                self._append(self._incoming, b"".join(back))
            fresh = self.path / "set-aside.new"
            fresh.unlink(missing_ok=True)
            self._append(fresh, b"".join(line + b"\n" for line in stay))
            fresh.rename(self._set_aside)
            self._sync_names()

    def has_acts(self) -> bool:
        """Whether there are acts that the ledger does not have yet."""
        return any(path.name.startswith("acts") for path in self._files())

    def tell_acts(self, tell: Callable[[list[bytes]], None]) -> None:
        """
        tell: is given acts, and they are forgotten here if it returns. Nobody else is given them meanwhile; a process that is killed may tell some
        twice. Raises FolderUnusable, and what `tell` raises.
        """
        if _size(self._acts):
            with self._change("tell what was done in"):
                if _size(self._acts):
                    self._acts.rename(self._new_name("acts"))
        for file in self._files():
            if not _ACTS.fullmatch(file.name):
                continue
            try:
                lock = locks.open_lock(file, create=False)
            except FileNotFoundError:
                continue
            try:
                if locks.try_to_lock(lock) and _is_same(lock, file):
                    tell(list(lines_of(file)))
                    file.unlink(missing_ok=True)
            finally:
                locks.close(lock)

    # Moving

    def seal(self) -> None:
        """Make what came in a segment that can be moved. Raises FolderUnusable."""
        if _size(self._incoming):
            with self._change("move intents from"):
                if _size(self._incoming):
                    self._incoming.rename(self._new_name("segment"))

    def segments(self) -> list[Path]:
        """Those that wait or are being moved, the oldest first."""
        found = [path for path in self._files() if _SEGMENT.fullmatch(path.name)]
        return sorted(found, key=lambda path: (path.name.partition("-")[2], path.name))

    @contextlib.contextmanager
    def taken(self, segment: Path) -> Iterator[tuple[Path, int] | None]:
        """
        A segment for this process alone, by its path now, with when it was first tried, in ms since the epoch. None if another process has it.

        Raises FolderUnusable.
        """
        try:
            lock = locks.open_lock(segment, create=False)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise _unusable("move intents from", self.path, error) from error
        try:
            if not locks.try_to_lock(lock) or not _is_same(lock, segment):
                yield None
                return
            yield self._marked_as_tried(segment)
        finally:
            locks.close(lock)

    def _marked_as_tried(self, segment: Path) -> tuple[Path, int]:
        if segment.name.startswith("moving-"):
            return segment, int(segment.name.split("-")[1])
        now_ms = time.time_ns() // 1_000_000
        moving = self.path / f"moving-{now_ms}-{segment.stem.rpartition('-')[2]}.ndjson"
        with self._change("move intents from"):
            segment.rename(moving)
            self._sync_names()
        return moving, now_ms

    def drop(self, segment: Path) -> None:
        """Delete a segment: everything in it is in the ledger, or set aside. Raises FolderUnusable."""
        with self._change("remove moved intents from"):
            segment.unlink(missing_ok=True)
            self._sync_names()

    # Looking

    def is_empty(self) -> bool:
        """Whether nothing waits. What was set aside does not count. A folder that does not exist is empty."""
        return not _size(self._incoming) and not self.segments()

    def waiting(self) -> Iterator[bytes]:
        """The lines that wait, without their ends. A line that is moved meanwhile may be left out."""
        for file in (*self.segments(), self._incoming):
            yield from lines_of(file)

    def aside(self) -> Iterator[bytes]:
        """The lines that were set aside, without their ends."""
        yield from lines_of(self._set_aside)

    def bytes(self) -> int:
        """Of all its files."""
        return sum(_size(path) for path in self._files())

    def check(self) -> None:
        """Raises FolderUnusable if this process cannot write here."""
        with self._change("keep intents in"):
            pass

    def _files(self) -> list[Path]:
        try:
            return [self.path / name for name in os.listdir(self.path) if name.endswith(".ndjson")]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable("read", self.path, error) from error

    def _new_name(self, kind: str) -> Path:
        return self.path / f"{kind}-{time.time_ns() // 1_000_000}-{secrets.token_hex(6)}.ndjson"

    @contextlib.contextmanager
    def _change(self, what: str) -> Iterator[None]:
        """Nobody else changes the folder inside. Raises FolderUnusable for whatever the system says."""
        if not locks.are_available():
            raise FolderUnusable("This system has no file locks, so it can have no spool. Unset WOOSHQ_SPOOL_DIR")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                yield
        except OSError as error:
            raise _unusable(what, self.path, error) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        ends = time.monotonic() + self._lock_within_s
        one_thread = _one_thread.lock
        if not one_thread.acquire(timeout=self._lock_within_s):
            raise TimeoutError(0, "another thread is writing")
        try:
            lock = locks.open_lock(self.path / "lock")
            try:
                while not locks.try_to_lock(lock):
                    if time.monotonic() > ends:
                        raise TimeoutError(0, "another process is writing")
                    time.sleep(0.002)
                yield
            finally:
                locks.close(lock)
        finally:
            one_thread.release()

    def _sync_names(self) -> None:
        folder = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def lines_of(file: Path) -> Iterator[bytes]:
    """The lines of a file, without their ends and without empty ones. No lines if there is no such file. Raises FolderUnusable."""
    try:
        with file.open("rb") as opened:
            for line in opened:
                if line.strip():
                    yield line.removesuffix(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable("read", file.parent, error) from error


class _OneThread:
    """Threads of this process wait here, and not for the file. A forked child must not wait for a thread of its parent."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        forks.renew_in_children(self, _OneThread._renew)

    def _renew(self) -> None:
        self.lock = threading.Lock()


_one_thread: Final = _OneThread()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise _unusable("read", file.parent, error) from error


def _unusable(what: str, folder: Path, error: OSError) -> FolderUnusable:
    return FolderUnusable(f"Cannot {what} the spool in {folder} ({error.strerror or type(error).__name__})")


def _is_same(opened: int, path: Path) -> bool:
    """Whether a path still names an opened file: another process may have moved and deleted it before it was locked."""
    try:
        return os.path.samestat(os.fstat(opened), path.stat())
    except FileNotFoundError:
        return False
