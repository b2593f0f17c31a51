"""Until when does Pushwoosh hold a message that was handed over? Its schedule says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import PydanticCustomError

from wooshq_schemas.validation.times import moment_of, seconds_of

_LAST_ZONE_MS: Final = 12 * 3600 * 1000
"""The last time zone, UTC-12, comes to a local time 12 hours after UTC."""


@dataclass(frozen=True, slots=True)
class Held:
    """at_ms: the schedule, ms since the epoch. until_ms: when the last user receives it, if it follows each user's time zone."""

    at_ms: int
    follows_user_timezone: bool = False

    @property
    def until_ms(self) -> int:
        return self.at_ms + (_LAST_ZONE_MS if self.follows_user_timezone else 0)

    def __str__(self) -> str:
        text = datetime.fromtimestamp(self.at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return f"{text}, in each user's own time zone" if self.follows_user_timezone else text


def held_by_pushwoosh(schedule: object, sent_at_ms: int) -> Held | None:
    """What a schedule (of an intent, or of a request body) means. sent_at_ms: when it was handed over. None if it cannot be read."""
    if not isinstance(schedule, Mapping):
        return None
    at, after = schedule.get("at"), schedule.get("after")
    try:
        if isinstance(at, str):
            at_ms = int(moment_of(at).timestamp() * 1000)
        elif isinstance(after, str) and (wait_s := seconds_of(after)) is not None:
            at_ms = sent_at_ms + int(wait_s * 1000)
        else:
            return None
        return Held(at_ms, schedule.get("follow_user_timezone") is True) if at_ms < _LAST_DATE_MS else None
    except PydanticCustomError:  # an exact form of an older version
        return None


_LAST_DATE_MS: Final = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1000)


def schedule_in(intent: object) -> Any:
    """The schedule that a stored intent gives, in either form; None without one: it is sent at once."""
    if not isinstance(intent, Mapping):
        return None
    request = intent.get("request")
    if not isinstance(request, Mapping):
        return intent.get("schedule")
    return next((inner.get("schedule") for inner in request.values() if isinstance(inner, Mapping)), None)
