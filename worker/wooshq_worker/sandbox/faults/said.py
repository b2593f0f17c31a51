"""What a request says: its presets and its texts, for rules that look at them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class Said:
    """A request body, read when a rule asks. One that is not JSON says nothing."""

    def __init__(self, body: bytes = b"") -> None:
        self._body = body
        self._found: tuple[tuple[str, str], ...] | None = None

    def names_preset(self, code: str) -> bool:
        """Whether it sends this preset."""
        return ("preset", code) in self._strings()

    def contains(self, text: str) -> bool:
        """Whether any of its strings has this part."""
        return any(text in value for _, value in self._strings())

    def _strings(self) -> tuple[tuple[str, str], ...]:
        if self._found is None:
            try:
                self._found = tuple(_strings_in(json.loads(self._body)))
            except (ValueError, RecursionError):
                self._found = ()
        return self._found


def _strings_in(data: Any) -> Iterator[tuple[str, str]]:
    """Every string, with the name of its field; of a list, the list's."""
    left: list[tuple[str, Any]] = [("", data)]
    while left:
        name, value = left.pop()
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            left += value.items()
        elif isinstance(value, list):
            left += ((name, one) for one in value)
