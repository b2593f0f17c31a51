"""Who changes something, and why: both are kept with the change."""

from __future__ import annotations

import getpass
import os
import socket
from typing import Final

from wooshq_schemas.validation.storable import wrong_text

MOST_WHY: Final = 500
MOST_BY: Final = 100
"""Characters."""


def who() -> str:
    """The user of the operating system and the host: `ana@ops-1`."""
    try:
        user = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "somebody"
    return f"{user}@{socket.gethostname()}"[:MOST_BY]


def said(why: str, by: str | None) -> tuple[str, str]:
    """(why, by whom), as they are kept. by: None for `who()`. Raises ValueError for texts that cannot be kept."""
    given = who() if by is None else by
    for name, text, most in (("why", why, MOST_WHY), ("by", given, MOST_BY)):
        if not isinstance(text, str):
            raise ValueError(f"{name}: must be a text")
        if (wrong := wrong_text(text)) is not None:
            raise ValueError(f"{name}: {wrong[0]}. {wrong[1]}")
        if len(text) > most:
            raise ValueError(f"{name}: has {len(text)} characters. Use at most {most}")
    return why, given
