"""A tree written as a query again: for the record of a selection, and for a person. Pure."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Final, assert_never

from wooshq.search.tree import And, Field, Is, Not, Or, Since, Tree, Until

_PLAIN: Final = re.compile(r'[^\s():"\x00-\x1f\x7f-\x9f]+')
_UNSEEN: Final = re.compile(r"[\x7f-\x9f\u2028\u2029]")
"""What JSON leaves as it is, and a terminal or an input field of a page does not."""
_PERSONAL: Final = (Field.RECIPIENT, Field.KEY, Field.TEXT)


def written(tree: Tree, *, hide_personal: bool = False) -> str:
    """
    The query of a tree, with absolute times: `parse` makes the same tree of it. hide_personal: recipients, keys and texts are written as
    `(hidden)`, for a record that outlives them; such a text is not a query.
    """
    match tree:
        case Is(field, value, name):
            left = f"tag.{_quoted(name)}" if field is Field.TAG else str(field)
            return f"{left}:(hidden)" if hide_personal and field in _PERSONAL else f"{left}:{_quoted(value)}"
        case Since(at):
            return f"since:{_time(at)}"
        case Until(at):
            return f"until:{_time(at)}"
        case Not(part):
            inner = written(part, hide_personal=hide_personal)
            return f"NOT ({inner})" if isinstance(part, And | Or) else f"NOT {inner}"
        case And(parts):
            texts = [(part, written(part, hide_personal=hide_personal)) for part in parts]
            return " ".join(f"({text})" if isinstance(part, Or) else text for part, text in texts)
        case Or(parts):
            return " OR ".join(written(part, hide_personal=hide_personal) for part in parts)
        case _:
            assert_never(tree)


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
