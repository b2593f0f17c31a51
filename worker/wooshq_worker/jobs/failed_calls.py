"""The failed calls of a chunk: kept for the attempts in dead letters, and for the worker that takes the chunk next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from wooshq.ledger.lost_workers import PlaceRange
from wooshq_worker.api.attempt import Attempt

_MOST: Final = 50
"""Entries that are kept. Attempts with the same result share an entry."""


class FailedCalls:
    """Each entry is an attempt as JSON, and the `runs` of places that it was made for."""

    def __init__(self, stored: str) -> None:
        """stored: by the workers that held the chunk before; '' if they stored nothing."""
        self._before: list[dict[str, Any]] = json.loads(stored) if stored else []
        self._ours: dict[tuple[Any, ...], dict[str, Any]] = {}

    def add(self, ranges: Iterable[PlaceRange], attempts: Iterable[Attempt]) -> None:
        """Remember the attempts of one call. ranges: places of its recipients."""
        for attempt in attempts:
            record = attempt.as_dict()
            key = (record["outcome"], record["http_status"], record["code"], record["error"])
            entry = self._ours.setdefault(key, {**record, "runs": []})
            entry["runs"] += [list(one) for one in ranges]

    def of_place(self, place: int) -> list[Mapping[str, Any]]:
        """The failed attempts that a recipient was part of, the oldest first."""
        return [
            {name: value for name, value in entry.items() if name != "runs"}
            for entry in (*self._before, *self._ours.values())
            if any(first <= place <= last for first, last in entry["runs"])
        ]

    def to_json(self) -> str:
        """The newest entries, as they are stored; '' if no call failed."""
        entries = [*self._before, *self._ours.values()][-_MOST:]
        return json.dumps(entries, ensure_ascii=False, separators=(",", ":")) if entries else ""
