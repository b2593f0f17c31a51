"""What is left of a record when one of its recipients is forgotten. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from wooshq.history.record import Record
from wooshq_schemas.recipient_lists import lists_in_intent, lists_in_request

GONE: Final = "(forgotten)"
"""Stands where the API or wooshq named the person."""


def without(record: Record, recipient: str) -> Record:
    """
    The record without this recipient: in its lists, in its body and payload, and where the API named it.

    The texts of the message stay: the other recipients got them, too. A key or a tag that names the person goes.
    """
    named = re.compile(rf"(?<!\w){re.escape(recipient)}(?!\w)")

    def scrub(value: Any) -> Any:
        if isinstance(value, str):
            return named.sub(GONE, value)
        if isinstance(value, Mapping):
            return {name: scrub(inner) for name, inner in value.items()}
        return [scrub(inner) for inner in value if inner != recipient] if isinstance(value, list) else value

    return replace(
        record,
        recipients=tuple(one for one in record.recipients if one != recipient),
        key="" if named.search(record.key) else record.key,
        tags=tuple((name, value) for name, value in record.tags if not named.search(value)),
        body=_without(record.body, recipient, named, lists_in_intent),
        payload=_without(record.payload, recipient, named, lists_in_request),
        shown=scrub(record.shown),
    )


def _without(body: str, recipient: str, named: re.Pattern[str], lists: Callable[[Mapping[str, Any]], Any]) -> str:
    """A JSON object without the recipient. What cannot be read is kept only if it does not name the person."""
    try:
        data = json.loads(body) if body else None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return "" if recipient in body else body
    for _, identifiers in lists(data):
        identifiers[:] = [one for one in identifiers if one != recipient]
    if named.search(str(data.get("idempotency_key", ""))):
        del data["idempotency_key"]
    if isinstance(data.get("tags"), dict):
        data["tags"] = {name: value for name, value in data["tags"].items() if not named.search(str(value))}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
