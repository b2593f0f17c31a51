"""Every event that wooshq tells the world outside: its name, its version, what its body has, and when it comes. The table in docs/events.md is written from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict


class EventType(StrEnum):
    """The names of all events."""

    MESSAGES_SENT = "messages.sent"
    MESSAGES_DEAD = "messages.dead"
    MESSAGES_EXPIRED = "messages.expired"
    MESSAGES_CANCELLED = "messages.cancelled"
    LETTERS_CLOSED = "letters.closed"
    LETTERS_DISCARDED = "letters.discarded"
    JOB_ENDED = "job.ended"
    REPLAY_ENDED = "replay.ended"
    GATE_SHUT = "gate.shut"
    GATE_OPENED = "gate.opened"
    WEBHOOK_TEST = "webhook.test"


class Body(BaseModel):
    """What an event says. A field that a later version adds is ignored by this one."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Messages(Body):
    """Messages that have ended in the same way. An end without its row any more (kept too shortly) has no application and no lane."""

    application: str | None
    lane: str | None
    count: int
    ids: tuple[str, ...]
    """Ids of the intents, as `enqueue` gave them."""
    first_at: str | None
    """When the first of them ended."""
    last_at: str | None
    """When the last of them ended."""


class DeadMessages(Messages):
    """Messages that have become dead letters for the same reason. The ids are those of the intents; see `wooshq dead`."""

    reason: str | None


class Letters(Body):
    """Dead letters of one application that are done with."""

    application: str | None
    count: int
    ids: tuple[str, ...]
    """Ids of the letters."""


class JobEnded(Body):
    """A fan-out that has ended. The numbers count recipients, except `calls`; those in doubt (`unknown`) are also counted elsewhere."""

    job: str
    application: str | None
    state: str
    """`done` or `cancelled`."""
    total: int
    sent: int
    dead: int
    unknown_identifiers: int
    expired: int
    cancelled: int
    unknown: int
    calls: int
    accepted_at: str | None
    ended_at: str | None


class ReplayEnded(Body):
    """A replay that has ended. The numbers count letters, except `calls`."""

    replay: str
    state: str
    """`done` or `cancelled`."""
    total: int
    sent: int
    dead: int
    expired: int
    cancelled: int
    left_out: int
    calls: int
    started_at: str | None
    ended_at: str | None


class GateMoved(Body):
    """A gate that was open and is shut, or was shut and is open. One that stays shut for longer tells nothing."""

    gate: str
    """`circuit`, `token`, `application`, `not_before`, `answers`, or `hand` (a pause)."""
    application: str
    """`*` for all applications."""
    lane: str | None
    """None for both."""
    by_hand: bool
    at: str | None
    until: str | None
    """When calls may test it again. None if it is open, or a person must open it."""


class WebhookTest(Body):
    """Somebody tests a webhook."""

    webhook: str


@dataclass(frozen=True, slots=True)
class Kind:
    """version: of the body; it grows when a field changes its meaning or goes, not when one is added. means: when it comes."""

    body: type[Body]
    version: int
    means: str


KINDS: Final[Mapping[EventType, Kind]] = {
    EventType.MESSAGES_SENT: Kind(Messages, 1, "Pushwoosh has accepted these messages."),
    EventType.MESSAGES_DEAD: Kind(DeadMessages, 1, "These messages have become dead letters."),
    EventType.MESSAGES_EXPIRED: Kind(Messages, 1, "These messages were not sent, because their `expires_at` came."),
    EventType.MESSAGES_CANCELLED: Kind(
        Messages, 1, "These messages were not sent, because somebody cancelled them, or took back the replay that made them."
    ),
    EventType.LETTERS_CLOSED: Kind(Letters, 1, "The replays of these dead letters were sent."),
    EventType.LETTERS_DISCARDED: Kind(Letters, 1, "Somebody has discarded these dead letters."),
    EventType.JOB_ENDED: Kind(JobEnded, 1, "A fan-out has ended: every recipient has."),
    EventType.REPLAY_ENDED: Kind(ReplayEnded, 1, "A replay has ended: every letter of it has an outcome."),
    EventType.GATE_SHUT: Kind(GateMoved, 1, "A gate holds back an application's messages from now on."),
    EventType.GATE_OPENED: Kind(GateMoved, 1, "A gate holds back nothing any more."),
    EventType.WEBHOOK_TEST: Kind(WebhookTest, 1, "Somebody tests a webhook; only this one receives it."),
}


@dataclass(frozen=True, slots=True)
class Event:
    """
    One event. id: the same however often it is delivered. type: see EventType; a later version may send others. version: of `data`. timestamp:
    when it was made, RFC 3339, UTC. data: see KINDS.
    """

    id: str
    type: str
    version: int
    timestamp: str
    data: Body | Mapping[str, Any]


def check_types(types: Any) -> list[str]:
    """The types that a webhook wants, in their order, each once; empty for all. Raises ValueError for one that does not exist."""
    given = {types} if isinstance(types, str) else set(types)
    if not given <= {str(one) for one in EventType}:
        raise ValueError(f"types: must be of {', '.join(EventType)}. Leave them out for all")
    return [str(one) for one in EventType if one in given]
