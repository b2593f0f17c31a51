"""Where a fan-out job is, and where each of its recipients is: two tables, and the moves between."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


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


_S, _E = JobState, JobEvent

JOB_MOVES: Mapping[JobState, Mapping[JobEvent, JobState]] = {
    _S.RUNNING: {_E.PAUSE: _S.PAUSED, _E.STOP: _S.STOPPED, _E.CANCEL: _S.CANCELLED, _E.ENDED: _S.DONE},
    # What was under way when it was held may be all that was left.
    _S.PAUSED: {_E.RESUME: _S.RUNNING, _E.STOP: _S.STOPPED, _E.CANCEL: _S.CANCELLED, _E.ENDED: _S.DONE},
    _S.STOPPED: {_E.RESUME: _S.RUNNING, _E.CANCEL: _S.CANCELLED, _E.ENDED: _S.DONE},
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
