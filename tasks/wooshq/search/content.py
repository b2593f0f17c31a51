"""What an intent's JSON, or a template's, says about the fields of a query. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic_core import from_json

from wooshq.search.tree import Field, Is
from wooshq_schemas.recipient_lists import LISTS, REQUEST_KINDS, recipients_in_intent

IN_CONTENT: Final = (Field.CAMPAIGN, Field.KEY, Field.RECIPIENT, Field.TAG, Field.TEXT)
"""The fields that need the content."""
_SENT: Final = ("message", "placeholders", "request", "meta_data")
"""The parts of an intent whose texts are sent."""


class Content:
    """The content of an intent. body: its JSON, which need not be valid: a letter `invalid` can be anything. It is read when it is asked for."""

    __slots__ = ("_body", "_recipients", "_whole")

    def __init__(self, body: str) -> None:
        self._body = body
        self._whole: Mapping[str, Any] | None = None
        self._recipients: tuple[str, ...] | None = None

    @property
    def _data(self) -> Mapping[str, Any]:
        if self._whole is None:  # functools.cached_property has a lock, which costs as much as to read a small body
            self._whole = _object(self._body)
        return self._whole

    def has(self, condition: Is) -> bool:
        """Whether it meets a condition on one of `IN_CONTENT`."""
        if condition.field is not Field.TEXT and condition.value not in self._body and "\\" not in self._body:
            return False  # nothing in the JSON is escaped: it need not be read
        match condition.field:
            case Field.CAMPAIGN:
                return self.campaign == condition.value
            case Field.KEY:
                return self._data.get("idempotency_key") == condition.value
            case Field.RECIPIENT:
                return condition.value in recipients_in_intent(self._data)
            case Field.TAG:
                tags = self._data.get("tags")
                return isinstance(tags, Mapping) and tags.get(condition.name) == condition.value
            case Field.TEXT:
                return contains(self.texts(), condition.value)
            case _:
                return False

    @property
    def campaign(self) -> str | None:
        """Its campaign; None without one."""
        request = self._data.get("request")
        inner = [request.get(kind) for kind in REQUEST_KINDS] if isinstance(request, Mapping) else []
        places = [self._data, *(one for one in inner if isinstance(one, Mapping))]
        return next((place["campaign"] for place in places if isinstance(place.get("campaign"), str)), None)

    @property
    def key(self) -> str:
        """Its idempotency key; "" without one."""
        key = self._data.get("idempotency_key")
        return key if isinstance(key, str) else ""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every identifier, each once, sorted."""
        if self._recipients is None:
            self._recipients = tuple(sorted(recipients_in_intent(self._data)))
        return self._recipients

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        """(name, value) of each tag, sorted."""
        tags = self._data.get("tags")
        if not isinstance(tags, Mapping):
            return ()
        return tuple(sorted((name, value) for name, value in tags.items() if isinstance(value, str)))

    def texts(self) -> Iterator[str]:
        """Every text that is sent: of the message, its placeholders and its data. Recipients are not among them."""
        for part in _SENT:
            yield from _texts(self._data.get(part))


def read_json(text: str) -> Any:
    """`json.loads` in a third of the time. Raises ValueError, RecursionError."""
    try:
        return from_json(text)
    except ValueError:  # also for what only Python reads: lone surrogates
        return json.loads(text)


def _object(body: str) -> Mapping[str, Any]:
    """A JSON object; empty if it is none."""
    try:
        data = read_json(body) if body else {}
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def contains(texts: Iterable[str], wanted: str) -> bool:
    """Whether the texts, one a line, contain the wanted one; capital or small letters do not count."""
    return wanted.casefold() in "\n".join(text for text in texts if text).casefold()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in LISTS:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
