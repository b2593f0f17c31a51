"""The platforms: what the API calls each, which kind of message goes there, and how much it takes. A new platform is one row here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from pydantic.alias_generators import to_camel

KINDS: Final = ("push", "sms", "telegram", "kakao", "line", "whatsapp", "email", "preset")
"""Kinds of plain message. A new kind needs a field on `Message` too. `preset` has no platforms: Pushwoosh knows the preset's."""


@dataclass(frozen=True, slots=True)
class PayloadLimit:
    """How many bytes of JSON a push service takes. voip_bytes: for a VoIP push, if that differs."""

    service: str
    bytes: int
    voip_bytes: int | None = None


#: The services' own limits, as the reference lists them.
_APNS: Final = PayloadLimit("APNs", 4096, voip_bytes=5120)
_FCM: Final = PayloadLimit("FCM", 4096)
_ADM: Final = PayloadLimit("ADM", 6144)
_WNS: Final = PayloadLimit("WNS", 5000)
_WEB_PUSH: Final = PayloadLimit("web push", 4096)


@dataclass(frozen=True, slots=True)
class Platform:
    """
    One row of the table.

    block: key of its content; None if it has none: the content of an email is the `email_payload`, that of a group is in its parts' blocks.
    name: in `platforms`. number: in `open_actions`; None if it is not known. channel: the kind of plain message that goes there.
    sure: how well the reference knows block, name and number (A: documented, D: our reading, -: not at all).
    default: whether its kind of message goes there if the intent names no platforms. limit: None if lint knows no limit.
    live_updates: whether a push's `live_update` is shown there. parts: for a group, the reference's names of its platforms.
    """

    block: str | None
    name: str
    number: int | None
    channel: str
    sure: str
    default: bool = False
    limit: PayloadLimit | None = None
    live_updates: bool = False
    parts: tuple[str, ...] = ()


_TABLE: Final = (
    Platform("ios", "IOS", 1, "push", "AAB", default=True, limit=_APNS),
    Platform("android", "ANDROID", 3, "push", "AAB", default=True, limit=_FCM, live_updates=True),
    Platform("huawei_android", "HUAWEI_ANDROID", 17, "push", "ABB"),
    Platform("baidu_android", "BAIDU_ANDROID", None, "push", "AD-"),
    Platform("mac_os", "MAC_OS", 7, "push", "ADB", limit=_APNS),
    Platform("amazon", "AMAZON", 9, "push", "ACB", limit=_ADM),
    Platform("windows", "WINDOWS", 8, "push", "DCB", limit=_WNS),
    Platform("safari", "SAFARI", 10, "push", "ABB", limit=_WEB_PUSH),
    Platform("chrome", "CHROME", 11, "push", "ABB", limit=_WEB_PUSH),
    Platform("firefox", "FIREFOX", 12, "push", "ABB", limit=_WEB_PUSH),
    Platform("ie", "IE", 13, "push", "ABD"),
    Platform(None, "WEB", None, "push", "-C-", parts=("SAFARI", "CHROME", "FIREFOX", "IE")),
    Platform(None, "EMAIL", 14, "email", "AAC", default=True),
    Platform("sms", "SMS", 18, "sms", "DCB", default=True),
    Platform("telegram", "TELEGRAM", None, "telegram", "DD-", default=True),
    Platform("kakao", "KAKAO", None, "kakao", "DD-", default=True),
    Platform("line", "LINE", None, "line", "DD-", default=True),
    Platform("whatsapp", "WHATSAPP", 21, "whatsapp", "DDB", default=True),
)


@dataclass(frozen=True)
class Platforms:
    """The table, searched by name, by block, by kind of message, or by key."""

    rows: Mapping[str, Platform]  #: key → row. The key is the reference's name of a row, and stays if the row is renamed.

    @classmethod
    def of(cls, rows: Iterable[Platform]) -> Platforms:
        """A table of these rows."""
        return cls({row.name: row for row in rows})

    @classmethod
    def corrected(cls, corrections: Mapping[str, Mapping[str, str | int]]) -> Platforms:
        """
        The table with corrections: block, or name in lower case (`email`), → any of `block`, `name`, `number`.

        Raises ValueError if a correction names an unknown platform or column, or if a value does not fit its column.
        """
        rows = dict(cls.of(_TABLE).rows)
        keys = {row.name.lower(): row.name for row in _TABLE} | {row.block: row.name for row in _TABLE if row.block}
        for wanted, columns in corrections.items():
            key = keys.get(wanted.lower())
            if key is None:
                raise ValueError(f"{wanted!r} is not a platform; use one of {', '.join(sorted(k for k in keys if k))}")
            _check_correction(wanted, columns, rows[key])
            rows[key] = replace(rows[key], **dict(columns))  # type: ignore[arg-type]
        for column in ("block", "name", "number"):
            values = [getattr(row, column) for row in rows.values() if getattr(row, column) is not None]
            if len(values) != len(set(values)):
                raise ValueError(f"two platforms have the same {column}")
        return cls(rows)

    def __iter__(self) -> Iterator[Platform]:
        return iter(self.rows.values())

    def __hash__(self) -> int:
        return hash(tuple(self.rows.values()))

    def named(self, name: str) -> Platform | None:
        """The row with this name in the API, otherwise in the reference: an intent may be older than a correction."""
        return self.by_name.get(name) or self.rows.get(name)

    def reached_by(self, kind: str, names: Iterable[Any] | None) -> Sequence[Platform]:
        """The platforms that a plain message goes to, each once. names: the intent's `platforms`; unknown names are left out."""
        if names is None:
            return self.defaults[kind]
        return list(dict.fromkeys(row for name in names if isinstance(name, str) and (row := self.named(name)) is not None))

    @cached_property
    def defaults(self) -> Mapping[str, Sequence[Platform]]:
        """Kind of message → the platforms that it goes to if the intent names none."""
        return {kind: tuple(row for row in self if row.default and row.channel == kind) for kind in KINDS}

    @cached_property
    def with_live_updates(self) -> Sequence[Platform]:
        """The platforms that show a live update."""
        return tuple(row for row in self if row.live_updates)

    @cached_property
    def by_name(self) -> Mapping[str, Platform]:
        """Name in `platforms` → row."""
        return {row.name: row for row in self}

    @cached_property
    def by_block(self) -> Mapping[str, Platform]:
        """Key of the content → row."""
        return {row.block: row for row in self if row.block is not None}

    @cached_property
    def camel_blocks(self) -> Mapping[str, str]:
        """A block's name in camelCase → its name; only of blocks whose names differ."""
        return {to_camel(block): block for block in self.by_block if to_camel(block) != block}

    @cached_property
    def by_number(self) -> Mapping[str, Platform]:
        """Number, as `open_actions` writes it → row. Rows whose number is not known are left out."""
        return {str(row.number): row for row in self if row.number is not None}

    def parts_of(self, row: Platform) -> Sequence[Platform]:
        """The platforms of a group; empty if the row is not a group, or has a block of its own."""
        return [self.rows[name] for name in row.parts if name in self.rows] if row.block is None else ()

    def with_parts(self, rows: Sequence[Platform]) -> Sequence[Platform]:
        """These rows, and after each group its platforms; each row once."""
        if not any(row.parts for row in rows):
            return rows
        return list(dict.fromkeys(one for row in rows for one in (row, *self.parts_of(row))))


def number_is_not_known(row: Platform) -> tuple[str, str]:
    """(problem, hint) of an open action for a platform whose number is not known."""
    key = (row.block or row.name).lower()
    return f"is for {row.name}, and its number is not known", f'Set it: WOOSHQ_PLATFORMS=\'{{"{key}": {{"number": …}}}}\''


_COLUMNS: Final[Mapping[str, type]] = {"block": str, "name": str, "number": int}


def _check_correction(wanted: str, columns: Mapping[str, str | int], row: Platform) -> None:
    for column, value in columns.items():
        if column not in _COLUMNS:
            raise ValueError(f"{wanted}: {column!r} is not a column; use block, name or number")
        if not isinstance(value, _COLUMNS[column]) or isinstance(value, bool) or value == "":
            raise ValueError(f"{wanted}.{column}: must be {'a whole number' if _COLUMNS[column] is int else 'a string that is not empty'}")
    if row.channel == "email" and "block" in columns:
        raise ValueError(f"{wanted}.block: this platform has no block; its content is the `email_payload`")


PLATFORMS: Final = Platforms.corrected({})
"""The table as the reference has it."""
