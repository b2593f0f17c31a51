"""The checks of a recipient: what a row under a header and a mapping have in common."""

from __future__ import annotations

import re
from typing import Final

from wooshq_schemas.recipients.locale import api_locale
from wooshq_schemas.recipients.notes import Note, Notes
from wooshq_schemas.recipients.recipient import LIST_OF, Recipient
from wooshq_schemas.validation.names import shown
from wooshq_schemas.validation.problem import IntentInvalid, Problem
from wooshq_schemas.validation.storable import wrong_text

LONGEST_IDENTIFIER: Final = 1024
"""Characters."""
LONGEST_NAME: Final = 256
"""Characters of the name of a placeholder."""
NAME_TOO_LONG: Final = ("is not a valid name of a placeholder", f"Use 1 to {LONGEST_NAME} characters")
"""(problem, hint)"""
_ADDRESS: Final = re.compile(r"[^@\s]{1,256}@[^@\s]{1,256}")


def checked(kind: str, identifier: str, locale: str | None, placeholders: tuple[tuple[str, str], ...], notes: Notes | None) -> Recipient:
    """
    The recipient of a row. kind: a key of `LIST_OF`. placeholders: (name, value), sorted by name.

    Raises IntentInvalid with all problems of the row. An optional column never is one: a locale that is not the API's is noted.
    """
    problems = _wrong_identifier(kind, identifier)
    for name, value in placeholders:
        if not name or len(name) > LONGEST_NAME:
            problems.append(Problem(shown(name), *NAME_TOO_LONG))
        problems += [Problem(shown(name), *wrong) for text in (name, value) if (wrong := wrong_text(text))]
    if problems:
        raise IntentInvalid(problems)
    if locale is not None:
        locale, understood = api_locale(locale)
        if not understood and notes is not None:
            notes.add(Note.LOCALE)
    return Recipient(identifier, LIST_OF[kind], locale, placeholders)


def _wrong_identifier(kind: str, identifier: str) -> list[Problem]:
    if wrong := wrong_text(identifier):
        return [Problem(kind, *wrong)]
    if not identifier:
        return [Problem(kind, "must not be empty")]
    if len(identifier) > LONGEST_IDENTIFIER:
        return [Problem(kind, f"is longer than {LONGEST_IDENTIFIER} characters")]
    if identifier != identifier.strip():
        return [Problem(kind, "has spaces at its start or end", "Remove them: for the API it would be another recipient")]
    if kind == "email" and _ADDRESS.fullmatch(identifier) is None:
        return [Problem(kind, "is not an email address", "Example: ann@example.com")]
    return []
