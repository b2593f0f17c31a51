"""Where a person stands in an intent's JSON, in texts and in records, and what is left without the person. Pure."""

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


class Person:
    """A recipient who is to be forgotten."""

    def __init__(self, recipient: str) -> None:
        self.recipient = recipient
        self._named = re.compile(rf"(?<!\w){re.escape(recipient)}(?!\w)")
        self.written = tuple(dict.fromkeys((recipient, json.dumps(recipient)[1:-1], json.dumps(recipient, ensure_ascii=False)[1:-1])))
        """As the person may be written in a JSON text."""

    def may_be_in(self, text: str) -> bool:
        """False if the person cannot be in a JSON text: most texts need not be read."""
        return any(form in text for form in self.written)

    def names(self, text: str) -> bool:
        """Whether a text names the person."""
        return self._named.search(text) is not None

    def others_in(self, body: str) -> int | None:
        """How many other recipients an intent has; None if it does not have this one."""
        return self._others_in(body, lists_in_intent)

    def others_in_payload(self, payload: str) -> int | None:
        """How many other recipients a request body has; None if it does not have this one."""
        return self._others_in(payload, lists_in_request)

    def scrubbed(self, value: Any) -> Any:
        """A JSON value that does not name the person: a list without, and a text with a word instead."""
        if isinstance(value, str):
            return self._named.sub(GONE, value)
        if isinstance(value, Mapping):
            return {name: self.scrubbed(inner) for name, inner in value.items()}
        return [self.scrubbed(inner) for inner in value if inner != self.recipient] if isinstance(value, list) else value

    def scrubbed_json(self, text: str) -> str:
        """`scrubbed` of a JSON text; the text itself if it does not name the person."""
        if not self.may_be_in(text):
            return text
        data = _read(text)
        return self._named.sub(GONE, text) if data is None else _written(self.scrubbed(data))

    def without(self, body: str) -> str:
        """An intent's JSON without the person; a key or a tag that names the person goes, too. Texts of the message stay: others got them."""
        return self._without(body, lists_in_intent)

    def without_in_payload(self, payload: str) -> str:
        """A request body's JSON without the person."""
        return self._without(payload, lists_in_request)

    def without_in_record(self, record: Record) -> Record:
        """A record without the person. A key or a tag that names the person goes, too."""
        return replace(
            record,
            recipients=tuple(one for one in record.recipients if one != self.recipient),
            key="" if self.names(record.key) else record.key,
            tags=tuple((name, value) for name, value in record.tags if not self.names(value)),
            body=self.without(record.body),
            payload=self.without_in_payload(record.payload),
            shown=self.scrubbed(record.shown),
        )

    def _others_in(self, body: str, lists: Callable[[Mapping[str, Any]], Any]) -> int | None:
        if not self.may_be_in(body):
            return None
        data = _read(body)
        if not isinstance(data, dict):
            return 0  # not an intent, and it names the person
        found = {one for _, identifiers in lists(data) for one in identifiers if isinstance(one, str)}
        return len(found) - 1 if self.recipient in found else None

    def _without(self, body: str, lists: Callable[[Mapping[str, Any]], Any]) -> str:
        data = _read(body) if body else None
        if not isinstance(data, dict):
            return "" if self.may_be_in(body) else body
        for _, identifiers in lists(data):
            identifiers[:] = [one for one in identifiers if one != self.recipient]
        if self.names(str(data.get("idempotency_key", ""))):
            del data["idempotency_key"]
        if isinstance(data.get("tags"), dict):
            data["tags"] = {name: value for name, value in data["tags"].items() if not self.names(str(value))}
        return _written(data)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _written(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
