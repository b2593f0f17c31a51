"""`wooshq replays …`: follow, pause, resume and cancel replays of dead letters."""

from __future__ import annotations

from typing import Annotated

import typer

from wooshq import ReplayUnknown, Wooshq
from wooshq.ledger.states import ReplayState
from wooshq.letters.replays.planning import LeftOutFor
from wooshq.letters.replays.show import OUTCOME_NAMES, Replay
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.commands.letters.watch import sentence, watch_replay
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, Group, examples
from wooshq_worker.cli.terminal.out import SOME_REFUSED, Json, continue_unread, emit, finish, pairs, say, several, short
from wooshq_worker.cli.terminal.out import show as print_line
from wooshq_worker.cli.terminal.tables import Column, table

app = typer.Typer(
    cls=Group,
    help="Follow, pause, resume and cancel replays (wooshq dead replay starts one).",
    epilog=examples("wooshq replays list", f"wooshq replays show {EXAMPLE_ID} --watch", f"wooshq replays pause {EXAMPLE_ID}"),
    no_args_is_help=True,
    rich_markup_mode="rich",
)
ReplayId = Annotated[str, typer.Argument(metavar="ID", help="Id of the replay.")]

_REPLAYS = (
    Column("id"),
    Column("state"),
    Column("sent"),
    Column("total"),
    Column("failed", 1),
    Column("left", 2),
    Column("left out", 4),
    Column("started (UTC)", 3),
    Column("by", 5),
    Column("selection", cut=True),
)


@app.command("list", cls=Command, epilog=examples("wooshq replays list --most 5"))
def list_(most: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most N replays.")] = 20, as_json: Json = False) -> None:
    """List replays, newest first."""
    with open_wooshq() as wooshq:
        found = wooshq.replays.list(most=most)
    if as_json:
        for one in found:
            emit(one)
        return
    rows = [
        (r.id, r.state, r.sent, r.total, r.dead, r.waiting + r.sending, r.left_out, short(r.started_at or r.planned_at), r.by, r.selection)
        for r in found
    ]
    table(several(len(found), "replay"), _REPLAYS, rows, empty="There are no replays.")


@app.command(
    cls=Command,
    epilog=examples(f"wooshq replays show {EXAMPLE_ID} --watch", f"wooshq replays show {EXAMPLE_ID} --letters --outcome dead"),
)
def show(
    replay_id: ReplayId,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the replay until it ends, pauses or stops.")] = False,
    letters: Annotated[bool, typer.Option("--letters", help="List the letters, each with its outcome.")] = False,
    outcome: Annotated[
        str | None, typer.Option(metavar="OUTCOME", help=f"With --letters: only those with this outcome: {', '.join(OUTCOME_NAMES)}.")
    ] = None,
    left_out_for: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHY",
            help=f"With --letters: only those that are left out for this. May be repeated. Of {', '.join(LeftOutFor)}.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a replay: how many letters were sent, how many failed again, and how many are left."""
    if outcome is not None and (not letters or outcome not in OUTCOME_NAMES):
        raise typer.BadParameter(f"needs --letters, and one of {', '.join(OUTCOME_NAMES)}", param_hint="--outcome")
    if left_out_for and (not letters or outcome is not None or not set(left_out_for) <= set(LeftOutFor)):
        raise typer.BadParameter(f"needs --letters without --outcome, and must be of {', '.join(LeftOutFor)}", param_hint="--left-out-for")
    with open_wooshq() as wooshq:
        replay = _or_end(wooshq, replay_id)
        if letters:
            for one in wooshq.replays.outcomes(replay.id, outcome=outcome, left_out_for=left_out_for or ()):
                said = f": {one.why}" if one.why else ""
                emit(one) if as_json else print_line(f"{one.letter} {one.outcome}{said}")
        elif watch:
            finish(0 if watch_replay(wooshq, replay.id, as_json) else SOME_REFUSED)
        elif as_json:
            emit(replay)
        else:
            pairs(replay)
            say(sentence(replay))


@app.command(cls=Command, epilog=examples(f"wooshq replays start {EXAMPLE_ID}"))
def start(replay_id: ReplayId, by: By = None, as_json: Json = False) -> None:
    """Start a replay that was planned (wooshq dead replay --plan), with just the letters of its plan."""
    continue_unread()
    with open_wooshq() as wooshq:
        _or_end(wooshq, replay_id)
        _moved(wooshq.replays.start(replay_id.lower(), by=by), ("running", "stopped", "done"), as_json)


@app.command(cls=Command, epilog=examples(f"wooshq replays pause {EXAMPLE_ID} --why 'until the preset is fixed'"))
def pause(
    replay_id: ReplayId,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Reason to show with the replay.")] = "paused manually",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Pause a replay. Calls in progress end; everything else of it is held back, also what waits behind a gate."""
    continue_unread()
    with open_wooshq() as wooshq:
        _or_end(wooshq, replay_id)
        _moved(wooshq.replays.pause(replay_id.lower(), why, by=by), ("paused",), as_json)


@app.command(cls=Command, epilog=examples(f"wooshq replays resume {EXAMPLE_ID}"))
def resume(replay_id: ReplayId, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """Resume a replay that is paused or stopped. One that has stopped itself begins with a first slice again."""
    continue_unread()
    with open_wooshq() as wooshq:
        _or_end(wooshq, replay_id)
        _moved(wooshq.replays.resume(replay_id.lower(), why, by=by), ("running", "done"), as_json)


@app.command(cls=Command, epilog=examples(f"wooshq replays cancel {EXAMPLE_ID}"))
def cancel(replay_id: ReplayId, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """Cancel a replay. Letters that were not sent yet stay open."""
    continue_unread()
    with open_wooshq() as wooshq:
        _or_end(wooshq, replay_id)
        _moved(wooshq.replays.cancel(replay_id.lower(), why, by=by), ("cancelled",), as_json)


def _or_end(wooshq: Wooshq, replay_id: str) -> Replay:
    try:
        return wooshq.replays.show(replay_id.lower())
    except ReplayUnknown as error:
        say(f"{replay_id}: {error}.")
        raise typer.Exit(SOME_REFUSED) from None


def _moved(replay: Replay, wanted: tuple[str, ...], as_json: bool) -> None:
    emit(replay) if as_json else print_line(f"{replay.id} {replay.state}")
    say(sentence(replay))
    if replay.state not in wanted:
        say(
            f"The replay is {replay.state}, and this cannot be changed."
            if replay.state in (ReplayState.DONE, ReplayState.CANCELLED)
            else ""
        )
        finish(SOME_REFUSED)
