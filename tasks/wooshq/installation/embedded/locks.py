"""The file locks of the embedded Redis. The kernel drops a lock when its holder ends, however it ends, so a lock is never stale."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows. A producer there names its own Redis, and must be able to import this module.
    fcntl = None  # type: ignore[assignment]

no_fork: Final = threading.RLock()
"""While a thread holds it, no other thread forks."""

#: Descriptors that a forked child must not keep: it would hold the lock as long as it lives.
_not_for_children: Final[set[int]] = set()

# flock, not lockf: a lock of flock belongs to the opened file. So a child inherits it, and another open in the same process does not share it.


def are_available() -> bool:
    """Whether this system has such locks."""
    return fcntl is not None


def open_lock(path: Path, *, create: bool = True) -> int:
    """The descriptor of a lock's file, which is created if it does not exist. A forked child closes its copy. Raises OSError."""
    with no_fork:
        lock = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0) | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _not_for_children.add(lock)
    return lock


def let_children_share(lock: int) -> None:
    """Let a forked child keep its copy, and so hold the lock, too."""
    _not_for_children.discard(lock)


def close(lock: int) -> None:
    """Close the descriptor. The lock is held as long as a copy of it is open in another process."""
    with no_fork:
        _not_for_children.discard(lock)
        os.close(lock)


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
        close(lock)


def _close_in_child() -> None:
    for lock in _not_for_children:
        os.close(lock)
    _not_for_children.clear()
    no_fork.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=_close_in_child)
