"""The rules between an intent's fields. They read the data as it was written, so any part of it may have any type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from pydantic_core import PydanticCustomError

from wooshq_schemas.platforms import KINDS, PLATFORMS, Platforms, number_is_not_known
from wooshq_schemas.recipient_lists import LISTS
from wooshq_schemas.request import application_in
from wooshq_schemas.validation.one_of import Location
from wooshq_schemas.validation.times import moment_of, seconds_of

MAX_TTL_S: Final = 315_360_000
"""Ten years, in seconds."""
_NIL: Final = "00000000-0000-0000-0000-000000000000"
_PAST_S: Final = 60
"""A schedule may be so many seconds in the past: clocks differ, and requests take time."""

PLAIN_ONLY: Final = (
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
"""Fields of the plain form. The exact form has them inside `request`."""

_LISTS_ONLY: Final = frozenset({"return_unknown_identifiers", "use_latest_user_device"})
"""Fields that only a message to a list of recipients may have."""

Broken: TypeAlias = Iterator[tuple[Location, str, str]]
"""(where, problem, hint) of each rule that the data breaks."""


@dataclass(frozen=True, slots=True)
class Against:
    """
    What an intent is checked against besides its own fields.

    now: aware; None if times are not to be checked. is_stored: it comes from the ledger, so it was checked before.
    """

    platforms: Platforms = PLATFORMS
    now: datetime | None = None
    is_stored: bool = False


def exact_rules(data: Mapping[str, Any]) -> Broken:
    """The rules of the exact form: an intent with `request`."""
    yield from _id_rule(data)
    for name in PLAIN_ONLY:
        if name in data:
            yield (name,), "cannot be combined with request", "Put it inside request, or use the plain form"
    inside = application_in(data["request"])
    if "application" not in data:
        if inside is None:
            yield _NO_APPLICATION
    elif inside is not None and inside != data["application"]:
        yield ("application",), "differs from the application inside request", "Remove one of the two"


def plain_rules(data: Mapping[str, Any], against: Against) -> Broken:
    """The rules of the plain form: an intent with `to` and `message`."""
    to, message = data.get("to"), data.get("message")
    if "id" in data:
        yield from _id_rule(data)
    if "to" not in data and "message" not in data:
        yield (), "has no target and no message", 'Give "to" and "message", or "request"'
    elif "to" not in data or "message" not in data:
        yield ("message" if "to" in data else "to",), "is required", 'The plain form needs "to" and "message"'
    if "application" not in data:
        yield _NO_APPLICATION
    for name in _LISTS_ONLY & data.keys():
        if isinstance(to, dict) and to and not any(kind in to for kind in LISTS):
            yield (name,), "works only with a list of recipients", f"Leave it out, or use one of {', '.join(LISTS)} in to"
    if isinstance(message, dict) and len(message) == 1:
        yield from _platform_rules(data, message, against.platforms)
    if "schedule" in data and against.now is not None:
        yield from _schedule_rules(data, against.now)


_NO_APPLICATION: Final = (("application",), "is required", 'Set PUSHWOOSH_APPLICATION, or give "application": "XXXXX-XXXXX"')


def _id_rule(data: Mapping[str, Any]) -> Broken:
    if data.get("id") == _NIL:
        yield ("id",), "is the nil UUID, which identifies nothing", "Leave it out: wooshq makes one"


def _platform_rules(data: Mapping[str, Any], message: Mapping[str, Any], table: Platforms) -> Broken:
    """Each platform that is named must suit the kind of message, and each part for one platform must reach that platform."""
    ((kind, fields),) = message.items()
    if kind not in KINDS:
        return
    given = data.get("platforms")
    names = given if isinstance(given, list) else None
    for place, name in enumerate(names or ()):
        row = table.named(name) if isinstance(name, str) else None
        if row is not None and row.channel != kind and kind != "preset":
            right = ", ".join(one.name for one in table if one.channel == kind)
            yield ("platforms", place), f"is not a platform for message.{kind}", f"Use one of: {right}"
    if not isinstance(fields, dict) or not ("live_update" in fields or "overrides" in fields):
        return
    rows = table.with_parts(table.reached_by(kind, names))
    if kind == "push" and "live_update" in fields and not any(row.live_updates for row in rows):
        right = " or ".join(row.name for row in table.with_live_updates)
        yield ("message", kind, "live_update"), "is not shown on any platform of this message", f"Add {right} to platforms"
    overrides = fields.get("overrides")
    for name, own in overrides.items() if isinstance(overrides, dict) else ():
        row = table.named(name) if isinstance(name, str) else None
        if row is not None and row not in rows:
            right = ", ".join(row.name for row in rows)
            yield ("message", kind, "overrides", name), "is not a platform of this message", f"Use one of: {right}"
        elif row is not None and row.number is None and isinstance(own, dict) and "link" in own:
            yield ("message", kind, "overrides", name, "link"), *number_is_not_known(row)


def _schedule_rules(data: Mapping[str, Any], now: datetime) -> Broken:
    """A schedule must be between now and the expiry."""
    schedule = data["schedule"]
    if not isinstance(schedule, dict):
        return
    name, at = "at", moment(schedule.get("at"))
    after = schedule.get("after")
    if at is None and isinstance(after, str) and (wait_s := seconds_of(after)) is not None:
        name, at = "after", now + timedelta(seconds=min(wait_s, MAX_TTL_S))
    if at is None:
        return
    if at - now < timedelta(seconds=-_PAST_S):
        yield ("schedule", name), "is in the past", "Leave schedule out to send now"
    expires, ttl_s = moment(data.get("expires_at")), data.get("ttl_s")
    left = expires - now if expires is not None else None
    if left is None and type(ttl_s) is int and 0 < ttl_s <= MAX_TTL_S:
        left = timedelta(seconds=ttl_s)
    if left is not None and at - now > left:
        yield (
            ("schedule", name),
            "is later than the intent's expiry",
            "Nothing is sent after the expiry. Use a later expires_at or a larger ttl_s",
        )


def moment(value: object) -> datetime | None:
    """The time that a field gives; None if it gives none, or one that the check of the field reports."""
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else None
    try:
        return moment_of(value) if isinstance(value, str) else None
    except PydanticCustomError:
        return None
