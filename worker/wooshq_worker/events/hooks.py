"""Hooks: functions of an app's own that get events in this process. They are found by entry points of the group `wooshq.hooks`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any, Final, TypeAlias

import structlog

from wooshq.events.event import Event
from wooshq.events.ledger import HOOKS
from wooshq.tokens.token import check_name

log = structlog.get_logger("wooshq.events")

WITHIN_S: Final = 50.0
"""How long a hook may take for its events. Less than the time for which they are taken, see LEASE_MS."""

Function: TypeAlias = Callable[[Sequence[Event]], Any]


def find_hooks() -> dict[str, Function]:
    """Name → function, of every entry point. One that cannot be imported is logged, and left out."""
    found: dict[str, Function] = {}
    for point in metadata.entry_points(group=HOOKS):
        try:
            check_name(point.name)
            function = point.load()
            if not callable(function):
                raise TypeError("must be a function that takes a list of events")
            found[point.name] = function
        except Exception:  # an app's own code
            log.error("hook_not_loaded", hook=point.name, module=point.module, exc_info=True)
    return found


class Hooks:
    """
    Calls them, each in a thread of its own, one call at a time: the loop of this process waits for none of them.

    A thread cannot be ended from outside. A hook that hangs gets no further events, and does not keep this process from ending.
    """

    def __init__(self, functions: Mapping[str, Function], within_s: float = WITHIN_S) -> None:
        self._functions = functions
        self._within_s = within_s
        self._busy: set[str] = set()

    @property
    def names(self) -> list[str]:
        """Of all hooks that this process has."""
        return sorted(self._functions)

    def may_call(self, name: str) -> bool:
        """Whether it is there, and its last call has ended."""
        return name in self._functions and name not in self._busy

    async def call(self, name: str, events: Sequence[Event]) -> str:
        """Call one. Returns what went wrong, or ''."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()
        self._busy.add(name)

        def work() -> None:
            error = _called(name, self._functions[name], events)
            self._busy.discard(name)
            try:
                loop.call_soon_threadsafe(_resolve, ended, error)
            except RuntimeError:
                pass  # the loop has ended meanwhile

        threading.Thread(target=work, name=f"wooshq-hook-{name}", daemon=True).start()
        try:
            async with asyncio.timeout(self._within_s):
                return await ended
        except TimeoutError:
            log.error("hook_hangs", hook=name, within_s=self._within_s)
            return f"did not return within {self._within_s:g} s"


def _called(name: str, function: Function, events: Sequence[Event]) -> str:
    try:
        answer = function(events)
        if inspect.iscoroutine(answer):
            asyncio.run(answer)
    except BaseException as error:  # an app's own code; after sys.exit it would look as if it hung
        log.error("hook_failed", hook=name, events=len(events), exc_info=True)
        return type(error).__name__
    return ""


def _resolve(ended: asyncio.Future[str], error: str) -> None:
    if not ended.done():
        ended.set_result(error)
