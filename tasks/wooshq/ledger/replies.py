"""Redis's replies as values: text out of bytes, milliseconds out of TIME."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def text(value: Any) -> str:
    """A bulk reply as text, whether the client decodes or not."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def ms(time: Sequence[Any]) -> int:
    """The reply of TIME (seconds, microseconds) as ms since the epoch."""
    return int(time[0]) * 1000 + int(time[1]) // 1000
