"""What may WOOSHQ_HISTORY_URL be? An error never shows any part of the value."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

OFF: Final = "off"
_EXAMPLES: Final = f"Use postgresql+psycopg://user@host/database, sqlite:////path/of/history.db, or {OFF}"


def check_history_url(url: str) -> str:
    """The URL itself. Raises ValueError that says what would be right, and repeats no part of it: it may have a password."""
    if url == OFF:
        return url
    scheme, _, _ = urlsplit(url).scheme.partition("+")
    if scheme not in ("postgresql", "postgres", "sqlite") or "://" not in url:
        raise ValueError(f"must be a database that can keep the history. {_EXAMPLES}")
    if scheme == "sqlite" and not urlsplit(url).path.strip("/"):
        raise ValueError(f"must name a file. {_EXAMPLES}")
    return url
