"""`wooshq pause` and `wooshq resume`: stop sending for a while, of everything or of a part."""

from __future__ import annotations

from typing import Annotated

import typer

from wooshq import Wooshq
from wooshq.gates.pause import resume_command
from wooshq.ledger.gates import EVERY, GateName
from wooshq_worker.cli.change_options import By, Why, check_application, check_lane, whose
from wooshq_worker.cli.commands import bulk
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, examples
from wooshq_worker.cli.terminal.out import Json, emit, say

Everything = Annotated[bool, typer.Option("--all", help="Everything.")]
Lane = Annotated[str | None, typer.Option(metavar="LANE", help="transactional or bulk.", show_default=False)]
Application = Annotated[
    str | None, typer.Option(metavar="CODE", help="An application. With --lane: only this lane of it.", show_default=False)
]
Job = Annotated[str | None, typer.Option(metavar="ID", help="A fan-out job, as wooshq bulk does.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        cls=Command,
        epilog=examples(
            "wooshq pause --all --why 'the shop is down'",
            "wooshq pause --lane bulk --why 'until the codes are through'",
            "wooshq pause --application AAAAA-BBBBB --lane bulk",
            f"wooshq pause --job {EXAMPLE_ID}",
        ),
    )(pause)
    app.command(cls=Command, epilog=examples("wooshq resume --all", "wooshq resume --lane bulk --why 'the codes are through'"))(resume)


def pause(
    everything: Everything = False,
    lane: Lane = None,
    application: Application = None,
    job: Job = None,
    why: Why = "paused manually",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Pause everything, a lane, an application or a job, in every worker. Calls in progress end. What waits uses up no attempt, but can expire."""
    code = _which(everything, lane, application, job)
    if job is not None:
        bulk.pause(job, why, by, as_json)
        return
    with open_wooshq() as wooshq:
        gate = wooshq.pause(code, lane=lane, why=why, by=by)
    if as_json:
        emit(gate)
    else:
        say(f"Sending is paused for {whose(code, lane)}, by {gate.by}: {why}. To resume: {resume_command(code, lane)}")


def resume(
    everything: Everything = False,
    lane: Lane = None,
    application: Application = None,
    job: Job = None,
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Resume what was paused. Name it as the pause named it; other pauses stay."""
    code = _which(everything, lane, application, job)
    if job is not None:
        bulk.resume(job, why, by, as_json)
        return
    with open_wooshq() as wooshq:
        resumed = wooshq.resume(code, lane=lane, why=why, by=by)
        still = _still_paused(wooshq)
    if as_json:
        emit({"application": code, "lane": lane, "resumed": resumed})
        return
    say(f"Sending {'is resumed' if resumed else 'was not paused'} for {whose(code, lane)}.")
    for line in still:
        say(line)


def _which(everything: bool, lane: str | None, application: str | None, job: str | None) -> str:
    """The application, or `*`. Raises BadParameter if the options do not name one thing."""
    if job is not None and (everything or lane or application):
        raise typer.BadParameter("names a job. Leave out the other options", param_hint="--job")
    if everything and (lane or application):
        raise typer.BadParameter("means every lane of every application. Leave it out, or the other options", param_hint="--all")
    if not (everything or lane or application or job):
        raise typer.BadParameter("name what is meant", param_hint="--all, --lane, --application or --job")
    check_lane(lane)
    code = EVERY if application is None else application
    check_application(code)
    return code


def _still_paused(wooshq: Wooshq) -> list[str]:
    return [
        f"Still paused: {whose(gate.application, gate.lane)}, {gate.in_words.removeprefix('paused ')}"
        for gate in wooshq.gates()
        if gate.gate == GateName.HAND
    ]
