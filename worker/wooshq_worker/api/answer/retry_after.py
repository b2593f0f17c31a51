"""How long did the API ask us to wait? Retry-After, RetryInfo; strangers wrote both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_SECONDS: Final = re.compile(r"\d{1,300}(\.\d{1,20})?(e\+?\d{1,3})?", re.IGNORECASE | re.ASCII)
_UNITS: Final[Mapping[str, float]] = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
#: `4s`, `1m0s`, `1h2m3.5s`, `500ms` (Go's durations), `30 seconds`, `2 min`.
_PART: Final = r"(\d{1,15}(?:\.\d{1,15})?)\s?(hours?|h|min(?:ute)?s?|ms|m|sec(?:ond)?s?|s)"
_DURATION: Final = re.compile(rf"(?:{_PART}\s?)+", re.IGNORECASE | re.ASCII)
_PARTS: Final = re.compile(_PART, re.IGNORECASE | re.ASCII)
_FIRST_DATE: Final = 1e9
"""A number from here on is a date (seconds since 1970; this is the year 2001): no server asks for a wait of 30 years."""
_LARGEST: Final = (1e11, 1e14, 1e17, 1e20)
"""Below the first one a date is in seconds, below the second one in ms, then µs, then ns."""


def not_before(headers: Mapping[str, Sequence[str]], retry_delay_s: float | None, now: datetime, ceiling_s: float) -> float | None:
    """
    Seconds from now, at most `ceiling_s`: the longest wait that the answer asks for. None if it asks for none that can be used.

    headers: of the answer. retry_delay_s: RetryInfo of its body. now: aware UTC; a date counts from the answer's own Date, if it has one.
    """
    asked = [retry_delay_s] if retry_delay_s is not None else []
    given = headers.get("retry-after", ())
    if given:
        dates = headers.get("date", ())
        answered_at = _http_date(dates[0]) if len(dates) == 1 else None
        for value in given:
            asked += _waits(value.strip(), answered_at or now)
    usable = [seconds for seconds in asked if seconds > 0]  # this drops NaN, too
    return min(max(usable), ceiling_s) if usable else None


def _waits(value: str, since: datetime) -> Iterable[float]:
    """The waits in one header: seconds, a duration, a date, or a list of these (a proxy joined two headers with a comma)."""
    date = _http_date(value) or _iso_date(value)  # first, for an HTTP date has a comma
    if date is not None:
        return [(date - since).total_seconds()]
    parts = [part.strip() for part in value.split(",")]
    waits = [_wait(part, since) for part in parts]
    return [] if None in waits else [wait for wait in waits if wait is not None]


def _wait(part: str, since: datetime) -> float | None:
    if _SECONDS.fullmatch(part):
        number = float(part)
        return number if number < _FIRST_DATE else _until(number, since)
    if _DURATION.fullmatch(part):
        return sum(float(number) * _UNITS[_unit(unit)] for number, unit in _PARTS.findall(part))
    date = _iso_date(part)
    return None if date is None else (date - since).total_seconds()


def _unit(said: str) -> str:
    said = said.lower()
    return said if said in _UNITS else said[0]


def _until(number: float, since: datetime) -> float | None:
    """The wait until a date that is a number, in whatever unit; None if it is not a date of this calendar."""
    for place, largest in enumerate(_LARGEST):
        if number < largest:
            return number / 1000.0**place - since.timestamp()
    return None


def _http_date(value: str) -> datetime | None:
    try:
        return _aware(parsedate_to_datetime(value))
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def _iso_date(value: str) -> datetime | None:
    """RFC 3339 and its relatives. A date is at least `2026-05-01`."""
    if len(value) < 10 or value[4:5] != "-":
        return None
    try:
        return _aware(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        return None


def _aware(date: datetime) -> datetime:
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
