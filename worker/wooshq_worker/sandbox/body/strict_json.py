"""Reads a JSON document as a strict server does: what two readers could understand in two ways is refused."""

from __future__ import annotations

import json
from typing import Any

DEPTH_LIMIT = 100
"""Levels of nested objects and lists. Rule: protobuf's own readers have the same limit."""


class NotJson(ValueError):
    """A strict reader refuses the body. The text says why and never repeats a value."""


def read_json(raw: bytes) -> Any:
    """The document. Raises NotJson for bad UTF-8, duplicate keys, NaN and Infinity, too long numbers, too deep nesting."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_without_duplicate_keys, parse_constant=_refuse_constant)
        # Only a body with this many brackets can be too deep. For every other body, counting them is the whole cost.
        if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT and _is_deeper(value, DEPTH_LIMIT):
            raise NotJson("the body is nested too deep")
        return value
    except NotJson:
        raise
    except UnicodeDecodeError:
        raise NotJson("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise NotJson("the body is nested too deep") from None
    except ValueError:
        raise NotJson("the body has a number that is too long") from None


def _is_deeper(value: Any, limit: int) -> bool:
    """Goes level by level: recursion would end at Python's own limit."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [
            entry
            for holder in level
            for entry in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(entry, (dict, list))
        ]
        if not level:
            return False
    return True


def _without_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotJson("the body has an object with the same key twice")
    return made


def _refuse_constant(_: str) -> Any:
    raise NotJson("the body has NaN or Infinity, which are not JSON")
