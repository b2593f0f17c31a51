"""When is it sent? `send_date`, `timezone` and `ignore_user_timezone` of API 1.3 as a schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from wooshq_schemas.api_1_3.reading import Reading, is_yes


def schedule_of(reading: Reading) -> dict[str, Any] | None:
    """The schedule; None for "now". v2 knows only UTC, and `follow_user_timezone` is the inverse of `ignore_user_timezone`."""
    date, zone, ignores = (reading.take(name) for name in ("send_date", "timezone", "ignore_user_timezone"))
    if date in (None, "", "now"):
        return None
    local = _local_time(date)
    if local is None:
        reading.refuse("send_date", "is not a time", "Example: 2026-05-01 09:00, or now")
        return None
    if ignores is not None and not is_yes(ignores):
        if zone is not None:
            reading.note("timezone", "is not used: the message follows each user's time zone", "API 1.3 does not use it either")
        return {"at": _utc_text(local.replace(tzinfo=UTC)), "follow_user_timezone": True}
    if ignores is None:
        reading.note(
            "send_date", "is read as UTC for all users: ignore_user_timezone is missing", "Add follow_user_timezone if you want it"
        )
    try:
        return {"at": _utc_text(local.replace(tzinfo=ZoneInfo(zone) if zone else UTC).astimezone(UTC))}
    except (ValueError, TypeError, KeyError, OSError, OverflowError):  # a name that does not exist is a KeyError
        reading.refuse("timezone", "is not a time zone that this machine knows", "Write send_date in UTC, and leave timezone out")
        return None


def _local_time(date: object) -> datetime | None:
    """`2026-05-01 09:00`, with or without seconds."""
    if not isinstance(date, str):
        return None
    try:
        found = datetime.fromisoformat(date.strip())
    except ValueError:
        return None
    return found if found.tzinfo is None and len(date.strip()) > 10 else None


def _utc_text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
