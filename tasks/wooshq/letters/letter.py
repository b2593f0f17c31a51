"""A dead letter, as the calls return it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wooshq.results import Result


@dataclass(frozen=True)
class Letter(Result):
    """One dead letter, as `dead list` shows it. attempts: how many calls were made for it, those of its replays included."""

    id: str
    intent_id: str
    reason: str
    detail: str
    filed_at: str | None
    attempts: int
    lane: str
    application: str | None
    bulk_id: str | None
    replays: list[str]
    state: str
    filed_ms: int = field(default=0, metadata={"shown": False})


@dataclass(frozen=True)
class WholeLetter(Result):
    """One dead letter, as `dead show` has it: with intent, payload and every attempt of it and of its replays."""

    id: str
    intent_id: str
    reason: str
    detail: str
    filed_at: str | None
    attempts: list[dict[str, Any]]
    lane: str
    application: str | None
    bulk_id: str | None
    replays: list[str]
    state: str
    intent: Any  #: what a replay would send: edited, if it was; a text where what came is no JSON
    payload: Any
    note: str | None
    message_code: str | None  #: of the replay that was sent


@dataclass(frozen=True)
class Group(Result):
    """Letters of one cause: an incident reads as a few of these."""

    reason: str
    detail: str
    application: str | None
    count: int
    first_at: str | None
    last_at: str | None
