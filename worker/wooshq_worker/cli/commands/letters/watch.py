"""Follow a replay: a bar for people, a line a second for machines."""

from __future__ import annotations

import time
from typing import Final

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from wooshq import Wooshq
from wooshq.ledger.states import ReplayState
from wooshq.letters.replays.show import Replay
from wooshq_worker.cli.terminal.no_worker import NoWorkerYet
from wooshq_worker.cli.terminal.out import emit, people, say

_EVERY_S: Final = 1.0


def watch_replay(wooshq: Wooshq, replay_id: str, as_json: bool) -> bool:
    """Follow a replay until it ends, pauses or stops. Whether it has ended and no letter failed again."""
    columns = (BarColumn(bar_width=20), TaskProgressColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    said_at = 0.0
    no_worker = NoWorkerYet(wooshq)
    with Progress(*columns, console=people, disable=not people.is_terminal or as_json, transient=True) as progress:
        bar = progress.add_task("", total=None)

        def show(replay: Replay) -> None:
            nonlocal said_at
            progress.update(bar, description=line(replay), total=replay.total - replay.left_out, completed=ended_of(replay))
            if as_json and time.monotonic() - said_at >= _EVERY_S:
                said_at = time.monotonic()
                emit(replay)
            if replay.sending == 0 and not replay.is_at_rest:
                no_worker.look()

        replay = wooshq.replays.wait(replay_id, watch=show)
    emit(replay) if as_json else say(sentence(replay))
    return replay.state == ReplayState.DONE and replay.dead == 0


def ended_of(replay: Replay) -> int:
    """Letters that have ended."""
    return replay.sent + replay.dead + replay.expired + replay.cancelled


def line(replay: Replay) -> str:
    """For a progress bar."""
    parts = [f"{replay.sent:,} sent", *(f"{n:,} {word}" for n, word in ((replay.dead, "failed again"), (replay.waiting, "left")) if n)]
    return ", ".join([*parts, "first slice"] if replay.in_first_slice else parts)


def sentence(replay: Replay) -> str:
    """State and counters in a sentence."""
    counted = (
        (replay.dead, "failed again"),
        (replay.expired, "expired"),
        (replay.cancelled, "spared" if replay.state == ReplayState.CANCELLED else "cancelled"),
        (replay.sending, "being sent"),
        (replay.waiting, "spared" if replay.state == ReplayState.STOPPED else "left"),
        (replay.left_out, "left out"),
    )
    said = [f"{replay.sent:,} sent", *(f"{n:,} {word}" for n, word in counted if n)]
    note = f" {replay.note}." if replay.note else ""
    return f"{replay.state}: {', '.join(said)}, of {replay.total:,} letters.{note}"
