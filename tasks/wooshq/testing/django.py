"""
The outbox in Django's TestCase, whose transactions never commit: `transaction.on_commit` counts as in production.

A TestCase runs each test inside a transaction of its own, and rolls it back. So callbacks of `on_commit` would never run. Here they run when
the app's own transaction ends, and those of a transaction that is rolled back never run.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections

from wooshq.testing.cases import OutboxMixin
from wooshq.testing.outboxes import Outbox

log = logging.getLogger("wooshq.testing")


class DjangoOutboxMixin(OutboxMixin):
    """
    `class OrderTests(DjangoOutboxMixin, TestCase)`. It comes before the TestCase.

    wooshq_outbox: what was enqueued; what is enqueued in `on_commit` is in it when the app's transaction has ended, unless it was rolled
    back. A TransactionTestCase needs only this outbox: its transactions commit.
    """

    def setUp(self) -> None:
        """Subclasses with a `setUp` of their own call this one first."""
        super().setUp()
        self.enterContext(commits_count(self.wooshq_outbox))


@contextmanager
def commits_count(outbox: Outbox) -> Iterator[None]:
    """Inside, a transaction that would commit without the test's own transaction runs its callbacks, on every database of the test."""
    commits = [_Commits(connection) for connection in connections.all(initialized_only=True) if connection.in_atomic_block]
    with ExitStack() as stack:
        for one in commits:
            stack.enter_context(one.watched())
        # A block with `savepoint=False` ends without a word.
        outbox.before_reading = lambda: _run_all(commits)
        yield


def _run_all(commits: Iterable[_Commits]) -> None:
    for one in commits:
        one.run_callbacks()


class _Commits:
    """The callbacks of one connection, which belongs to this thread."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._outer = frozenset(connection.savepoint_ids)  #: the savepoints of the test's own transactions
        self._thread = threading.get_ident()
        self._runs = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, callbacks are run at the end of a block, and at once outside of any block."""
        connection = self._connection
        savepoint_commit, on_commit = connection.savepoint_commit, connection.on_commit

        def committing(sid: str) -> None:
            savepoint_commit(sid)
            self.run_callbacks()

        def registering(func: Callable[[], object], robust: bool = False) -> None:
            on_commit(_Once(func), robust)
            self.run_callbacks()

        connection.savepoint_commit, connection.on_commit = committing, registering
        try:
            yield
        finally:
            del connection.savepoint_commit, connection.on_commit

    def run_callbacks(self) -> None:
        """Run the callbacks whose blocks have all ended. Raises what a callback raises, unless it is robust."""
        if threading.get_ident() != self._thread:
            return
        if self._runs:  # a callback that begins a block: its callbacks come after the present ones
            return
        self._runs = True
        try:
            while (found := self._next()) is not None:
                # It stays in the list, so that Django's captureOnCommitCallbacks counts it.
                savepoints, func, robust = self._connection.run_on_commit[found]
                once = func if isinstance(func, _Once) else _Once(func)
                self._connection.run_on_commit[found] = (savepoints, once, robust)
                _run(once, robust=robust)
        finally:
            self._runs = False

    def _next(self) -> int | None:
        """The index of the next callback that may run."""
        still_open = set(self._connection.savepoint_ids) - self._outer
        waiting = (
            index
            for index, (savepoints, func, _) in enumerate(self._connection.run_on_commit)
            if not (isinstance(func, _Once) and func.ran) and not still_open & savepoints
        )
        return next(waiting, None)


class _Once:
    """A callback that runs once, whoever calls it first: this kit, or Django's captureOnCommitCallbacks."""

    def __init__(self, func: Callable[[], object]) -> None:
        self.__wrapped__ = func
        self.ran = False

    def __call__(self) -> None:
        if not self.ran:
            self.ran = True
            self.__wrapped__()


def _run(func: Callable[[], object], *, robust: bool) -> None:
    if not robust:
        func()
        return
    try:
        func()
    except Exception:  # as Django does for a robust callback
        log.error("on_commit_failed: a robust callback raised", exc_info=True)
