"""The file locks of the embedded Redis. The kernel drops a lock when its holder ends, however it ends, so a lock is never stale."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows. A producer there names its own Redis, and must be able to import this module.
    fcntl = None  # type: ignore[assignment]

# flock, not lockf: a lock of flock belongs to the opened file. So a child inherits it, and another open in the same process does not share it.


def are_available() -> bool:
    """Whether this system has such locks."""
    return fcntl is not None


def open_lock(path: Path) -> int:
    """The descriptor of a lock's file, which is created if it does not exist. Raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def try_to_lock(lock: int) -> bool:
    """Take the lock for one holder alone. False, at once, if another one holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def share(lock: int) -> None:
    """Take the lock together with others."""
    fcntl.flock(lock, fcntl.LOCK_SH)


def unlock(lock: int) -> None:
    """Drop the lock, also for the processes that inherited it."""
    fcntl.flock(lock, fcntl.LOCK_UN)


def is_locked_by_others(path: Path) -> bool:
    """Whether the lock is held. To find out, the lock is taken for a moment, which another process could mistake for a holder."""
    lock = open_lock(path)
    try:
        return not try_to_lock(lock)
    finally:
        os.close(lock)
