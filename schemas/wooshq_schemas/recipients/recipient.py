"""A recipient of a fan-out, and the names of the columns that make one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from wooshq_schemas.validation.names import did_you_mean, nearest
from wooshq_schemas.validation.problem import Problem

LIST_OF: Final[Mapping[str, str]] = {"user": "users", "hwid": "hwids", "push_token": "push_tokens", "email": "hwids"}
"""Column that identifies a recipient → list in the request. An email address goes to `hwids`, as with devices of API 1.3 (D)."""

LOCALE: Final = "locale"
"""The optional column that chooses which texts a recipient gets."""
_NAMES: Final = ", ".join(LIST_OF)


class Recipient(NamedTuple):
    """
    One user or device. to: the list in the request (`users`, `hwids`, `push_tokens`). placeholders: (name, value), sorted by name.

    Recipients that differ only in `identifier` can share a call.
    """

    identifier: str
    to: str = "users"
    locale: str | None = None
    placeholders: tuple[tuple[str, str], ...] = ()


RecipientLike: TypeAlias = Recipient | Mapping[str, Any] | str
"""A recipient as a mapping column → value, as a user's id, or as `Recipient`."""


def one_is_needed(names: Sequence[str], named: Sequence[str]) -> Problem:
    """The problem of a header or a mapping that has not exactly one of `LIST_OF`. names: all its columns. named: those of `LIST_OF`."""
    if named:
        return Problem("", f"only one of {_NAMES} is allowed, but these were given: {', '.join(named)}", "Keep one and remove the others")
    near = next((name for name in names if nearest(name, LIST_OF)), None)
    hint = did_you_mean(near, LIST_OF) if near is not None else "The first line of a CSV file must be its header" if names else ""
    return Problem("", f"one of {_NAMES} is required", hint)
