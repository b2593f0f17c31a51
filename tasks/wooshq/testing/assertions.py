"""Assert what was enqueued, by any part of an intent. A failure shows the nearest intent, and what differs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from wooshq.testing.enqueued import Enqueued
from wooshq.testing.outboxes import current_outbox
from wooshq.testing.parts import Parts, nearest_of
from wooshq.testing.uncommitted import never_committed, why_not_found

_SHOWN: Final = 10
"""Intents that a failure lists."""


def assert_enqueued(
    *, count: int | None = None, within_s: float = 0.0, recipient: str | None = None, job: object = None, **fields: Any
) -> Enqueued:
    """
    Assert that at least one intent with these parts was enqueued, or exactly `count`. Returns the first of them.

    fields: fields of the intent: `lane="bulk"`, `message={"push": {"title": "Hi"}}`, or `message__push__title="Hi"` for the same. Of a
    mapping, only the given fields are compared; lists and texts are compared as a whole. A compiled pattern (`re.compile`) must be found in
    the text, and None is a field that is absent. recipient: one identifier of the target's list. job: a fan-out, as its handle or its id.

    within_s: how long to wait for intents that other threads enqueue. Raises AssertionError, TypeError (no intent has such a field),
    RuntimeError (no outbox is open).
    """
    __tracebackhide__ = True
    if count is not None and count < 1:
        raise ValueError("count must be 1 or more. Use refute_enqueued for none")
    parts = Parts.of(fields, recipient, job)
    every, found = _wait(parts, count or 1, within_s)
    if not found or (count is not None and len(found) != count):
        raise AssertionError(_not_enqueued(parts, every, found, count))
    return found[0]


def refute_enqueued(*, within_s: float = 0.0, recipient: str | None = None, job: object = None, **fields: Any) -> None:
    """
    Assert that no intent with these parts was enqueued; without any part, that nothing was. Parts: see `assert_enqueued`.

    within_s: how long other threads get to enqueue one. Raises AssertionError (also if messages wait for a commit of Django that never comes,
    because nobody can say then), TypeError (no intent has such a field), RuntimeError (no outbox is open).
    """
    __tracebackhide__ = True
    parts = Parts.of(fields, recipient, job)
    every, found = _wait(parts, 1, within_s)
    if found:
        raise AssertionError(f"No intent with {parts} should have been enqueued, and there is:\n{_listed(found, every)}")
    if (waits := never_committed()) is not None:
        raise AssertionError(f"It cannot be told whether an intent with {parts} is enqueued. {waits}")


def _wait(parts: Parts, enough: int, within_s: float) -> tuple[list[Enqueued], list[Enqueued]]:
    """Everything that was enqueued, and those with the parts: when there are enough of them, or when the time is over."""
    outbox, ends = current_outbox(), time.monotonic() + within_s
    while True:
        every = list(outbox)
        found = [one for one in every if not parts.differences(one)]
        if len(found) >= enough or not outbox.wait_for_more(len(every), ends - time.monotonic()):
            return every, found


def _not_enqueued(parts: Parts, every: Sequence[Enqueued], found: Sequence[Enqueued], count: int | None) -> str:
    if found:
        lines = [f"{count} should have been enqueued with {parts}, and {len(found)} were:", _listed(found, every)]
        return "\n".join(lines + ([*why_not_found(nothing_at_all=False)] if count is not None and len(found) < count else []))
    nearest = nearest_of(parts, every)
    if nearest is None:
        return "\n".join(
            [f"No intent with {parts} was enqueued. Nothing at all was enqueued.", *_letters(), *why_not_found(nothing_at_all=True)]
        )
    index, one, differences = nearest
    lines = [f"No intent with {parts} was enqueued.", f"The nearest of {len(every)} is outbox[{index}], {one}:"]
    return "\n".join([*lines, *(f"  {difference}" for difference in differences), *_letters(), *why_not_found(nothing_at_all=False)])


def _letters() -> list[str]:
    """An intent of `wooshq.submit` that is not valid is a dead letter: its sender got no error."""
    letters = current_outbox().letters(most=_SHOWN)
    return [f"There is a dead letter ({letter.reason}): {letter.detail}" for letter in letters]


def _listed(found: Sequence[Enqueued], every: Sequence[Enqueued]) -> str:
    lines = [f"  outbox[{index}], {one}" for index, one in enumerate(every) if one in found]
    return "\n".join(lines[:_SHOWN] + ([f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []))
