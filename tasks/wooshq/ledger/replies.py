"""Redis's replies as values: text out of bytes, milliseconds out of TIME."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def text(value: Any) -> str:
    """A bulk reply as text, whether the client decodes or not."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def ms(time: Sequence[Any]) -> int:
    """The reply of TIME (seconds, microseconds) as ms since the epoch."""
    return int(time[0]) * 1000 + int(time[1]) // 1000


def as_row(flat: Any) -> dict[str, str]:
    """The reply of HGETALL (a dict or a flat list, bytes or text) as texts. A body that is kept in pieces (see row.lua) is whole."""
    items = flat.items() if isinstance(flat, Mapping) else zip(flat[::2], flat[1::2], strict=True)
    row = {text(name): value for name, value in items}
    n = 1
    while (piece := row.pop(f"body:{n}", None)) is not None:
        row["body"] += piece
        n += 1
    return {name: text(value) for name, value in row.items()}


def text_or_none(value: Any) -> str | None:
    """`text` for a reply that may be nil."""
    return None if value is None else text(value)
