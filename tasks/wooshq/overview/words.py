"""Numbers and times as words, in sentences for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_UNITS: Final = (("day", 86_400), ("h", 3_600), ("min", 60))


def duration(seconds: float) -> str:
    """`0.4 s`, `90 s`, `3 min`, `2 h 5 min`, `4 days`."""
    if seconds < 1:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    at = next(n for n, (_, unit) in enumerate(_UNITS) if seconds >= unit)
    name, unit = _UNITS[at]
    whole = int(seconds // unit)
    if name == "day":
        return several(whole, "day")
    rest = int(seconds % unit // _UNITS[at + 1][1]) if at + 1 < len(_UNITS) else 0
    return f"{whole} {name} {rest} {_UNITS[at + 1][0]}" if rest else f"{whole} {name}"


def several(n: int, one: str, many: str | None = None) -> str:
    """`1 message`, `2,000 messages`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def some_of(names: Sequence[str], most: int = 3) -> str:
    """`a`, `a and b`, `a, b, c and 9 more`."""
    shown, rest = list(names[:most]), len(names) - most
    if rest > 0:
        shown.append(f"{rest:,} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def size(n: float) -> str:
    """`812 KB`, `1.4 GB`."""
    for unit in ("KB", "MB", "GB"):
        n /= 1024
        if n < 1000 or unit == "GB":
            return f"{n:,.1f} {unit}" if n < 10 else f"{n:,.0f} {unit}"
    raise AssertionError
