"""What a producer wants said to whom: the intent, its two forms, and the door through which strangers' data comes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

#: Kind of message → keys of the table's rows that it reaches where the intent names no platforms.
DEFAULT_PLATFORMS: Final[Mapping[str, tuple[str, ...]]] = {
    "push": ("IOS", "ANDROID"),
    "sms": ("SMS",),
    "telegram": ("TELEGRAM",),
    "kakao": ("KAKAO",),
    "line": ("LINE",),
    "whatsapp": ("WHATSAPP",),
    "email": ("EMAIL",),
    "preset": (),
}


def rows_of(kind: str, names: Iterable[Any] | None, table: Platforms) -> list[Platform]:
    """The platforms that a plain message is for, each once. names: the intent's `platforms`; those that are none are left out."""
    if names is None:
        return [table.rows[key] for key in DEFAULT_PLATFORMS[kind]]
    return list(dict.fromkeys(row for name in names if isinstance(name, str) and (row := table.named(name)) is not None))


@dataclass(frozen=True, slots=True)
class Platform:
    """
    One row. block: key of its content (None: email, which has a payload of its own). name: in `platforms`. number: in `open_actions`.

    channel: what kind of plain message reaches it. sure: how well the reference knows block, name and number (A documented, D our reading).
    """

    block: str | None
    name: str
    number: int
    channel: str
    sure: str


_TABLE = (
    Platform("ios", "IOS", 1, "push", "AAB"),
    Platform("android", "ANDROID", 3, "push", "AAB"),
    Platform("huawei_android", "HUAWEI_ANDROID", 17, "push", "ADB"),
    Platform("baidu_android", "BAIDU_ANDROID", 18, "push", "ADD"),
    Platform("mac_os", "MAC_OS", 7, "push", "ADB"),
    Platform("amazon", "AMAZON", 9, "push", "ADB"),
    Platform("windows", "WINDOWS", 8, "push", "DDB"),
    Platform("safari", "SAFARI", 10, "push", "DDB"),
    Platform("chrome", "CHROME", 11, "push", "DDB"),
    Platform("firefox", "FIREFOX", 12, "push", "DDB"),
    Platform("ie", "IE", 13, "push", "DDB"),
    Platform(None, "EMAIL", 14, "email", "AAD"),
    Platform("sms", "SMS", 19, "sms", "DDD"),
    Platform("telegram", "TELEGRAM", 20, "telegram", "DDD"),
    Platform("kakao", "KAKAO", 21, "kakao", "DDD"),
    Platform("line", "LINE", 22, "line", "DDD"),
    Platform("whatsapp", "WHATSAPP", 23, "whatsapp", "DDD"),
)


@dataclass(frozen=True)
class Platforms:
    """The table, to be asked by name, by block, or by key: the reference's name of a row, whatever the API calls it now."""

    rows: Mapping[str, Platform]  #: key → row; the key stays when the row is renamed

    @classmethod
    def corrected(cls, corrections: Mapping[str, Mapping[str, str | int]]) -> Platforms:
        """
        The table with corrections: block, or name in lower case (`email`), → any of `block`, `name`, `number`.

        Raises ValueError where a correction names no platform, or no column, or a value does not fit its column.
        """
        rows = {row.name: row for row in _TABLE}
        keys = {row.name.lower(): row.name for row in _TABLE} | {row.block: row.name for row in _TABLE if row.block}
        for wanted, columns in corrections.items():
            key = keys.get(wanted.lower())
            if key is None:
                raise ValueError(f"no platform is called {wanted!r}; there are {', '.join(sorted(k for k in keys if k))}")
            fits = {"block": str, "name": str, "number": int}
            for column, value in columns.items():
                if column not in fits:
                    raise ValueError(f"{wanted}: no column {column!r}; right would be block, name or number")
                if not isinstance(value, fits[column]) or isinstance(value, bool) or value == "":
                    raise ValueError(f"{wanted}.{column}: must be {'a whole number' if fits[column] is int else 'a word'}")
            if rows[key].block is None and "block" in columns:
                raise ValueError(f"{wanted}.block: email has no block, its content is `email_payload`")
            rows[key] = replace(rows[key], **dict(columns))  # type: ignore[arg-type]
        for column in ("block", "name", "number"):
            values = [getattr(row, column) for row in rows.values() if getattr(row, column) is not None]
            if len(values) != len(set(values)):
                raise ValueError(f"two platforms would have the same {column}")
        return cls(rows)

    def __iter__(self) -> Iterator[Platform]:
        return iter(self.rows.values())

    def __hash__(self) -> int:
        return hash(tuple(self.rows.values()))

    def named(self, name: str) -> Platform | None:
        """The row that the API calls so, else the one that the reference calls so: an intent outlives a correction."""
        return self.by_name.get(name) or self.rows.get(name)

    @cached_property
    def by_name(self) -> Mapping[str, Platform]:
        """Name in `platforms` → row."""
        return {row.name: row for row in self}

    @cached_property
    def by_block(self) -> Mapping[str, Platform]:
        """Key of the content → row."""
        return {row.block: row for row in self if row.block is not None}

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Numbers as `open_actions` writes them."""
        return frozenset(str(row.number) for row in self)


PLATFORMS = Platforms.corrected({})
"""The table as the reference has it."""
