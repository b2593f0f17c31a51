"""An event as the ledger keeps it, and the text that every receiver gets: the same bytes each time. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from wooshq.events.event import KINDS, Body, Event, EventType
from wooshq.ledger.steps import as_json

_ID: Final = re.compile(r"evt_(\d{1,15})-(\d{1,10})_([a-z0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class Stored:
    """
    An event in the ledger. entry: its place in the stream. tag: of the installation, so that two of them never make the same id. rest: its text
    without the id.
    """

    entry: str
    tag: str
    type: str
    rest: str

    @property
    def id(self) -> str:
        """The event's id: `webhook-id`, and the `id` of server-sent events."""
        return f"evt_{self.entry}_{self.tag}"

    @property
    def made_ms(self) -> int:
        """When it was made, ms since the epoch."""
        return int(self.entry.partition("-")[0])

    @property
    def text(self) -> str:
        """The JSON that is sent."""
        return f'{{"id":"{self.id}",{self.rest[1:]}'

    def read(self) -> Event:
        """The event. A body that this version does not know is a plain object."""
        return read_event(self.text)


def to_store(kind: EventType, body: Body, timestamp: str | None) -> tuple[str, str]:
    """Type and text of a new event, as the ledger is given them."""
    return str(kind), as_json(
        {"type": str(kind), "version": KINDS[kind].version, "timestamp": timestamp, "data": body.model_dump(mode="json")}
    )


def read_event(text: str | bytes) -> Event:
    """The event that a webhook was sent. Raises ValueError for a text that is not one."""
    said = json.loads(text)
    if not isinstance(said, dict) or not {"id", "type", "version", "timestamp", "data"} <= said.keys():
        raise ValueError("this is not an event of wooshq")
    return Event(said["id"], said["type"], said["version"], said["timestamp"], _body(said))


def _body(said: Mapping[str, Any]) -> Body | Mapping[str, Any]:
    try:
        kind = KINDS[EventType(said["type"])]
        return kind.body.model_validate(said["data"]) if kind.version == said["version"] else said["data"]
    except (ValueError, ValidationError):
        return dict(said["data"])


def entry_of(event_id: str, tag: str | None = None) -> str | None:
    """The place of an event in the stream. None if this is no id of an event, or one of another installation (tag: of this one)."""
    found = _ID.fullmatch(event_id)
    if found is None or (tag is not None and found[3] != tag):
        return None
    return f"{found[1]}-{found[2]}"
