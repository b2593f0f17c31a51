"""Types of single values that models share: shapes of texts, free JSON, codes and identifiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, GetCoreSchemaHandler, JsonValue, StringConstraints
from pydantic_core import CoreSchema, core_schema

from wooshq_schemas.validation.problem import RULE, refusal

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, protected_namespaces=())
"""For data from outside: no value is converted, unknown fields are refused, errors do not show values."""

OPEN = ConfigDict(STRICT, extra="allow")  # type: ignore[misc]
"""For objects that the reference does not describe in full: known fields are checked, other fields pass."""

MAX_DEPTH: Final = 64
"""Levels of objects and lists in one free value."""


def absent() -> Any:
    """A field that may be left out but must not be null. In what we write it is left out too."""
    return Field(default=None)


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


def _not_null(value: Any) -> Any:
    if value is None:
        raise refusal("must not be null", "Leave it out")
    return value


Given = Annotated[JsonValue, AfterValidator(_not_too_deep), AfterValidator(_not_null)]
"""Any JSON value but null, of bounded depth: for a field whose form the reference does not know."""


@dataclass(frozen=True, slots=True)
class Shape:
    """
    A text that matches a pattern; for a text that does not: the problem and the hint.

    pydantic's core checks it, so it costs no Python on the hot path.
    """

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


Locale = Annotated[
    str,
    Shape(r"^(default|[a-z]{2}|zh-Hans|zh-Hant)$", "is not a locale", "Use default, zh-Hans, zh-Hant or two letters such as en"),
]
"""ISO 639-1, `default`, `zh-Hans` or `zh-Hant`."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
"""A recipient's identifier."""

Code = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""A name or code that Pushwoosh gave."""

ApplicationCode = Annotated[
    str,
    Shape(
        r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        "is not an application code",
        "Use the code that the Pushwoosh panel shows, such as XXXXX-XXXXX",
    ),
]
"""The reference says `XXXXX-XXXXX`. wooshq accepts any harmless code, and lint warns if the shape differs."""
