"""A recipient from a mapping: a line of NDJSON, or what a program gives to `fan_out`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from wooshq_schemas.recipients.checks import LONGEST_NAME, are_plain, checked
from wooshq_schemas.recipients.naming import identifying, not_there, one_is_needed, renamed_mapping
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.recipient import LIST_OF, LOCALE, Recipient, RecipientLike
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules
from wooshq_schemas.recipients.values import text_of
from wooshq_schemas.validation.names import shown
from wooshq_schemas.validation.problem import IntentInvalid, Problem

#: Stands for a locale that is not a string. It is treated as any other text that is not a locale.
_NOT_A_LOCALE: Final = "?"


def recipient_of(given: RecipientLike, rules: RowRules = ALL_COLUMNS, notes: Notes | None = None) -> Recipient:
    """
    A recipient from a mapping with one of `user`, `hwid`, `push_token`, `email`. Raises IntentInvalid with all problems.

    Values that are not strings become text, see `text_of`: no value, such as null, is an empty text. notes: counts what was noted.
    """
    if isinstance(given, Recipient):
        return given
    if isinstance(given, str):
        return checked("user", given, None, (), rules, notes)
    if type(given) is not dict and not isinstance(given, Mapping):
        raise IntentInvalid([Problem("", "is not a recipient", 'Example: {"user": "u1"} or "u1"')])
    in_file: Mapping[Any, Any] = given
    if rules.columns:
        given = renamed_mapping(given, rules)
    if notes is not None and notes.columns is not None:
        notes.columns.update(name for name in given if isinstance(name, str))
    named = identifying(given, rules) if rules.columns else [name for name in given if name in LIST_OF]
    if len(named) != 1:
        names = [name for name in in_file if isinstance(name, str)]
        raise IntentInvalid([one_is_needed(names, named) if rules.kind is None else not_there(rules.columns[rules.kind], names)])
    problems: list[Problem] = []
    placeholders: list[tuple[str, str]] = []
    identifier, locale = "", None
    only, kind = rules.only, named[0]
    items = given.items() if only is None else [one for one in given.items() if one[0] in only or one[0] == LOCALE or one[0] == kind]
    for name, value in items:
        if not isinstance(name, str):
            problems.append(Problem("", "has a key that is not a string", "Keys of JSON objects must be strings"))
        elif name == LOCALE:
            locale = None if value is None or value == "" else value if isinstance(value, str) else _NOT_A_LOCALE
        elif name == kind:
            identifier = value if isinstance(value, str) else _identifier(name, value, problems)
        elif isinstance(value, str):
            placeholders.append((name, value))
        elif (written := text_of(value)) is not None:
            placeholders.append((name, written))
        elif isinstance(value, int):
            problems.append(Problem(shown(name), "has too many digits", "Write it as a string"))
        else:
            problems.append(Problem(shown(name), "must be a string or a number", "Write it as a string"))
    if problems:
        raise IntentInvalid(problems)
    plain = True
    if placeholders:
        placeholders.sort()
        texts = "".join(map("".join, placeholders))
        # They are sorted, so that only the first name can be empty.
        plain = len(texts) <= LONGEST_NAME and placeholders[0][0] != "" and are_plain(texts)
    return checked(kind, identifier, locale, tuple(placeholders), rules, notes, plain=plain)


def _identifier(kind: str, value: object, problems: list[Problem]) -> str:
    """An identifier that is a whole number (5.0 is one) or a UUID, as text. Otherwise its problem is added."""
    written = text_of(value)
    if written and not isinstance(value, bool) and (isinstance(value, UUID) or written.lstrip("-").isdecimal()):
        return written
    if written == "":
        problems.append(Problem(kind, "must not be null", "Give the identifier or leave the recipient out"))
    elif isinstance(value, int) and written is None:
        problems.append(Problem(kind, "has too many digits", "Write it as a string"))
    else:
        problems.append(Problem(kind, "must be a string or a whole number", "Write it as a string"))
    return ""
