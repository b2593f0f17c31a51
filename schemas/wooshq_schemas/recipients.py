"""A recipient of a fan-out, made from a row of a file or from a mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from wooshq_schemas.validation.names import did_you_mean, nearest, shown
from wooshq_schemas.validation.problem import IntentInvalid, Problem
from wooshq_schemas.validation.storable import wrong_text

LIST_OF: Final[Mapping[str, str]] = {"user": "users", "hwid": "hwids", "push_token": "push_tokens", "email": "hwids"}
"""Column that identifies a recipient → list in the request. An email address goes to `hwids`, as with devices of API 1.3 (D)."""

LOCALE: Final = "locale"
_NAMES: Final = ", ".join(LIST_OF)
_LONGEST_IDENTIFIER: Final = 1024
_LONGEST_NAME: Final = 256
_LOCALE: Final = re.compile(r"default|[a-z]{2}|zh-Hans|zh-Hant")
_TAG: Final = re.compile(r"([A-Za-z]{2})((?:[-_][A-Za-z0-9]{2,8})*)")
_CHINESE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("hans", "cn", "sg"), "zh-Hans"),
    **dict.fromkeys(("hant", "tw", "hk", "mo"), "zh-Hant"),
}
_ADDRESS: Final = re.compile(r"[^@\s]{1,256}@[^@\s]{1,256}")
_IS_LOCALE: Final = ("is not a locale", "Use a locale such as en, pt-BR, zh-Hans or default")


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


class Columns:
    """The header of a file that has a recipient in each row. `recipient` runs for millions of rows, so the header is analysed once."""

    def __init__(self, names: Sequence[str]) -> None:
        """Raises IntentInvalid with all problems of the header."""
        problems = [Problem("", *wrong) for name in names if (wrong := wrong_text(name))]
        problems += [
            Problem(shown(name), "is the name of two columns", "Rename or remove one")
            for name in sorted({name for name in names if names.count(name) > 1})
        ]
        named = [name for name in names if name in LIST_OF]
        if len(named) != 1:
            problems.append(_one_is_needed(names, named))
        problems += [Problem("", "has a column without a name", "Name it or remove it") for name in names if not name.strip()]
        if problems:
            raise IntentInvalid(problems)
        self.names = tuple(names)
        self._kind = named[0]
        self._to = LIST_OF[self._kind]
        self._at = self.names.index(self._kind)
        self._locale_at = self.names.index(LOCALE) if LOCALE in names else None
        others = [(name, at) for at, name in enumerate(names) if name not in (self._kind, LOCALE)]
        self._placeholders = tuple(sorted(others))
        self._bare = len(names) == 1

    def recipient(self, cells: Sequence[str]) -> Recipient:
        """The recipient in a row. Raises IntentInvalid with all problems of the row."""
        if len(cells) != len(self.names):
            has = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            raise IntentInvalid([Problem("", f"has {has}, but the header has {len(self.names)} columns", "Fix the row")])
        identifier = cells[self._at]
        # A shortcut: most rows are only an identifier that is obviously valid.
        if self._bare and self._kind != "email" and 0 < len(identifier) <= _LONGEST_IDENTIFIER and identifier.isalnum():
            return Recipient(identifier, self._to)
        locale = cells[self._locale_at] or None if self._locale_at is not None else None
        placeholders = tuple([(name, cells[at]) for name, at in self._placeholders])
        return _checked(self._kind, identifier, locale, placeholders)


def recipient_of(given: RecipientLike) -> Recipient:
    """A recipient from a mapping with one of `user`, `hwid`, `push_token`, `email`. Raises IntentInvalid with all problems."""
    if isinstance(given, Recipient):
        return given
    if isinstance(given, str):
        return _checked("user", given, None, ())
    if not isinstance(given, Mapping):
        raise IntentInvalid([Problem("", "is not a recipient", 'Example: {"user": "u1"} or "u1"')])
    named = [name for name in given if name in LIST_OF]
    if len(named) != 1:
        raise IntentInvalid([_one_is_needed([name for name in given if isinstance(name, str)], named)])
    problems: list[Problem] = []
    placeholders: list[tuple[str, str]] = []
    locale = None
    for name, value in given.items():
        if not isinstance(name, str):
            problems.append(Problem("", "has a key that is not a string", "Keys of JSON objects must be strings"))
        elif name == LOCALE:
            if value is not None and not isinstance(value, str):
                problems.append(Problem(LOCALE, *_IS_LOCALE))
            locale = value or None
        elif name == named[0]:
            if not isinstance(value, str):
                written = _written(value)
                problems.append(Problem(name, "must be a string", f'Use "{written}"' if written is not None else ""))
        elif isinstance(value, str):
            placeholders.append((name, value))
        elif isinstance(value, int) and not isinstance(value, bool):
            if (written := _written(value)) is not None:
                placeholders.append((name, written))
            else:
                problems.append(Problem(shown(name), "has too many digits", "Write it as a string"))
        else:
            hint = "Leave it out" if value is None else "Write it as a string"
            problems.append(Problem(shown(name), "must not be null" if value is None else "must be a string or a whole number", hint))
    if problems:
        raise IntentInvalid(problems)
    return _checked(named[0], given[named[0]], locale, tuple(sorted(placeholders)))


def _checked(kind: str, identifier: str, locale: str | None, placeholders: tuple[tuple[str, str], ...]) -> Recipient:
    problems = list(_wrong_identifier(kind, identifier))
    if locale is not None:
        known = _known_locale(locale)
        if known is None:
            problems.append(Problem(LOCALE, *_IS_LOCALE))
        locale = known
    for name, value in placeholders:
        if not name or len(name) > _LONGEST_NAME:
            problems.append(Problem(shown(name), "is not a valid name of a placeholder", f"Use 1 to {_LONGEST_NAME} characters"))
        problems += [Problem(shown(name), *wrong) for text in (name, value) if (wrong := wrong_text(text))]
    if problems:
        raise IntentInvalid(problems)
    return Recipient(identifier, LIST_OF[kind], locale, placeholders)


def _written(value: object) -> str | None:
    """An integer as text; None for other values, and for integers with more digits than Python writes (4,300)."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        return str(value)
    except ValueError:
        return None


@lru_cache(1024)
def _known_locale(text: str) -> str | None:
    """The API's locale (ISO 639-1, or one of two scripts of Chinese) for a BCP 47 tag: `pt-BR` is `pt`. None if it is not a tag."""
    if _LOCALE.fullmatch(text):
        return text
    found = _TAG.fullmatch(text)
    if found is None:
        return None
    language = found[1].lower()
    parts = found[2].lower().replace("_", "-").split("-")
    return next((_CHINESE[part] for part in parts if part in _CHINESE), language) if language == "zh" else language


def _wrong_identifier(kind: str, identifier: str) -> list[Problem]:
    if wrong := wrong_text(identifier):
        return [Problem(kind, *wrong)]
    if not identifier:
        return [Problem(kind, "must not be empty")]
    if len(identifier) > _LONGEST_IDENTIFIER:
        return [Problem(kind, f"is longer than {_LONGEST_IDENTIFIER} characters")]
    if identifier != identifier.strip():
        return [Problem(kind, "has spaces at its start or end", "Remove them: for the API it would be another recipient")]
    if kind == "email" and _ADDRESS.fullmatch(identifier) is None:
        return [Problem(kind, "is not an email address", "Example: ann@example.com")]
    return []


def _one_is_needed(names: Sequence[str], named: Sequence[str]) -> Problem:
    if named:
        return Problem("", f"only one of {_NAMES} is allowed, but these were given: {', '.join(named)}", "Keep one and remove the others")
    near = next((name for name in names if nearest(name, LIST_OF)), None)
    hint = did_you_mean(near, LIST_OF) if near is not None else "The first line of a CSV file must be its header" if names else ""
    return Problem("", f"one of {_NAMES} is required", hint)
