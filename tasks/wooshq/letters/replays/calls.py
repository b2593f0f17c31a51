"""What is done with a replay after it was planned: start it (see `start`), pause, resume, cancel, wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from wooshq.errors import ReplayUnknown
from wooshq.gates.who import said
from wooshq.ledger.steps import Flow, until_at_rest
from wooshq.letters.replays.ledger import ReplayLedger
from wooshq.letters.replays.run import run_replay
from wooshq.letters.replays.show import NO_SUCH_REPLAY, Replay, show_replay
from wooshq.letters.replays.start import start_replay
from wooshq.settings import Settings


def start(ledger: ReplayLedger, settings: Settings, replay_id: str, by: str | None) -> Flow[Replay]:
    """See `Replays.start`."""
    yield from start_replay(ledger, settings, replay_id, by)
    return (yield from show_replay(ledger.keys, replay_id))


def move(
    ledger: ReplayLedger, settings: Settings, replay_id: str, event: Literal["pause", "resume", "cancel"], why: str, by: str | None
) -> Flow[Replay]:
    """See `Replays.pause`, `resume` and `cancel`. What waits in a queue is taken back at once, as far as one page goes; the keeper does the rest."""
    state, moved = yield from ledger.move(replay_id, event, *said(why, by))
    if state == "gone":
        raise ReplayUnknown(NO_SUCH_REPLAY)
    if moved and event != "resume":
        yield from run_replay(ledger, settings, replay_id)
    return (yield from show_replay(ledger.keys, replay_id))


def wait(ledger: ReplayLedger, replay_id: str, within_s: float | None, watch: Callable[[Replay], object]) -> Flow[Replay]:
    """See `Replays.wait`."""
    return (yield from until_at_rest(lambda: show_replay(ledger.keys, replay_id), within_s, watch))
