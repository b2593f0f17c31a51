"""Texts of API 1.3: a string, or an object language → string, as a text of an intent."""

from __future__ import annotations

import re
from typing import Any, Final

from wooshq_schemas.api_1_3.reading import Reading

_LOCALE: Final = re.compile(r"default|[a-z]{2}|zh-Hans|zh-Hant")
_TAG: Final = re.compile(r"([A-Za-z]{2})[-_][A-Za-z0-9-_]+")


def text_of(reading: Reading, name: str) -> Any:
    """The text of a field; None if there is none that can be used. Languages that v2 does not know are noted."""
    value = reading.take(name)
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        reading.refuse(name, "must be a string, or an object with a string for each language")
        return None
    out: dict[str, str] = {}
    for language, text in value.items():
        known = _locale(language)
        if known is None or known in out or (known != language and known in value):
            reading.note(name, "has a language that v2 does not know; its text is left out", "v2 knows two letters, zh-Hans and zh-Hant")
        else:
            out[known] = text
            if known != language:
                reading.note(name, f"has a language with a region; its text is used for all of {known}", "v2 knows no regions")
    return out or None


def _locale(language: str) -> str | None:
    """The locale of v2 for a language tag."""
    if _LOCALE.fullmatch(language):
        return language
    found = _TAG.fullmatch(language)
    if found is None:
        return None
    base = found[1].lower()
    return None if base == "zh" else base
