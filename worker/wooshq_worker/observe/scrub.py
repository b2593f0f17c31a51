"""Removes secrets, personal data and control characters from text that other people wrote."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection
from typing import Final
from urllib.parse import quote

# ── Scrubbing ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

DETAIL_LIMIT: Final = 500
"""Characters of a detail: enough for a person, too few to fill a log."""
_LOOKED_AT: Final = 20_000
_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]?|\x9b[0-?]*[ -/]*[@-~]")
_TOKEN_HEADER: Final = re.compile(
    r"""(?i)\b(authorization\s*[:=]\s*(?:token|bearer|basic)?|token)(\s*[:=]?\s+|\s*[:=]\s*)["']?[A-Za-z0-9._~+/=-]{16,}"""
)
MASK: Final = "[…]"


def scrub(text: str, secrets: Collection[str]) -> str:
    """
    `text` as it may be logged, stored and shown: no control characters, escapes or invisible ones; none of the secrets, whatever
    their case, also where they are escaped for a URL or JSON; at most `DETAIL_LIMIT` characters.

    A secret of up to 3 characters is masked only where it stands alone: a user "1" must not blacken every 1.

    >>> scrub("no user Ann@Example.com \\x1b[31m!", ["ann@example.com"])
    'no user […] !'
    """
    looked_at = _plain(text[:_LOOKED_AT])
    cut_by = max(map(len, secrets), default=0) * 6 if len(text) > _LOOKED_AT else 0  # the end may hold half a secret; 6: \\u00e9 for é
    folded = looked_at.casefold()
    forms: dict[str, None] = {}
    for secret in secrets:
        for form in {plain for plain in (_plain(secret), quote(secret, safe="", errors="replace"), json.dumps(secret)[1:-1]) if plain}:
            if form.casefold() in folded:
                forms[form] = None
    if forms:
        longest_first = sorted(forms, key=len, reverse=True)
        pattern = "|".join(re.escape(form) if len(form) > 3 else rf"(?<!\w){re.escape(form)}(?!\w)" for form in longest_first)
        looked_at = re.sub(pattern, MASK, looked_at, flags=re.IGNORECASE)
    looked_at = looked_at[:-cut_by] if cut_by else looked_at
    looked_at = _TOKEN_HEADER.sub(rf"\1\2{MASK}", looked_at)
    return looked_at if len(looked_at) <= DETAIL_LIMIT else looked_at[: DETAIL_LIMIT - 1] + "…"


def _plain(text: str) -> str:
    """One line of visible characters."""
    if text.isprintable():
        return text.strip()
    text = _ESCAPES.sub("", text)
    seen = (char if char.isprintable() else " " if char.isspace() or unicodedata.category(char) == "Zs" else "" for char in text)
    return " ".join("".join(seen).split())
