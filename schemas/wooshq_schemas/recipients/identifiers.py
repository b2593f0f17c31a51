"""An identifier as it stands in a file: repaired if its form has one meaning, otherwise refused if it cannot be one."""

from __future__ import annotations

import re
from typing import Final

from wooshq_schemas.recipients.no_value import NO_VALUE
from wooshq_schemas.recipients.notes import Note
from wooshq_schemas.validation.problem import Problem
from wooshq_schemas.validation.storable import wrong_text

LONGEST_IDENTIFIER: Final = 1024
"""Characters."""

#: Forms that need no second look: letters first, or digits and a separator. Everything that is repaired or refused below has another form.
_PLAIN: Final = re.compile(r"(?:[A-Za-z_]|\d+[-_]|[0-9A-Fa-f]{8}-)[\w.:+-]{0,999}", re.ASCII)
_PLAIN_ADDRESS: Final = re.compile(r"[\w.+%-]{1,256}@[\w.-]{1,256}", re.ASCII)
_ADDRESS: Final = re.compile(r"[^@\s]{1,256}@[^@\s]{1,256}")

INVISIBLE: Final = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Characters that nobody sees: of no width, byte order marks, soft hyphens, marks of direction. Joiners are part of some scripts and emoji."""
#: How Excel writes a text that looks like a number, so that it stays a text: ="00123".
_FORMULA: Final = re.compile(r'="((?:[^"]|"")*)"')
#: '00123, and what makes a cell safe against formulas: '+49. Also SQL's quotes: 'u1'.
_APOSTROPHE: Final = re.compile(r"'([\d=+@-][^']*)|'([^']*)'")
#: mailto:ann@example.com?subject=Hi, <ann@example.com>, Ann Lee <ann@example.com>.
_MAIL: Final = re.compile(r"mailto:([^?<>]*)(?:\?.*)?|[^<>@]*<mailto:([^<>?]*)>|[^<>]*<([^<>]*)>", re.IGNORECASE | re.DOTALL)
_SCIENTIFIC: Final = re.compile(r"[+-]?\d+(?:[.,]\d*[Ee][+-]?|[Ee][+])\d{1,3}")
_POINT_ZERO: Final = re.compile(r"-?\d+\.0+")


def is_plain(kind: str, text: str) -> bool:
    """Whether an identifier is obviously valid, as most are. kind: `user`, `hwid`, `push_token` or `email`."""
    if kind == "email":
        return _PLAIN_ADDRESS.fullmatch(text) is not None
    return (text.isalnum() or _PLAIN.fullmatch(text) is not None) and len(text) <= LONGEST_IDENTIFIER and text not in NO_VALUE


def repaired(kind: str, text: str) -> tuple[str, list[Note]]:
    """The identifier that is meant by a text, and what was done to it."""
    notes = []
    made = INVISIBLE.sub("", text)
    if made != text:
        notes.append(Note.INVISIBLE)
    bare = without_excel_marks(made)
    if bare == made and (found := _APOSTROPHE.fullmatch(made)):
        bare = found[1] or found[2] or ""
    if bare != made:
        notes.append(Note.EXCEL_TEXT)
    if kind == "email" and (found := _MAIL.fullmatch(bare)):
        bare = found[1] or found[2] or found[3] or ""
        notes.append(Note.EMAIL)
    return bare, notes


def without_excel_marks(text: str) -> str:
    """The text in `="…"`; any other text unchanged."""
    found = _FORMULA.fullmatch(text)
    return text if found is None else found[1].replace('""', '"')


def wrong_form(kind: str, text: str) -> Problem | None:
    """What is wrong with an identifier in any case."""
    if wrong := wrong_text(text):
        return Problem(kind, *wrong)
    if not text:
        return Problem(kind, "must not be empty")
    if len(text) > LONGEST_IDENTIFIER:
        return Problem(kind, f"is longer than {LONGEST_IDENTIFIER} characters")
    if text != text.strip():
        return Problem(kind, "has spaces at its start or end", "Remove them: for the API it would be another recipient")
    if kind == "email" and _ADDRESS.fullmatch(text) is None:
        return Problem(kind, "is not an email address", "Example: ann@example.com")
    return None


def suspicion(kind: str, text: str) -> Problem | None:
    """Why a text that could be an identifier is probably none: a program has put something else in its place."""
    if text in NO_VALUE:
        return Problem(kind, f"is {text}, which programs write if there is no value", "Give the identifier or remove the row")
    if _SCIENTIFIC.fullmatch(text):
        how = "In the spreadsheet, format the column as text, and export it again"
        return Problem(kind, "is a number in scientific notation, so its last digits are lost", how)
    if _POINT_ZERO.fullmatch(text):
        return Problem(kind, "is a whole number that ends with .0", "Write it without .0 (pandas: read the column with dtype=str)")
    if text.startswith("'"):
        return Problem(kind, "begins with an apostrophe", "Remove it: spreadsheets mark text so")
    return None
