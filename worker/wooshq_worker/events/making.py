"""From what the ledger told, and what it knows of it, to events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from wooshq.events.event import Body, DeadMessages, EventType, GateMoved, JobEnded, Letters, Messages, ReplayEnded
from wooshq.events.ledger import Facts
from wooshq.jobs.show import Job
from wooshq.ledger.replies import moment
from wooshq.ledger.states import LetterState, State
from wooshq.letters.replays.show import Replay

IDS: Final = 500
"""Ids of one event at most: a receiver reads it at once."""
_OF_STATE: Final = {
    State.SENT: EventType.MESSAGES_SENT,
    State.DEAD: EventType.MESSAGES_DEAD,
    State.EXPIRED: EventType.MESSAGES_EXPIRED,
    State.CANCELLED: EventType.MESSAGES_CANCELLED,
}
_OF_LETTER: Final = {LetterState.CLOSED: EventType.LETTERS_CLOSED, LetterState.DISCARDED: EventType.LETTERS_DISCARDED}


@dataclass(frozen=True, slots=True)
class Made:
    """An event that is not stored yet."""

    type: EventType
    body: Body


def of_messages(ends: Iterable[tuple[str, str]], facts: Mapping[str, Facts]) -> Iterator[Made]:
    """ends: (state, intent id), each once. facts: by id; an id without them is told all the same."""
    groups: dict[tuple[EventType, str, str, str], list[tuple[str, int]]] = {}
    for state, intent_id in ends:
        known = facts.get(intent_id) or Facts()
        kind = _OF_STATE[State(state)]
        reason = known.reason if kind is EventType.MESSAGES_DEAD else ""
        groups.setdefault((kind, known.application, known.lane, reason), []).append((intent_id, known.ended_ms))
    for (kind, application, lane, reason), members in groups.items():
        for start in range(0, len(members), IDS):
            yield Made(kind, _messages(kind, application, lane, reason, members[start : start + IDS]))


def _messages(kind: EventType, application: str, lane: str, reason: str, members: Sequence[tuple[str, int]]) -> Messages:
    times = [at for _, at in members if at]
    common = {
        "application": application or None,
        "lane": lane or None,
        "count": len(members),
        "ids": tuple(one for one, _ in members),
        "first_at": moment(min(times)) if times else None,
        "last_at": moment(max(times)) if times else None,
    }
    return DeadMessages(**common, reason=reason or None) if kind is EventType.MESSAGES_DEAD else Messages(**common)  # type: ignore[arg-type]


def of_letters(ids: Iterable[str], facts: Mapping[str, Facts]) -> Iterator[Made]:
    """ids: of letters, each once. One whose row has gone, or that is open again, is not told."""
    groups: dict[tuple[EventType, str], list[str]] = {}
    for letter_id in ids:
        known = facts.get(letter_id) or Facts()
        if (kind := _OF_LETTER.get(known.state)) is not None:  # type: ignore[call-overload]
            groups.setdefault((kind, known.application), []).append(letter_id)
    for (kind, application), members in groups.items():
        for start in range(0, len(members), IDS):
            part = tuple(members[start : start + IDS])
            yield Made(kind, Letters(application=application or None, count=len(part), ids=part))


def of_job(job: Job) -> Made:
    """A job that has ended."""
    return Made(
        EventType.JOB_ENDED,
        JobEnded(
            job=job.id,
            application=job.application or None,
            state=job.state,
            total=job.total,
            sent=job.sent,
            dead=job.dead,
            unknown_identifiers=job.unknown_identifiers,
            expired=job.expired,
            cancelled=job.cancelled,
            unknown=job.unknown,
            calls=job.calls,
            accepted_at=job.accepted_at,
            ended_at=job.ended_at,
        ),
    )


def of_replay(replay: Replay) -> Made:
    """A replay that has ended."""
    names = [name for name in ReplayEnded.model_fields if name != "replay"]
    assert {*names} <= {one.name for one in fields(Replay)}
    return Made(EventType.REPLAY_ENDED, ReplayEnded(replay=replay.id, **{name: getattr(replay, name) for name in names}))


def of_gate(told: str, at_ms: int) -> Made | None:
    """A gate that moved, as ended.lua tells it. None for what a later version tells in another way."""
    parts = told.split("|")
    if len(parts) != 5 or parts[0] not in ("shut", "opened"):
        return None
    did, gate, whose, by, until = parts
    application, _, lane = whose.partition("/")
    return Made(
        EventType.GATE_SHUT if did == "shut" else EventType.GATE_OPENED,
        GateMoved(
            gate=gate,
            application=application,
            lane=lane or None,
            by_hand=by == "hand",
            at=moment(at_ms),
            until=moment(until) if until != "0" else None,
        ),
    )
