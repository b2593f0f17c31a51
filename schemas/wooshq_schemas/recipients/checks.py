"""The checks of a recipient: what a row under a header and a mapping have in common."""

from __future__ import annotations

from typing import Final

from wooshq_schemas.recipients.identifiers import is_plain, repaired, suspicion, without_excel_marks, wrong_form
from wooshq_schemas.recipients.locale import api_locale
from wooshq_schemas.recipients.no_value import NO_VALUE
from wooshq_schemas.recipients.notes import Note, Notes
from wooshq_schemas.recipients.recipient import LIST_OF, LOCALE, Recipient
from wooshq_schemas.recipients.rules import RowRules
from wooshq_schemas.validation.names import shown
from wooshq_schemas.validation.problem import IntentInvalid, Problem
from wooshq_schemas.validation.storable import wrong_text

LONGEST_NAME: Final = 256
"""Characters of the name of a placeholder."""
NAME_TOO_LONG: Final = ("is not a valid name of a placeholder", f"Use 1 to {LONGEST_NAME} characters")
"""(problem, hint)"""

Placeholders = tuple[tuple[str, str], ...]
"""(name, value), sorted by name."""


def checked(
    kind: str, identifier: str, locale: str | None, placeholders: Placeholders, rules: RowRules, notes: Notes | None, *, plain: bool = True
) -> Recipient:
    """
    The recipient of a row. kind: a key of `LIST_OF`. plain: the names of the placeholders are valid, and `are_plain` is true of their values
    or of all texts of the row. notes: counts what was noted.

    Raises IntentInvalid with all problems of the row. An optional column never is one: a locale that is not the API's is noted.
    """
    problems: list[Problem] = []
    noted: list[Note] = []
    if not is_plain(kind, identifier):
        if not rules.exact:
            identifier, noted = repaired(kind, identifier)
        problem = wrong_form(kind, identifier) or (None if rules.exact else suspicion(kind, identifier))
        if problem is not None:
            problems.append(problem)
    if placeholders and not plain:
        problems += _wrong_placeholders(placeholders)
        if not rules.exact:
            placeholders = _without_excel_marks(placeholders, noted)
    if problems:
        raise IntentInvalid(problems)
    if rules.defaults:
        locale = rules.defaults.get(LOCALE) if not locale or _is_no_value(locale, rules) else locale
        placeholders = _with_defaults(placeholders, rules)
    if locale is not None:
        locale, understood = api_locale(locale)
        if not understood:
            noted.append(Note.LOCALE)
    if noted and notes is not None:
        for note in dict.fromkeys(noted):
            notes.add(note)
    return Recipient(identifier, LIST_OF[kind], locale, placeholders)


def are_plain(texts: str) -> bool:
    """Whether texts need no second look. They are given as one: most rows have nothing to find."""
    return "\0" not in texts and '="' not in texts and (texts.isascii() or wrong_text(texts) is None)


def _wrong_placeholders(placeholders: Placeholders) -> list[Problem]:
    problems = []
    for name, value in placeholders:
        if not name or len(name) > LONGEST_NAME:
            problems.append(Problem(shown(name), *NAME_TOO_LONG))
        problems += [Problem(shown(name), *wrong) for text in (name, value) if (wrong := wrong_text(text))]
    return problems


def _with_defaults(placeholders: Placeholders, rules: RowRules) -> Placeholders:
    values = dict(placeholders)
    for name, default in rules.defaults.items():
        value = values.get(name, "").strip()
        if name != LOCALE and rules.reads(name) and (not value or _is_no_value(value, rules)):
            values[name] = default
    return tuple(sorted(values.items()))


def _is_no_value(text: str, rules: RowRules) -> bool:
    """Whether a text is a word for no value. If cells are taken as they are, it is none: people are called Null."""
    return not rules.exact and text in NO_VALUE


def _without_excel_marks(placeholders: Placeholders, noted: list[Note]) -> Placeholders:
    made = tuple((name, without_excel_marks(value)) for name, value in placeholders)
    if made != placeholders:
        noted.append(Note.EXCEL_TEXT)
    return made
