"""
What a forked child makes anew. Its parent's other threads are gone: their locks stay held for ever, and what they had begun stays half made.

uWSGI forks without Python's hooks, so `check` compares the process id, too.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, TypeVar

_PACKAGES: Final = ("celery", "kombu", "pydantic_settings", "wooshq", "wooshq_schemas")


T = TypeVar("T")

_things: Final[weakref.WeakKeyDictionary[Any, Callable[[Any], None]]] = weakref.WeakKeyDictionary()
_of_the_parent: Final[list[Any]] = []
_pid = os.getpid()


def renew_in_children(thing: T, renew: Callable[[T], None]) -> None:
    """Call `renew(thing)` in each forked child, as long as the thing exists. It makes locks, threads and connections anew."""
    _things[thing] = renew


def keep(*things: object) -> None:
    """Never destroy these things of the parent here: their destructors could wait for a lock that no thread gives back."""
    _of_the_parent.extend(things)


def check() -> None:
    """Renew everything if this process was forked without Python's hooks."""
    if _pid != os.getpid():
        _renew_all()


def _renew_all() -> None:
    global _pid
    for found in _cached_properties():
        found.lock = threading.RLock()
    for thing, renew in list(_things.items()):
        renew(thing)
    _pid = os.getpid()


@functools.cache
def _cached_properties() -> list[Any]:
    """
    Those with a lock: kombu's, and all before Python 3.12.

    The lock belongs to the class, so a new object does not help. If a thread computes `Celery.amqp` at the fork, every Celery app of the child
    would wait for it, also an app that is not ours.
    """
    return [
        value
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in _PACKAGES
        for kind in list(vars(module).values())
        if isinstance(kind, type) and kind.__module__ == name
        for value in vars(kind).values()
        if isinstance(value, functools.cached_property) and hasattr(value, "lock")
    ]


if hasattr(os, "register_at_fork"):  # not on Windows
    # The properties are searched before the fork, so that not every child has to do it.
    os.register_at_fork(before=_cached_properties, after_in_child=_renew_all)
