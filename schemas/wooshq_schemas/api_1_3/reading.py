"""One object of API 1.3 while it is read: which of its fields were used, and what is said about the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wooshq_schemas.validation.names import shown
from wooshq_schemas.validation.problem import Problem


class Reading:
    """
    notes: what has no counterpart, or another meaning in v2. refused: why no intent can be made of the object. path: where it stands.

    No note contains a value.
    """

    def __init__(self, given: Mapping[str, Any], path: str) -> None:
        self.given = given
        self.notes: list[Problem] = []
        self.refused: list[Problem] = []
        self._path = path
        self._used: set[str] = set()

    def take(self, name: str) -> Any:
        """A field's value; None if it is absent or null. Nothing else is said about a field that was taken."""
        self._used.add(name)
        return self.given.get(name)

    def note(self, name: str, problem: str, hint: str = "") -> None:
        """Something of a field is lost, or is to be checked."""
        self._used.add(name)
        self.notes.append(Problem(self._field(name), problem, hint))

    def refuse(self, name: str, problem: str, hint: str = "") -> None:
        """No intent can be made: it would say something else, or reach others."""
        self._used.add(name)
        self.refused.append(Problem(self._field(name), problem, hint))

    @property
    def rest(self) -> Iterable[str]:
        """The fields that were not used so far."""
        return [name for name, value in self.given.items() if name not in self._used and value is not None]

    def _field(self, name: str) -> str:
        return ".".join(part for part in (self._path, shown(name) if name else "") if part)


def is_yes(value: object) -> bool:
    """API 1.3 takes true, 1 and "1" alike."""
    return value in (True, 1, "1", "true")
