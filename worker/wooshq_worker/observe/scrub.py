"""Scrub: remove secrets, personal data and control characters from a text that strangers wrote."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection
from typing import Final
from urllib.parse import quote

DETAIL_LIMIT: Final = 500
"""Characters of a detail: enough for a person, too few to fill a log."""
MASK: Final = "[…]"
_READ_LIMIT: Final = 20_000
_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]?|\x9b[0-?]*[ -/]*[@-~]")
_TOKEN_HEADER: Final = re.compile(
    r"""(?i)\b(authorization\s*[:=]\s*(?:token|bearer|basic)?|token)(\s*[:=]?\s+|\s*[:=]\s*)["']?[A-Za-z0-9._~+/=-]{16,}"""
)


def scrub(text: str, secrets: Collection[str]) -> str:
    """
    `text` as it may be logged, stored and shown: one line of at most `DETAIL_LIMIT` visible characters, without the secrets.

    A secret is found in any case, and also if it is escaped for a URL or JSON. A secret of up to 3 characters is masked only if it stands
    alone: a user "1" must not mask every 1.

    >>> scrub("no user Ann@Example.com \\x1b[31m!", ["ann@example.com"])
    'no user […] !'
    """
    read = _visible(text[:_READ_LIMIT])
    # The end may hold half a secret. 6: the longest escape of one character (\\u00e9 for é).
    cut_by = max(map(len, secrets), default=0) * 6 if len(text) > _READ_LIMIT else 0
    if forms := _forms_in(read.casefold(), secrets):
        longest_first = sorted(forms, key=len, reverse=True)
        pattern = "|".join(re.escape(form) if len(form) > 3 else rf"(?<!\w){re.escape(form)}(?!\w)" for form in longest_first)
        read = re.sub(pattern, MASK, read, flags=re.IGNORECASE)
    read = read[:-cut_by] if cut_by else read
    read = _TOKEN_HEADER.sub(rf"\1\2{MASK}", read)
    return read if len(read) <= DETAIL_LIMIT else read[: DETAIL_LIMIT - 1] + "…"


def _forms_in(folded: str, secrets: Collection[str]) -> list[str]:
    """The forms of the secrets (plain, URL-escaped, JSON-escaped) that a case-folded text contains."""
    forms: dict[str, None] = {}
    for secret in secrets:
        for form in {form for form in (_visible(secret), quote(secret, safe="", errors="replace"), json.dumps(secret)[1:-1]) if form}:
            if form.casefold() in folded:
                forms[form] = None
    return list(forms)


def _visible(text: str) -> str:
    """One line of visible characters."""
    if text.isprintable():
        return text.strip()
    text = _ESCAPES.sub("", text)
    seen = (char if char.isprintable() else " " if char.isspace() or unicodedata.category(char) == "Zs" else "" for char in text)
    return " ".join("".join(seen).split())
