"""The seven state machines of the ledger, each as a table of its moves: intent, letter, job, chunk, mark, replay and outcome."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

# The intent


class State(StrEnum):
    """Where an intent is. The last four states are final: a replay is a new intent."""

    QUEUED = "queued"  #: waits in its lane until it may leave and a worker takes it; costs no attempt
    SENDING = "sending"  #: one worker holds the lease; waits for its answer, or for the lease to end
    RETRYING = "retrying"  #: waits in the due set for its time
    SENT = "sent"  #: the API returned a message code
    DEAD = "dead"  #: its dead letter is in the ledger
    EXPIRED = "expired"  #: `expires_at` came first; nothing was sent after it
    CANCELLED = "cancelled"  #: cancelled before it was sent


HELD: Final = "held"
"""How a `queued` intent is shown while a gate of its application is shut: the ledger does not move it, so it costs nothing."""


class Event(StrEnum):
    """What moves an intent."""

    NEW = "new"  #: a producer's intent is accepted
    REPLAY = "replay"  #: it replays a letter
    RESEND = "resend"  #: an operator sends again what was sent
    FILED = "filed"  #: it is known only as a dead letter: not a valid intent, or a job's recipient that will not be reached
    TAKEN = "taken"  #: a worker takes it, and it may leave
    ACCEPTED = "accepted"  #: the API accepts it
    FAILED = "failed"  #: the call failed, or it waits for a worker of a newer version
    GIVEN_UP = "given_up"  #: it will not be tried again
    HANDED_BACK = "handed_back"  #: it was not sent, through no fault of its own: a gate has shut, or the worker stops
    LEASE_ENDED = "lease_ended"  #: its worker is lost
    DUE = "due"  #: its time has come
    EXPIRE = "expire"  #: its `expires_at` has come
    CANCEL = "cancel"  #: a caller cancels it


_S, _E = State, Event

MOVES: Final[Mapping[State | None, Mapping[Event, State]]] = {
    None: {_E.NEW: _S.QUEUED, _E.REPLAY: _S.QUEUED, _E.RESEND: _S.QUEUED, _E.FILED: _S.DEAD},
    _S.QUEUED: {_E.TAKEN: _S.SENDING, _E.EXPIRE: _S.EXPIRED, _E.CANCEL: _S.CANCELLED},
    _S.SENDING: {
        _E.ACCEPTED: _S.SENT,
        _E.FAILED: _S.RETRYING,
        _E.GIVEN_UP: _S.DEAD,
        _E.HANDED_BACK: _S.QUEUED,
        _E.LEASE_ENDED: _S.QUEUED,
        _E.EXPIRE: _S.EXPIRED,
    },
    _S.RETRYING: {_E.DUE: _S.QUEUED, _E.EXPIRE: _S.EXPIRED, _E.CANCEL: _S.CANCELLED},
}
"""From a state, by an event, to a state. None: not in the ledger yet. The scripts make these moves and no others; tests hold them to it."""

FINAL: Final = frozenset(state for state in State if state not in MOVES)


# The letter


class Reason(StrEnum):
    """Why a letter is dead: a closed vocabulary."""

    INVALID = "invalid"  #: it does not pass our own validation
    REJECTED = "rejected"  #: the API refused this message
    EXHAUSTED = "exhausted"  #: it still failed at the age `WOOSHQ_MAX_AGE_S`
    UNKNOWN = "unknown"  #: no answer came, and `on_unknown` is `dead_letter`, or it was sent again as often as it may be
    POISON = "poison"  #: workers were lost again and again while they held it
    TOO_LARGE = "too_large"  #: larger than we store, or than the API takes


class LetterState(StrEnum):
    """Where a dead letter is. The last two states are final."""

    OPEN = "open"  #: waits for an operator
    REPLAYING = "replaying"  #: waits for its replay to end; nobody can start another one
    CLOSED = "closed"  #: its replay was sent
    DISCARDED = "discarded"  #: an operator said that it does not have to be sent


class LetterEvent(StrEnum):
    """What moves a letter."""

    FILED = "filed"  #: an intent dies
    REPLAY = "replay"  #: its replay begins
    SENT = "sent"  #: its replay was sent
    UNSENT = "unsent"  #: its replay died, expired or was cancelled
    DISCARD = "discard"  #: an operator discards it


LETTER_MOVES: Final[Mapping[LetterState | None, Mapping[LetterEvent, LetterState]]] = {
    None: {LetterEvent.FILED: LetterState.OPEN},
    LetterState.OPEN: {LetterEvent.REPLAY: LetterState.REPLAYING, LetterEvent.DISCARD: LetterState.DISCARDED},
    LetterState.REPLAYING: {LetterEvent.SENT: LetterState.CLOSED, LetterEvent.UNSENT: LetterState.OPEN},
}
"""As MOVES, for a letter."""


# The job


class JobState(StrEnum):
    """Where a job is. The last two states are final."""

    RUNNING = "running"  #: waits for workers to send its chunks
    PAUSED = "paused"  #: waits for `resume`, or for the time of its next roll-out step
    STOPPED = "stopped"  #: stopped itself, because too much was refused or its own text is wrong; waits for `resume`
    CANCELLED = "cancelled"  #: recipients not yet sent to are skipped
    DONE = "done"  #: every recipient has ended


class JobEvent(StrEnum):
    """What moves a job."""

    OPENED = "opened"  #: a producer begins it
    PAUSE = "pause"  #: a caller pauses it, or a roll-out step has ended
    STOP = "stop"  #: too much was refused
    RESUME = "resume"  #: a caller resumes it, or the time of its next roll-out step has come
    CANCEL = "cancel"  #: a caller cancels it
    ENDED = "ended"  #: its last recipient has ended


JOB_MOVES: Final[Mapping[JobState | None, Mapping[JobEvent, JobState]]] = {
    None: {JobEvent.OPENED: JobState.RUNNING},
    JobState.RUNNING: {
        JobEvent.PAUSE: JobState.PAUSED,
        JobEvent.STOP: JobState.STOPPED,
        JobEvent.CANCEL: JobState.CANCELLED,
        JobEvent.ENDED: JobState.DONE,
    },
    # A job that is held ends too: the calls that were in progress may have been its last ones.
    JobState.PAUSED: {JobEvent.RESUME: JobState.RUNNING, JobEvent.CANCEL: JobState.CANCELLED, JobEvent.ENDED: JobState.DONE},
    JobState.STOPPED: {JobEvent.RESUME: JobState.RUNNING, JobEvent.CANCEL: JobState.CANCELLED, JobEvent.ENDED: JobState.DONE},
}
"""As MOVES, for a job."""


# The chunk


class ChunkState(StrEnum):
    """Where a chunk of a job is. The last state is final."""

    QUEUED = "queued"  #: waits for a worker
    SENDING = "sending"  #: one worker, or the keeper, holds the lease; waits for it to be released or to end
    RETRYING = "retrying"  #: waits for the time of its next round
    DONE = "done"  #: every recipient in it has ended; only its marks are kept


class ChunkEvent(StrEnum):
    """What moves a chunk."""

    FED = "fed"  #: a producer adds it to its job
    TAKEN = "taken"  #: a worker takes it
    HANDED_BACK = "handed_back"  #: its worker releases it, to be taken at once
    FAILED = "failed"  #: its worker releases it, to be taken after a wait
    LEASE_ENDED = "lease_ended"  #: its worker is lost
    DUE = "due"  #: its time has come
    ENDED = "ended"  #: its last recipient has ended


CHUNK_MOVES: Final[Mapping[ChunkState | None, Mapping[ChunkEvent, ChunkState]]] = {
    None: {ChunkEvent.FED: ChunkState.QUEUED},
    ChunkState.QUEUED: {ChunkEvent.TAKEN: ChunkState.SENDING, ChunkEvent.ENDED: ChunkState.DONE},
    ChunkState.SENDING: {
        ChunkEvent.HANDED_BACK: ChunkState.QUEUED,
        ChunkEvent.FAILED: ChunkState.RETRYING,
        ChunkEvent.LEASE_ENDED: ChunkState.QUEUED,
        ChunkEvent.ENDED: ChunkState.DONE,
    },
    ChunkState.RETRYING: {ChunkEvent.DUE: ChunkState.QUEUED, ChunkEvent.ENDED: ChunkState.DONE},
}
"""As MOVES, for a chunk."""


# The mark


class Mark(StrEnum):
    """Where a recipient is: one byte in the marks of its chunk. Capital letters are final."""

    WAITING = "."  #: waits for its first call
    SENDING = "s"  #: a worker may have a call in progress for it
    AGAIN = "r"  #: a call did not reach it; waits for another one
    SENT = "S"  #: the API returned a message code
    DEAD = "D"  #: its dead letter is in the ledger
    UNKNOWN = "U"  #: the API does not know this identifier
    EXPIRED = "E"  #: the job's time was over first
    CANCELLED = "C"  #: the job was cancelled first


class MarkEvent(StrEnum):
    """What moves a mark."""

    FED = "fed"  #: its chunk is added
    BEGUN = "begun"  #: its call may leave
    ACCEPTED = "accepted"  #: the API accepts the call
    UNKNOWN = "unknown"  #: the API does not know the identifier
    GIVEN_UP = "given_up"  #: it will not be tried again
    FAILED = "failed"  #: the call failed
    HANDED_BACK = "handed_back"  #: the call was not made
    LEASE_ENDED = "lease_ended"  #: its worker is lost
    EXPIRE = "expire"  #: the job's time is over
    CANCEL = "cancel"  #: the job is cancelled


_ENDS: Final = {
    MarkEvent.ACCEPTED: Mark.SENT,
    MarkEvent.UNKNOWN: Mark.UNKNOWN,
    MarkEvent.GIVEN_UP: Mark.DEAD,
    MarkEvent.EXPIRE: Mark.EXPIRED,
    MarkEvent.CANCEL: Mark.CANCELLED,
}

MARK_MOVES: Final[Mapping[Mark | None, Mapping[MarkEvent, Mark]]] = {
    None: {MarkEvent.FED: Mark.WAITING},
    # A Redis that lost its last second has forgotten which calls began. Their outcomes count all the same.
    Mark.WAITING: {MarkEvent.BEGUN: Mark.SENDING, **_ENDS},
    Mark.SENDING: {MarkEvent.FAILED: Mark.AGAIN, MarkEvent.HANDED_BACK: Mark.WAITING, MarkEvent.LEASE_ENDED: Mark.AGAIN, **_ENDS},
    Mark.AGAIN: {MarkEvent.BEGUN: Mark.SENDING, **_ENDS},
}
"""As MOVES, for a mark."""

FINAL_MARKS: Final = frozenset(mark for mark in Mark if mark not in MARK_MOVES)

COUNTER_OF: Final[Mapping[Mark, str]] = {
    Mark.AGAIN: "retrying",
    Mark.SENDING: "sending",
    Mark.SENT: "sent",
    Mark.DEAD: "dead",
    Mark.UNKNOWN: "unknown_identifiers",
    Mark.EXPIRED: "expired",
    Mark.CANCELLED: "cancelled",
}
"""The field of a job's row that counts a mark. Recipients that wait are what is left of `total`."""


# The replay


class ReplayState(StrEnum):
    """Where a replay of dead letters is. The last two states are final."""

    PLANNED = "planned"  #: its letters are chosen; waits for somebody to start it, and is forgotten after a day
    RUNNING = "running"  #: its letters become intents, the oldest first
    PAUSED = "paused"  #: waits for `resume`
    STOPPED = "stopped"  #: stopped itself, because too many of its intents failed; waits for `resume`
    CANCELLED = "cancelled"  #: letters that were not sent yet are spared
    DONE = "done"  #: every letter in it has ended


class ReplayEvent(StrEnum):
    """What moves a replay."""

    PLAN = "plan"  #: a caller plans it
    START = "start"  #: a caller starts it
    PAUSE = "pause"  #: a caller pauses it
    STOP = "stop"  #: too many of its intents failed
    RESUME = "resume"  #: a caller resumes it
    CANCEL = "cancel"  #: a caller cancels it
    ENDED = "ended"  #: its last letter has ended


REPLAY_MOVES: Final[Mapping[ReplayState | None, Mapping[ReplayEvent, ReplayState]]] = {
    None: {ReplayEvent.PLAN: ReplayState.PLANNED},
    ReplayState.PLANNED: {ReplayEvent.START: ReplayState.RUNNING, ReplayEvent.CANCEL: ReplayState.CANCELLED},
    ReplayState.RUNNING: {
        ReplayEvent.PAUSE: ReplayState.PAUSED,
        ReplayEvent.STOP: ReplayState.STOPPED,
        ReplayEvent.CANCEL: ReplayState.CANCELLED,
        ReplayEvent.ENDED: ReplayState.DONE,
    },
    ReplayState.PAUSED: {
        ReplayEvent.RESUME: ReplayState.RUNNING,
        ReplayEvent.CANCEL: ReplayState.CANCELLED,
        ReplayEvent.ENDED: ReplayState.DONE,
    },
    ReplayState.STOPPED: {
        ReplayEvent.RESUME: ReplayState.RUNNING,
        ReplayEvent.CANCEL: ReplayState.CANCELLED,
        ReplayEvent.ENDED: ReplayState.DONE,
    },
}
"""As MOVES, for a replay."""


# The outcome


class Outcome(StrEnum):
    """What became of a letter in a replay: one byte in the replay's outcomes. Capital letters are final."""

    WAITING = "."  #: has not become an intent yet
    BEGUN = "b"  #: is an intent that has not ended
    SENT = "S"  #: the API returned a message code
    DEAD = "D"  #: the intent died, and the letter is open again
    EXPIRED = "E"  #: the intent's `expires_at` came first
    CANCELLED = "C"  #: the intent or the replay was cancelled first
    LEFT_OUT = "X"  #: is not replayed; the replay keeps the reason


class OutcomeEvent(StrEnum):
    """What moves an outcome."""

    CHOSEN = "chosen"  #: the plan has chosen the letter
    LEAVE_OUT = "leave_out"  #: the letter may not be replayed
    BEGIN = "begin"  #: the letter becomes an intent
    BACK = "back"  #: the intent was taken back before it was sent, or its recipients are tried in smaller calls
    ACCEPTED = "accepted"  #: the intent was sent
    GIVEN_UP = "given_up"  #: the intent died
    EXPIRE = "expire"  #: the intent expired
    CANCEL = "cancel"  #: the intent, or the replay, was cancelled


OUTCOME_MOVES: Final[Mapping[Outcome | None, Mapping[OutcomeEvent, Outcome]]] = {
    None: {OutcomeEvent.CHOSEN: Outcome.WAITING, OutcomeEvent.LEAVE_OUT: Outcome.LEFT_OUT},
    Outcome.WAITING: {
        OutcomeEvent.LEAVE_OUT: Outcome.LEFT_OUT,
        OutcomeEvent.BEGIN: Outcome.BEGUN,
        OutcomeEvent.CANCEL: Outcome.CANCELLED,
    },
    Outcome.BEGUN: {
        OutcomeEvent.BACK: Outcome.WAITING,
        OutcomeEvent.ACCEPTED: Outcome.SENT,
        OutcomeEvent.GIVEN_UP: Outcome.DEAD,
        OutcomeEvent.EXPIRE: Outcome.EXPIRED,
        OutcomeEvent.CANCEL: Outcome.CANCELLED,
    },
}
"""As MOVES, for an outcome."""

OUTCOME_COUNTER: Final[Mapping[Outcome, str]] = {
    Outcome.BEGUN: "begun",
    Outcome.SENT: "sent",
    Outcome.DEAD: "dead",
    Outcome.EXPIRED: "expired",
    Outcome.CANCELLED: "cancelled",
    Outcome.LEFT_OUT: "left_out",
}
"""The field of a replay's row that counts an outcome. Letters that wait are what is left of `total`."""


MACHINES: Final[Mapping[str, Mapping[Any, Mapping[Any, StrEnum]]]] = {
    "intent": MOVES,
    "letter": LETTER_MOVES,
    "job": JOB_MOVES,
    "chunk": CHUNK_MOVES,
    "mark": MARK_MOVES,
    "replay": REPLAY_MOVES,
    "outcome": OUTCOME_MOVES,
}
"""Every table by its name in the headers of the scripts."""
