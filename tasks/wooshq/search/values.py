"""Which values a field of a query can have. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from wooshq.ledger.states import HELD, JobState, LetterState, Reason, State
from wooshq.search.tree import Field
from wooshq_schemas.validation.names import did_you_mean

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
"""Unit of an age or a duration → seconds."""

_AGE: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMES: Final = "Use 2026-05-01T09:00:00Z, 2026-05-01, or an age such as 2h"

KNOWN: Final[Mapping[Field, tuple[str, ...]]] = {
    Field.STATE: tuple(dict.fromkeys((*State, HELD, *LetterState, *JobState))),
    Field.REASON: tuple(Reason),
    Field.LANE: ("transactional", "bulk"),
}
"""The fields that have only these values."""


def problem_of(field: Field, value: str) -> str | None:
    """What is wrong with the value of a field, and what would be right; None if nothing is. It never repeats the value."""
    if not value:
        return f"{field}: must not be empty; leave the condition out to match everything"
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
        return f"{field}: has a character that cannot be stored"
    if field in KNOWN and value not in KNOWN[field]:
        return f"{field}: is not a known value. {did_you_mean(value, map(str, KNOWN[field]))}"
    if field is Field.CAUSE and re.fullmatch(r"[0-9a-f]{12}", value) is None:
        return "cause: is not the id of a cause: 12 digits and letters a to f. `wooshq dead groups` shows them"
    if field is Field.STATUS and re.fullmatch(r"[1-5][0-9]{2}", value) is None:
        return "status: is not an HTTP status. Use a number such as 400"
    return None


def moment(text: str, now: datetime) -> datetime:
    """
    A time, a date (midnight, UTC) or an age, in UTC. now: aware; ages are counted back from it.

    Raises ValueError that says what is wrong.
    """
    try:
        if age := _AGE.fullmatch(text):
            return now.astimezone(UTC) - timedelta(seconds=int(age[1]) * UNITS[age[2]])
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"is not a valid time. {_TIMES}") from None
    raise ValueError(f"has no time zone. {_TIMES}")
