"""Names that came from outside: how a problem shows them, and which known name was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

_LONGEST_SHOWN: Final = 64
"""Characters of a name that a problem shows."""
_DEEPEST_SHOWN: Final = 20
"""Parts of a path that a problem shows."""


def shown(part: object) -> str:
    """A name or an index as a path shows it: on one line, cut if it is long."""
    text = "".join(char if char.isprintable() else "�" for char in str(part)[: _LONGEST_SHOWN + 1])
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def shown_path(parts: Sequence[str]) -> str:
    """A path as a problem's `field`, cut if it is deep. parts: as `shown` made them."""
    return ".".join(parts if len(parts) <= _DEEPEST_SHOWN else (*parts[:_DEEPEST_SHOWN], "…"))


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that was probably meant, in any case of letters. None if no name is near."""
    by_folded = {known.casefold(): known for known in names}
    found = difflib.get_close_matches(name[:_LONGEST_SHOWN].casefold(), by_folded, n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str], prefix: str = "") -> str:
    """A hint: the nearest name, or all names if no name is near."""
    names = list(names)
    near = nearest(name, names)
    return f"Did you mean {prefix}{near}?" if near is not None else f"Use one of: {', '.join(names)}"
