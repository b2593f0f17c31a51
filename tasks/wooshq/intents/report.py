"""What `enqueue_many` returns: ids and errors by index, in little memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from wooshq.errors import Problem

MOST_ERRORS = 10_000
"""Refused intents whose problems are kept. The others are only counted."""


class Ids(Sequence[str | None]):
    """Ids by index, 16 bytes each (a text takes 85). None if the intent was refused."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def append(self, intent_id: str | None) -> None:
        """Add the id of the next index."""
        self._bytes += bytes(16) if intent_id is None else bytes.fromhex(intent_id.replace("-", ""))

    @overload
    def __getitem__(self, index: int) -> str | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str | None]: ...
    def __getitem__(self, index: int | slice) -> str | None | Sequence[str | None]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        at = (index % len(self)) * 16
        raw = bytes(self._bytes[at : at + 16])
        return str(uuid.UUID(bytes=raw)) if any(raw) else None

    def __len__(self) -> int:
        return len(self._bytes) // 16

    def __repr__(self) -> str:
        return f"<{len(self)} ids>"

    def __iter__(self) -> Iterator[str | None]:
        return (self[i] for i in range(len(self)))


@dataclass(slots=True)
class Report:
    """
    What became of an iterable of intents.

    accepted: intents in the ledger, including those accepted earlier (same key, same content). refused: intents that were not accepted.
    ids: by index; None for a refused intent. errors: index → problems, for the first 10,000 refused.
    """

    accepted: int = 0
    refused: int = 0
    ids: Ids = field(default_factory=Ids)
    errors: dict[int, tuple[Problem, ...]] = field(default_factory=dict)

    def took(self, intent_id: str) -> None:
        """The next index was accepted."""
        self.accepted += 1
        self.ids.append(intent_id)

    def refuse(self, index: int, problems: tuple[Problem, ...]) -> None:
        """The next index was refused."""
        self.refused += 1
        self.ids.append(None)
        if len(self.errors) < MOST_ERRORS:
            self.errors[index] = problems
