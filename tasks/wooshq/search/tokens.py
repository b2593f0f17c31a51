"""A query cut into its tokens, each with its column. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wooshq.errors import QueryInvalid

LONGEST: Final = 10_000
"""Characters of a query."""

_NAME: Final = re.compile(r"[A-Za-z_]+")
_WORD: Final = re.compile(r'[^\s()"]+')
_TAG: Final = re.compile(r'[^\s():"]+')
_ESCAPE: Final = r'["\\/bfnrt]|u[0-9A-Fa-f]{4}'
_INSIDE: Final = rf'"(?:[^"\\]|\\(?:{_ESCAPE}))*'
_QUOTED: Final = re.compile(_INSIDE + '"')
"""As a string of JSON, so that one can copy what wooshq shows; line breaks and tabs may also stand in it as they are."""
_BAD_ESCAPE: Final = re.compile(_INSIDE + rf"(?=\\(?!{_ESCAPE}).)")


class Kind(StrEnum):
    AND = "AND"
    OR = "OR"
    NOT = "NOT"
    OPEN = "("
    CLOSE = ")"
    CONDITION = "condition"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token. column, value_column: from 1. name, tag, value: of a condition; tag: "" unless it is `tag.NAME:VALUE`."""

    kind: Kind
    column: int
    name: str = ""
    tag: str = ""
    value: str = ""
    value_column: int = 0


_WORDS: Final = (Kind.AND, Kind.OR, Kind.NOT)


def tokens(query: str) -> Sequence[Token]:
    """The tokens of a query; the last one is END. Raises QueryInvalid."""
    if len(query) > LONGEST:
        raise QueryInvalid(f"The query is longer than {LONGEST} characters", LONGEST + 1)
    found: list[Token] = []
    at = 0
    while at < len(query):
        char = query[at]
        if char.isspace():
            at += 1
        elif char in "()":
            found.append(Token(Kind(char), at + 1))
            at += 1
        else:
            token, at = _word(query, at)
            found.append(token)
    return [*found, Token(Kind.END, len(query) + 1)]


def _word(query: str, at: int) -> tuple[Token, int]:
    word = _WORD.match(query, at)
    if word is not None and word[0] in _WORDS:
        return Token(Kind(word[0]), at + 1), word.end()
    name = _NAME.match(query, at)
    if name is None:
        raise QueryInvalid(_without_field(query, at), at + 1)
    end, tag = name.end(), ""
    if name[0] == "tag" and query[end : end + 1] == ".":
        tag, end = _value(query, end + 1, _TAG)
        if not tag:
            raise QueryInvalid("The name of the tag is missing. Example: tag.order:77", name.end() + 2)
    if query[end : end + 1] != ":":
        raise QueryInvalid(_without_field(query, at), at + 1)
    value, after = _value(query, end + 1, _WORD)
    if after < len(query) and query[after] == '"':
        raise QueryInvalid('A quote stands inside a value. Write the whole value in quotes, and \\" for a quote', after + 1)
    if query[end + 1 : end + 2] == '"' and after < len(query) and not query[after].isspace() and query[after] not in "()":
        raise QueryInvalid("A space is missing after the closing quote", after + 1)
    return Token(Kind.CONDITION, at + 1, name[0], tag, value, end + 2), after


def _value(query: str, at: int, word: re.Pattern[str]) -> tuple[str, int]:
    """A value in quotes or without, and where it ends; "" if there is none."""
    if query[at : at + 1] == '"':
        quoted = _QUOTED.match(query, at)
        if quoted is not None:
            return json.loads(quoted[0], strict=False), quoted.end()
        if bad := _BAD_ESCAPE.match(query, at):
            raise QueryInvalid(
                'After a backslash in quotes stands what JSON has there: \\" or \\\\, \\n for a line break, \\u and four digits',
                bad.end() + 1,
            )
        raise QueryInvalid("This quote is not closed", at + 1)
    found = word.match(query, at)
    return (found[0], found.end()) if found is not None else ("", at)


def _without_field(query: str, at: int) -> str:
    word = _WORD.match(query, at)
    if word is not None and word[0] in ("and", "or", "not"):
        return f"Write {word[0].upper()} in capital letters"
    return 'A condition is a field, a colon and a value. To search in texts, write text:"…"'
