"""What a producer wants said to whom: the intent, its two forms, and the door through which strangers' data comes in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

from wooshq_schemas.problems import (
    RULE,
    refusal,
)


def utc_text(moment: datetime) -> str:
    """An aware datetime as the reference writes times: UTC, whole seconds, `Z`. Raises ValueError for a naive one: a bug in the caller."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a zone: datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat("T", "seconds")[:19] + "Z"


STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, protected_namespaces=())
"""Strangers' data: nothing is converted, nothing unknown passes, nothing of it is echoed."""

OPEN = ConfigDict(STRICT, extra="allow")  # type: ignore[misc]
"""Where the reference does not know the inner form: known fields are checked, others pass."""

MAX_DEPTH = 64
"""Levels of objects and lists in one free value."""


def _not_too_deep(value: Any) -> Any:
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, (dict, list))]:
        depth += 1
        if depth > MAX_DEPTH:
            raise refusal(f"is nested more than {MAX_DEPTH} levels deep", "Flatten it")
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return value


JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_not_too_deep)]
"""Any JSON object of bounded depth."""

Free = Annotated[JsonValue, AfterValidator(_not_too_deep)]
"""Any JSON value of bounded depth."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A text that matches a pattern, and what to say of one that does not. Checked in pydantic's core: no Python on the hot path."""

    pattern: str
    problem: str
    hint: str
    to_lower: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern, strict=True, to_lower=self.to_lower),
            custom_error_type=RULE,
            custom_error_message="{problem}",
            custom_error_context={"problem": self.problem, "hint": self.hint},
        )


_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?P<second>[0-5]\d|60)(?:\.\d{1,9})?(?P<zone>[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)
_RIGHT_TIME = "Right would be 2026-05-01T09:00:00Z"


def moment_of(text: str) -> datetime:
    """
    An RFC 3339 time as an aware datetime, UTC; of a fraction six digits are kept, for a datetime holds no more.

    Raises PydanticCustomError (a ValueError), in words, for anything else.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise refusal("is not an RFC 3339 time", _RIGHT_TIME)
    if found["zone"] is None:
        raise refusal("is a time without a zone", f"{_RIGHT_TIME}, or 2026-05-01T11:00:00+02:00")
    if found["second"] == "60":
        raise refusal("is a leap second, which clocks here do not have", "Use the second after it")
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refusal("is not a time that exists", _RIGHT_TIME) from None


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise refusal("is a time without a zone", "Give datetime.now(UTC), or a text such as 2026-05-01T09:00:00Z")
        return value.isoformat().replace("+00:00", "Z")
    return value


def _is_moment(text: str) -> str:
    moment_of(text)
    return text


Time = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_moment)]
"""RFC 3339 text with a zone (Python callers may give an aware datetime)."""

Duration = Annotated[str, Shape(r"^[0-9]{1,12}(\.[0-9]{1,9})?s$", "is not a duration", 'Right would be "90s" or "1.5s"')]
"""A protobuf duration."""

Locale = Annotated[
    str,
    Shape(r"^(default|[a-z]{2}|zh-Hans|zh-Hant)$", "is not a locale", "Right would be default, two letters such as en, zh-Hans or zh-Hant"),
]
"""ISO 639-1, `default`, `zh-Hans`, `zh-Hant`."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ApplicationCode = Annotated[
    str,
    Shape(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", "is not an application code", "Right would be XXXXX-XXXXX, as the Pushwoosh panel has it"),
]
"""`XXXXX-XXXXX` by the reference; wooshq asks for no more than that it is harmless, and lint tells of another shape."""


def absent() -> Any:
    """A field that may be left out, and may not be null: absent fields are absent on the wire."""
    return Field(default=None)
