"""The state machine of an intent, as one table: every move there is, and the script that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


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
