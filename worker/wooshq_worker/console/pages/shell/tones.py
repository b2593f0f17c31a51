"""How a state looks: a tone and a shape for each word, so that it is told by more than its colour. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Look(NamedTuple):
    """tone: `good`, `run`, `wait`, `bad`, `doubt` or `quiet`. shape: an icon of the same name."""

    tone: str
    shape: str


_WAITS: Final = Look("quiet", "ring")
_RUNS: Final = Look("run", "half")
_HELD: Final = Look("wait", "pause")
_AGAIN: Final = Look("wait", "again")
_GOOD: Final = Look("good", "tick")
_BAD: Final = Look("bad", "cross")
_WARNS: Final = Look("wait", "triangle")
_DOUBT: Final = Look("doubt", "question")
_OVER: Final = Look("quiet", "slash")

LOOKS: Final[Mapping[str, Look]] = {
    # intents
    "queued": _WAITS,
    "sending": _RUNS,
    "retrying": _AGAIN,
    "held": _HELD,
    "sent": _GOOD,
    "dead": _BAD,
    "expired": _OVER,
    "cancelled": _OVER,
    # letters
    "open": Look("bad", "ring"),
    "replaying": _RUNS,
    "closed": _GOOD,
    "discarded": _OVER,
    # causes of letters
    "ignored": _OVER,
    "back again": Look("bad", "again"),
    "empty": _GOOD,
    # jobs, chunks, recipients, replays and their letters
    "running": _RUNS,
    "paused": _HELD,
    "stopped": _WARNS,
    "done": _GOOD,
    "waiting": _WAITS,
    "again": _AGAIN,
    "unknown": _DOUBT,
    "planned": _WAITS,
    "left_out": _OVER,
    "begun": _RUNS,
    # gates
    "shut": _BAD,
    "testing": _AGAIN,
    # reasons of dead letters
    "invalid": Look("bad", "cross"),
    "rejected": Look("bad", "cross"),
    "exhausted": Look("bad", "again"),
    "poison": Look("bad", "triangle"),
    "too_large": Look("bad", "cross"),
    # findings of the doctor
    "ok": _GOOD,
    "warn": _WARNS,
    "bad": _BAD,
    "hold": _HELD,
    "retry": _AGAIN,
    # findings of the overview, and why messages of a lane wait
    "critical": _BAD,
    "warning": _WARNS,
    "notice": Look("run", "info"),
    "no_worker": _BAD,
    "busy": _WARNS,
    "worker": _WAITS,
    "slot": Look("wait", "half"),
    "suspect": _DOUBT,
    "circuit": _BAD,
    "token": _BAD,
    "application": _BAD,
    "not_before": _HELD,
    "answers": _BAD,
    # webhooks and their deliveries
    "active": _GOOD,
    "failing": _BAD,
    "delivered": _GOOD,
    "failed": Look("bad", "again"),
    "dropped": Look("bad", "slash"),
    # lanes
    "flowing": _GOOD,
    "idle": Look("quiet", "tick"),
    "late": _BAD,
    # workers and the like
    "up": _GOOD,
    "fine": _GOOD,
    "starting": _RUNS,
    "stopping": _OVER,
    "not_ready": _BAD,
    "lost": Look("bad", "question"),
    "deaf": _BAD,
    "away": _BAD,
    "off": _OVER,
}
"""Word → how it looks. A word that is not here is quiet."""


def look(word: str) -> Look:
    """How a word looks."""
    return LOOKS.get(str(word), _WAITS)
