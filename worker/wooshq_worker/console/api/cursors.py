"""Opaque cursors of lists: where the next page begins. A client gives back what it got, and nothing depends on what is in it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from wooshq_schemas import Problem
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api.problems import invalid_parameters


class HasId(Protocol):
    """An entry of a list."""

    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=HasId)


def cursor_of(place: int, last_id: str) -> str:
    """The cursor behind an entry. place: its number among those before it, or its time; it orders the list."""
    return base64.urlsafe_b64encode(json.dumps([place, last_id], separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[int, str]:
    """What `cursor_of` was given. Raises Refused (422) for anything else."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        place, last_id = json.loads(raw)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _unknown() from None
    if type(place) is not int or not isinstance(last_id, str) or not 0 <= place < 1 << 53:
        raise _unknown()
    return place, last_id


async def page_of_newest(newest: Callable[[int], Awaitable[Sequence[T]]], after: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """
    One page of a list whose newest entries come first, and the cursor of the next page. newest: gives so many of the newest entries.

    Entries that came in the meantime are not on it. Raises Refused (422) if the entry behind which it begins is no longer in the list.
    """
    if after is None:
        found = await newest(limit + 1)
        return found[:limit], cursor_of(limit, found[limit - 1].id) if len(found) > limit else None
    place, last_id = read_cursor(after)
    wanted = place + limit + 1
    while True:
        found = await newest(wanted)
        at = next((n for n in range(len(found) - 1, -1, -1) if found[n].id == last_id), None)
        if at is not None and (at + 1 + limit < len(found) or len(found) < wanted):
            page = found[at + 1 : at + 1 + limit]
            goes_on = at + 1 + limit < len(found)
            return page, cursor_of(at + 1 + limit, page[-1].id) if goes_on else None
        if len(found) < wanted:
            raise _unknown()
        wanted *= 2


def _unknown() -> Refused:
    return invalid_parameters([Problem("after", "is not a cursor of this list any more", "Begin again without it")])
