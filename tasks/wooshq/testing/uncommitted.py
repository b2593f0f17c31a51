"""
Messages that wait for a commit of Django: why a test does not find them.

Nothing of Django is imported here: an app that uses it has done so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

_OURS: Final = "wooshq.django.outbox"
_NEVER: Final = "the transaction of a Django TestCase, and of pytest-django's fixture db, never commits"
_USE: Final = "Use the fixture wooshq_django_outbox instead of wooshq_outbox, or the class wooshq.testing.django.DjangoOutboxMixin"


def never_committed() -> str | None:
    """A sentence if messages of `wooshq.django.enqueue` wait although the app's transaction has ended; else None."""
    n = sum(_is_ours(one) for connection in _connections() if _only_the_test_has_begun(connection) for one in _waiting(connection))
    if not n:
        return None
    return f"{_several(n)} of wooshq.django.enqueue {'waits' if n == 1 else 'wait'} for a commit, and {_NEVER}. {_USE}."


def why_not_found(*, nothing_at_all: bool) -> Iterator[str]:
    """Sentences for a test that misses a message. nothing_at_all: no message was enqueued, so it may be any callback of the app."""
    if (sentence := never_committed()) is not None:
        yield sentence
        return
    n = sum(_is_ours(one) for connection in _connections() for one in _waiting(connection))
    if n:
        yield f"{_several(n)} of wooshq.django.enqueue {'waits' if n == 1 else 'wait'} for the end of a transaction that is still open."
    elif nothing_at_all and any(_waiting(one) and _only_the_test_has_begun(one) and not _commits_count(one) for one in _connections()):
        yield f"If it is enqueued in a callback of transaction.on_commit: {_NEVER}. {_USE}."


def _connections() -> list[Any]:
    """Of this thread, inside a transaction."""
    conf, db = sys.modules.get("django.conf"), sys.modules.get("django.db")
    if conf is None or db is None or not conf.settings.configured:
        return []
    return [connection for connection in db.connections.all(initialized_only=True) if connection.in_atomic_block]


def _waiting(connection: Any) -> list[Any]:
    """Its callbacks, but for those that have run before a commit: the kit and captureOnCommitCallbacks leave them there."""
    return [func for _, func, *_ in connection.run_on_commit if not getattr(func, "ran", False)]


def _is_ours(func: Any) -> bool:
    inner = getattr(func, "__wrapped__", func)  # of the kit's own callbacks
    return type(inner).__module__ == _OURS and not inner.ran


def _only_the_test_has_begun(connection: Any) -> bool:
    return all(block._from_testcase for block in connection.atomic_blocks)


def _commits_count(connection: Any) -> bool:
    """Whether the kit runs its callbacks, see `wooshq.testing.django`."""
    return "savepoint_commit" in vars(connection)


def _several(n: int) -> str:
    return "1 message" if n == 1 else f"{n} messages"
