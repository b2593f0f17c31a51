"""What is found, the order that it comes in, and the place where a next page goes on."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from wooshq.finding.in_jobs import InJob
from wooshq.history.record import Kind
from wooshq.history.sql.refs import ref_of
from wooshq.ledger.replies import Result

KINDS: Final[tuple[Kind, ...]] = ("intent", "job", "letter")


@dataclass(frozen=True)
class Found(Result):
    """
    One thing that was found. kind: `intent`, `letter` or `job`. at: when it ended or, if it has not, when it was accepted; of a letter, when it
    was filed. kept_in: `ledger` or `history`. place: where a next page goes on after it. shown: the object that `status`, `dead list` or `bulk
    show` has for it.
    """

    kind: Kind
    id: str
    state: str
    at: str | None
    kept_in: str
    place: str
    shown: Mapping[str, Any]


@dataclass(frozen=True)
class FoundPage(Result):
    """
    One page of what a query finds, the newest first. after: where the next page goes on; None after the last one.

    recipients: on the first page of a query that asks for recipients: what is on record of them in fan-out jobs. not_searched: what was not
    searched, a sentence each; empty if the answer is complete. history: `searched`, `off` or `away`.
    """

    found: tuple[Found, ...]
    after: str | None
    recipients: tuple[InJob, ...] = ()
    not_searched: tuple[str, ...] = ()
    history: str = "off"


@dataclass(frozen=True)
class Count(Result):
    """How many things a query finds, by kind. not_searched: see `FoundPage`."""

    count: int
    kinds: dict[str, int] = field(default_factory=dict)
    not_searched: tuple[str, ...] = ()
    history: str = "off"


class Place(NamedTuple):
    """
    Where something stands in the order: by time, then by kind, then by id. Greater is newer. The history has the same order.
    """

    at_ms: int
    ref: bytes
    kind: Kind
    id: str

    @classmethod
    def of(cls, kind: Kind, thing_id: str, at_ms: int) -> Place:
        return cls(at_ms, ref_of(kind, thing_id), kind, thing_id)

    def __str__(self) -> str:
        return f"{self.at_ms}.{self.kind}.{self.id}"

    @classmethod
    def read(cls, text: str) -> Place:
        """Where a page goes on, as `FoundPage.after` says it. Raises ValueError."""
        at, _, rest = text.partition(".")
        name, _, thing_id = rest.partition(".")
        for kind in KINDS:
            if kind == name and at.isdecimal() and len(at) < 16 and thing_id:
                return cls.of(kind, thing_id, int(at))
        raise ValueError("after: is not the place of a page. Use `after` of the page before")


class Newest:
    """The newest places of many, of those after a place, at most `limit`."""

    def __init__(self, limit: int, after: Place | None) -> None:
        self._limit = limit
        self._after = after
        self._found: dict[bytes, Place] = {}

    def add(self, places: Iterable[Place]) -> None:
        """Add some. One that comes twice is one."""
        for place in places:
            if self._after is None or place < self._after:
                self._found[place.ref] = place
        if len(self._found) > 2 * self._limit + 1000:
            self._found = {place.ref: place for place in self.places()}

    @property
    def is_full(self) -> bool:
        """Whether there are as many as are wanted."""
        return len(self._found) >= self._limit

    def places(self) -> list[Place]:
        """The newest first."""
        return heapq.nlargest(self._limit, self._found.values())
