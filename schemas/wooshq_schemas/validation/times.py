"""Times and durations in data from outside, and as the API's reference writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from wooshq_schemas.validation.problem import refusal
from wooshq_schemas.validation.values import Shape

_RFC3339: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?P<second>[0-5]\d|60)(?:\.\d{1,9})?(?P<zone>[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)
_EXAMPLE: Final = "Example: 2026-05-01T09:00:00Z"
_DURATION: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?s")


def utc_text(moment: datetime) -> str:
    """An aware datetime as the reference writes times: UTC, whole seconds, `Z`. Raises ValueError for a naive one: a bug in the caller."""
    if moment.tzinfo is None:
        raise ValueError("the datetime has no time zone: use datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat("T", "seconds")[:19] + "Z"


def moment_of(text: str) -> datetime:
    """
    An RFC 3339 time as an aware datetime in UTC. Six digits of a fraction are kept, as many as a datetime holds.

    Raises PydanticCustomError (a ValueError) that says what is wrong.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise refusal("is not an RFC 3339 time", _EXAMPLE)
    if found["zone"] is None:
        raise refusal("has no time zone", f"{_EXAMPLE} or 2026-05-01T11:00:00+02:00")
    if found["second"] == "60":
        raise refusal("is a leap second, which is not supported", "Use the second after it")
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refusal("is not a valid time", _EXAMPLE) from None


def seconds_of(duration: str) -> float | None:
    """The seconds of a protobuf duration such as `90s` or `1.5s`; None for any other text."""
    return float(duration[:-1]) if _DURATION.fullmatch(duration) else None


_LIKE_A_DURATION: Final = re.compile(
    r"\s*[+-]?(P[0-9T]|[0-9]+(\.[0-9]+)?\s*([a-z]{1,12}\.?(\s*[0-9]+\s*[a-z]{1,12})*)?\s*$)", re.IGNORECASE | re.ASCII
)
"""`90s`, `1.5s`, `5m`, `1h30m`, `90 seconds`, `PT5M`, `90`."""
_FOR_A_DURATION: Final = {
    "at": 'For a duration use after, in seconds: "after": "90s"',
    "expires_at": 'For a duration use ttl_s, in seconds: "ttl_s": 90',
}
"""Field → where a duration belongs instead."""


def _as_text(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, (int, float, timedelta)) and not isinstance(value, bool):
        raise refusal("must be a string", f"{_EXAMPLE}. {_FOR_A_DURATION.get(info.field_name or '', '')}".rstrip(". "))
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise refusal("has no time zone", "Use datetime.now(UTC) or a string such as 2026-05-01T09:00:00Z")
        return value.isoformat().replace("+00:00", "Z")
    return value


def _is_moment(text: str, info: ValidationInfo) -> str:
    if _RFC3339.fullmatch(text) is None and _LIKE_A_DURATION.match(text) and info.field_name in _FOR_A_DURATION:
        raise refusal("is a duration, not a time", _FOR_A_DURATION[info.field_name])
    moment_of(text)
    return text


Time = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_moment)]
"""RFC 3339 text with a zone. Python callers may give an aware datetime."""

Duration = Annotated[str, Shape(f"^{_DURATION.pattern}$", "is not a duration", 'Example: "90s" or "1.5s", in seconds. For a time use at')]
"""A protobuf duration."""
