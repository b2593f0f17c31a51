"""How values are written for a person: numbers, times, durations, sizes, ids. Filters of the templates. Pure, but for `now`."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup, escape

from wooshq.ledger.replies import Result

_THIN: Final = "\u202f"
"""A narrow space that does not break, between thousands."""
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NOTHING: Final = "–"
_AGES: Final = ((60.0, 1.0, "s"), (3600.0, 60.0, "min"), (86400.0, 3600.0, "h"), (math.inf, 86400.0, "d"))
_SIZES: Final = ("B", "KB", "MB", "GB", "TB", "PB")


def number(value: float | None, digits: int | None = None) -> str:
    """`12 345`, `0.25`. digits: after the point; None for as many as say something, at most 3."""
    if value is None:
        return _NOTHING
    if isinstance(value, int) or (digits is None and value == int(value)):
        return f"{int(value):,}".replace(",", _THIN)
    text = f"{value:,.{3 if digits is None else digits}f}".replace(",", _THIN)
    return text.rstrip("0").rstrip(".") if digits is None else text


def sentence(text: str) -> str:
    """A sentence of the rules, with thin spaces between thousands as everywhere else."""
    return _THOUSANDS.sub(_THIN, text)


def coded(text: str) -> Markup:
    """A text of the docs as HTML: what stands in backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts))


def percent(share: float | None, digits: int = 1) -> str:
    """`12.5 %` of 0.125."""
    return _NOTHING if share is None else f"{number(round(share * 100, digits))}{_THIN}%"


def duration(seconds: float | None) -> str:
    """`350 ms`, `12 s`, `3 min`, `2 h 5 min`, `4 d 3 h`."""
    if seconds is None:
        return _NOTHING
    if seconds < 0:
        return f"−{duration(-seconds)}"
    if seconds < 1:
        return f"{round(seconds * 1000)}{_THIN}ms" if seconds > 0 else f"0{_THIN}s"
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f}{_THIN}s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole}{_THIN}s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes}{_THIN}min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}{_THIN}h" + (f" {minutes}{_THIN}min" if minutes else "")
    days, hours = divmod(hours, 24)
    return f"{days}{_THIN}d" + (f" {hours}{_THIN}h" if hours and days < 10 else "")


def size(count: float | None) -> str:
    """Bytes as `1.5 MB`."""
    if count is None:
        return _NOTHING
    unit = min(len(_SIZES) - 1, int(math.log(count, 1024)) if count >= 1 else 0)
    return f"{number(round(count / 1024**unit, 1))}{_THIN}{_SIZES[unit]}"


def moment(value: str | float | datetime | None) -> datetime | None:
    """RFC 3339, seconds since the epoch, or a time, as a time in UTC."""
    if value is None or value == "":
        return None
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def relative(at: datetime, now: datetime) -> str:
    """`12 s ago`, `in 3 min`."""
    seconds = (now - at).total_seconds()
    limit, unit, name = next(row for row in _AGES if abs(seconds) < row[0])
    count = int(abs(seconds) // unit)
    if limit == _AGES[0][0] and count < 2:
        return "now"
    return f"{count}{_THIN}{name} ago" if seconds > 0 else f"in {count}{_THIN}{name}"


def ago(value: str | float | datetime | None, now: datetime | None = None) -> Markup:
    """A time in relative words; the exact one is in its title."""
    at = moment(value)
    if at is None:
        return Markup(_NOTHING)
    exact = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(
        at.isoformat(timespec="seconds"), exact, relative(at, now or datetime.now(UTC))
    )


def exact(value: str | float | datetime | None) -> Markup:
    """A time to the second, in UTC."""
    at = moment(value)
    if at is None:
        return Markup(_NOTHING)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC")


def short(text: str, most: int = 13) -> str:
    """The beginning and the end of an id: those made one after the other begin alike."""
    return text if len(text) <= most + 1 else f"{text[: most - 5]}…{text[-5:]}"


def pretty(value: Any) -> str:
    """JSON on several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=_plain)


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 message`, `12 345 messages`."""
    return f"{number(count)} {one if count == 1 else many or f'{one}s'}"


def _plain(value: object) -> Any:
    return dict(value) if isinstance(value, Result) else str(value)


FILTERS: Final = {
    "number": number,
    "percent": percent,
    "sentence": sentence,
    "coded": coded,
    "duration": duration,
    "size": size,
    "ago": ago,
    "exact": exact,
    "short": short,
    "pretty": pretty,
}
