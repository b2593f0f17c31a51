"""Compare a template's placeholders with the columns that the recipients have: a slip there goes out to everybody."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from wooshq_schemas import Template


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """
    missing: placeholders that a text names and no column fills. unused: columns that no text names; they are sent all the same, and
    recipients that differ in one cannot share a call. given: the columns there are. Each sorted by name.
    """

    missing: tuple[str, ...]
    unused: tuple[str, ...]
    given: tuple[str, ...]


def compare(template: Template, columns: Set[str]) -> ColumnMatch | None:
    """Compare. columns: names without the identifier and `locale`. None if the texts are kept at Pushwoosh, where they cannot be read."""
    named = template.names_in_texts
    if named is None:
        return None
    missing = named - columns - template.own_placeholders
    return ColumnMatch(tuple(sorted(missing)), tuple(sorted(columns - named)), tuple(sorted(columns)))
