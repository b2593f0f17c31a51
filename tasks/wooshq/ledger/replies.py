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
    """The reply of HGETALL (a dict or a flat list, bytes or text) as texts."""
    items = flat.items() if isinstance(flat, Mapping) else zip(flat[::2], flat[1::2], strict=True)
    return {text(name): text(value) for name, value in items}


def text_or_none(value: Any) -> str | None:
    """`text` for a reply that may be nil."""
    return None if value is None else text(value)
