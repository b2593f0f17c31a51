"""How long did the API ask us to wait? Retry-After, RetryInfo; strangers wrote both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_SECONDS: Final = re.compile(r"\d{1,300}(\.\d{1,20})?(e\+?\d{1,3})?", re.IGNORECASE | re.ASCII)


def not_before(headers: Mapping[str, Sequence[str]], retry_delay_s: float | None, now: datetime, ceiling_s: float) -> float | None:
    """
    Seconds from now, at most `ceiling_s`: the longest wait that the answer asks for. None if it asks for none that can be used.

    headers: of the answer. retry_delay_s: RetryInfo of its body. now: aware UTC; a date counts from the answer's own Date, if it has one.
    """
    asked = [retry_delay_s] if retry_delay_s is not None else []
    given = headers.get("retry-after", ())
    if given:
        dates = headers.get("date", ())
        answered_at = _date(dates[0]) if len(dates) == 1 else None
        for value in given:
            asked += _waits(value.strip(), answered_at or now)
    usable = [seconds for seconds in asked if seconds > 0]  # this drops NaN, too
    return min(max(usable), ceiling_s) if usable else None


def _waits(value: str, since: datetime) -> Iterable[float]:
    """The waits in one header: seconds, a date, or a list of seconds (a proxy joined two headers with a comma)."""
    parts = [part.strip() for part in value.split(",")]
    if all(_SECONDS.fullmatch(part) for part in parts):
        return [float(part) for part in parts]
    date = _date(value)
    return [(date - since).total_seconds()] if date else []


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
