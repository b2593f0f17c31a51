"""The rules between an intent's fields, checked on the data as it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic_core import PydanticCustomError

from wooshq_schemas.platforms import KINDS, PLATFORMS, Platforms
from wooshq_schemas.recipient_lists import LISTS
from wooshq_schemas.request import application_in
from wooshq_schemas.validation.one_of import Location
from wooshq_schemas.validation.times import moment_of, seconds_of

MAX_TTL_S: Final = 315_360_000
"""Ten years, in seconds."""
_NIL: Final = "00000000-0000-0000-0000-000000000000"


PLAIN_ONLY = (
    "to",
    "message",
    "platforms",
    "schedule",
    "send_rate",
    "frequency_capping",
    "campaign",
    "placeholders",
    "meta_data",
    "message_type",
    "return_unknown_identifiers",
    "use_latest_user_device",
)
"""Fields that the exact form says inside `request`."""


@dataclass(frozen=True, slots=True)
class Against:
    """What an intent is held against beside its own fields. now: aware; None: times are not looked at. list_limit: None: none."""

    platforms: Platforms = PLATFORMS
    now: datetime | None = None
    list_limit: int | None = None


# ── Rules between fields: of data of any kind ───────────────────────────────────────────────────────────────────────────────────────

_NO_APPLICATION: Final = (("application",), "is needed", 'Set PUSHWOOSH_APPLICATION, or give "application": "XXXXX-XXXXX"')


def _own_rules(data: Mapping[str, Any]) -> Iterator[tuple[Location, str, str]]:
    if data.get("id") == _NIL:
        yield ("id",), "is the nil UUID, which names nothing", "Leave it out and one is made"


def exact_rules(data: Mapping[str, Any], against: Against) -> Iterator[tuple[Location, str, str]]:
    yield from _own_rules(data)
    for name in PLAIN_ONLY:
        if name in data:
            yield (name,), "cannot be given together with request", "Say it inside request, or use the plain form"
    inside = application_in(data["request"])
    if "application" not in data:
        if inside is None:
            yield _NO_APPLICATION
    elif inside is not None and inside != data["application"]:
        yield ("application",), "is not the application inside request", "Leave one of the two out"


_OF_LISTS: Final = frozenset({"return_unknown_identifiers", "use_latest_user_device"})


def plain_rules(data: Mapping[str, Any], against: Against) -> Iterator[tuple[Location, str, str]]:
    to, message = data.get("to"), data.get("message")
    if "id" in data:
        yield from _own_rules(data)
    if "to" not in data and "message" not in data:
        yield (), "says neither what nor to whom", 'Give "to" and "message", or "request"'
    elif "to" not in data or "message" not in data:
        yield ("message" if "to" in data else "to",), "is needed", 'The plain form takes "to" and "message"'
    if "application" not in data:
        yield _NO_APPLICATION
    for name in _OF_LISTS & data.keys():
        if isinstance(to, dict) and to and not any(kind in to for kind in LISTS):
            yield (name,), "goes with a list of recipients only", f"Leave it out, or address one of {', '.join(LISTS)}"
    if isinstance(message, dict) and len(message) == 1:
        yield from _platform_rules(data, message, against.platforms)
    if "schedule" in data and against.now is not None:
        yield from _schedule_rules(data, against.now)


def _platform_rules(data: Mapping[str, Any], message: Mapping[str, Any], table: Platforms) -> Iterator[tuple[Location, str, str]]:
    ((kind, said),) = message.items()
    if kind not in KINDS:
        return
    given = data.get("platforms")
    names = given if isinstance(given, list) else None
    for place, name in enumerate(names or ()):
        row = table.named(name) if isinstance(name, str) else None
        if row is not None and row.channel != kind and kind != "preset":
            right = ", ".join(one.name for one in table if one.channel == kind)
            yield ("platforms", place), f"is no platform for message.{kind}", f"Right would be {right}"
    if not isinstance(said, dict) or not ("live_update" in said or "overrides" in said):
        return
    rows = table.reached_by(kind, names)
    reached = ", ".join(row.name for row in rows)
    if kind == "push" and "live_update" in said and not any(row.live_updates for row in rows):
        right = " or ".join(row.name for row in table.with_live_updates)
        yield ("message", kind, "live_update"), "reaches none of the platforms of this message", f"Name {right} in platforms"
    overrides = said.get("overrides")
    for name in overrides if isinstance(overrides, dict) else ():
        row = table.named(name) if isinstance(name, str) else None
        if row is not None and row not in rows:
            yield ("message", kind, "overrides", name), "is none of the platforms of this message", f"There are: {reached}"


def _schedule_rules(data: Mapping[str, Any], now: datetime) -> Iterator[tuple[Location, str, str]]:
    schedule = data["schedule"]
    if not isinstance(schedule, dict):
        return
    name, at = "at", _moment(schedule.get("at"))
    after = schedule.get("after")
    if at is None and isinstance(after, str) and (wait_s := seconds_of(after)) is not None:
        name, at = "after", now + timedelta(seconds=min(wait_s, MAX_TTL_S))
    if at is None:
        return
    if at - now < timedelta(seconds=-60):
        yield ("schedule", name), "lies in the past", "Leave schedule out to send now"
    expires, ttl_s = _moment(data.get("expires_at")), data.get("ttl_s")
    left = expires - now if expires is not None else None
    if left is None and type(ttl_s) is int and 0 < ttl_s <= MAX_TTL_S:
        left = timedelta(seconds=ttl_s)
    if left is not None and at - now > left:
        yield ("schedule", name), "lies after the intent's expiry", "After expires_at or ttl_s nothing is sent: make it longer"


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else None
    try:
        return moment_of(value) if isinstance(value, str) else None
    except PydanticCustomError:  # the field's own check tells of it
        return None
