"""A recipient of a fan-out, and the names of the columns that make one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

LIST_OF: Final[Mapping[str, str]] = {"user": "users", "hwid": "hwids", "push_token": "push_tokens", "email": "hwids"}
"""Column that identifies a recipient → list in the request. An email address goes to `hwids`, as with devices of API 1.3 (D)."""

LOCALE: Final = "locale"
"""The optional column that chooses which texts a recipient gets."""


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
