"""The state machines: intent, letter, job and mark, each as a table of its moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an intent is. The last four are final: a replay is a new intent."""

    QUEUED = "queued"  #: in its lane; nobody holds it
    SENDING = "sending"  #: one worker holds the lease; the keeper takes it back when the lease ends
    RETRYING = "retrying"  #: in the due set, until its time
    HELD = "held"  #: waits for a gate; costs no attempt
    SENT = "sent"  #: the API gave a message code
    DEAD = "dead"  #: a dead letter lies in the ledger
    EXPIRED = "expired"  #: `expires_at` came first; nothing was sent after it
    CANCELLED = "cancelled"  #: taken back before it was sent


class Event(StrEnum):
    """What moves an intent on."""

    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    FAILED = "failed"
    SHUT = "shut"
    GIVEN_UP = "given_up"
    HANDED_BACK = "handed_back"
    LEASE_ENDED = "lease_ended"
    DUE = "due"
    OPENED = "opened"
    EXPIRE = "expire"
    CANCEL = "cancel"


_S, _E = State, Event

MOVES: Mapping[State, Mapping[Event, State]] = {
    _S.QUEUED: {_E.CLAIMED: _S.SENDING, _E.EXPIRE: _S.EXPIRED, _E.CANCEL: _S.CANCELLED},
    _S.SENDING: {
        _E.ACCEPTED: _S.SENT,
        _E.FAILED: _S.RETRYING,
        _E.SHUT: _S.HELD,
        _E.GIVEN_UP: _S.DEAD,
        _E.HANDED_BACK: _S.QUEUED,
        _E.LEASE_ENDED: _S.QUEUED,
        _E.EXPIRE: _S.EXPIRED,
    },
    _S.RETRYING: {_E.DUE: _S.QUEUED, _E.EXPIRE: _S.EXPIRED, _E.CANCEL: _S.CANCELLED},
    _S.HELD: {_E.OPENED: _S.QUEUED, _E.EXPIRE: _S.EXPIRED, _E.CANCEL: _S.CANCELLED},
}
"""From a state, by an event, to a state. What is not here does not happen; the headers of the scripts are tested against it."""

FINAL: frozenset[State] = frozenset(State) - MOVES.keys()


class Reason(StrEnum):
    """Why a letter is dead: a closed vocabulary."""

    INVALID = "invalid"  #: it does not pass our own validation
    REJECTED = "rejected"  #: the API refused this message
    EXHAUSTED = "exhausted"  #: retries used up
    UNKNOWN = "unknown"  #: no answer came, and `on_unknown` is `dead_letter`
    POISON = "poison"  #: workers were lost again and again while they held it
    TOO_LARGE = "too_large"  #: larger than we store, or than the API takes


class LetterState(StrEnum):
    """Where a dead letter is."""

    OPEN = "open"  #: waits for a person
    REPLAYING = "replaying"  #: a replay of it is under way; nobody else can start one
    CLOSED = "closed"  #: a replay of it was sent
    DISCARDED = "discarded"  #: a person said that it need not be sent


class JobState(StrEnum):
    """Where a job is. The last two are final."""

    RUNNING = "running"  #: its chunks are sent as they come
    PAUSED = "paused"  #: a person, or the end of a step, holds it
    STOPPED = "stopped"  #: it stopped itself: what is wrong is not about single recipients, or too many were refused
    CANCELLED = "cancelled"  #: taken back; who had not been sent to never will be
    DONE = "done"  #: every recipient has ended


class JobEvent(StrEnum):
    """What moves a job on."""

    PAUSE = "pause"
    STOP = "stop"
    RESUME = "resume"
    CANCEL = "cancel"
    ENDED = "ended"


JOB_MOVES: Mapping[JobState, Mapping[JobEvent, JobState]] = {
    JobState.RUNNING: {
        JobEvent.PAUSE: JobState.PAUSED,
        JobEvent.STOP: JobState.STOPPED,
        JobEvent.CANCEL: JobState.CANCELLED,
        JobEvent.ENDED: JobState.DONE,
    },
    # What was under way when it was held may be all that was left.
    JobState.PAUSED: {
        JobEvent.RESUME: JobState.RUNNING,
        JobEvent.STOP: JobState.STOPPED,
        JobEvent.CANCEL: JobState.CANCELLED,
        JobEvent.ENDED: JobState.DONE,
    },
    JobState.STOPPED: {JobEvent.RESUME: JobState.RUNNING, JobEvent.CANCEL: JobState.CANCELLED, JobEvent.ENDED: JobState.DONE},
}
"""From a state, by an event, to a state; the headers of the scripts are tested against it."""


class Mark(StrEnum):
    """Where a recipient is: one byte in the marks of their chunk. The capital ones are final."""

    WAITING = "."  #: not sent to yet
    SENDING = "s"  #: a worker may have a call under way for them
    AGAIN = "r"  #: a call did not reach them; another will be made
    SENT = "S"  #: the API gave a message code
    DEAD = "D"  #: a dead letter lies in the ledger
    UNKNOWN = "U"  #: the API does not know this identifier
    EXPIRED = "E"  #: the job's time was over first
    CANCELLED = "C"  #: the job was cancelled first


FINAL_MARKS: Final = frozenset({Mark.SENT, Mark.DEAD, Mark.UNKNOWN, Mark.EXPIRED, Mark.CANCELLED})

COUNTER_OF: Final[Mapping[Mark, str]] = {
    Mark.AGAIN: "retrying",
    Mark.SENDING: "sending",
    Mark.SENT: "sent",
    Mark.DEAD: "dead",
    Mark.UNKNOWN: "unknown_identifiers",
    Mark.EXPIRED: "expired",
    Mark.CANCELLED: "cancelled",
}
"""The field of a job's row that counts a mark; those that wait are what is left of `total`."""
