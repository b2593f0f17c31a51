"""`wooshq gates`: what holds sends back, why, since when; and by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from wooshq import Wooshq
from wooshq.ledger.gates import EVERY, MEANS, GateName
from wooshq_schemas.lint import is_application_code
from wooshq_worker.cli.terminal.help import Command, Group, examples
from wooshq_worker.cli.terminal.out import Json, emit, say, several, short
from wooshq_worker.cli.terminal.tables import Column, table

app = typer.Typer(
    cls=Group,
    help="\nWhat holds sends back, why, since when. A shut gate costs no message an attempt, and loses none.\n\n"
    + "\n".join(f"  {name:<12} {means}" for name, means in MEANS.items()),
    epilog=examples("wooshq gates", "wooshq gates shut hand --why 'maintenance until noon'", "wooshq gates open hand"),
    invoke_without_command=True,
    rich_markup_mode="rich",
)

Name = Annotated[str, typer.Argument(help=f"One of {', '.join(GateName)}.", metavar="NAME")]
Application = Annotated[str, typer.Option(metavar="CODE", help="Application code; all of them where absent.", show_default=False)]

_COLUMNS = (
    Column("gate"),
    Column("application"),
    Column("state", 3),
    Column("since (UTC)", 1),
    Column("until (UTC)", 2),
    Column("why", cut=True),
)


@app.callback()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Every gate that is not simply open."""
    if context.invoked_subcommand is not None:
        return
    with Wooshq() as wooshq:
        found = wooshq.gates()
    if as_json:
        for gate in found:
            emit(gate)
    elif not found:
        say("Every gate is open.")
    else:
        rows = [(g.gate, _whose(g.application), g.state, short(g.since), short(g.until), g.why) for g in found]
        table(f"{several(len(found), 'gate')} not open", _COLUMNS, rows, empty="Every gate is open.")


@app.command("open", cls=Command, epilog=examples("wooshq gates open circuit --application AAAAA-BBBBB"))
def open_(name: Name, application: Application = EVERY, as_json: Json = False) -> None:
    """Open a gate, whoever shut it. The API's next answers may shut it again."""
    with Wooshq() as wooshq:
        opened = wooshq.open_gate(name, application)
    if as_json:
        emit({"gate": name, "application": application, "opened": opened})
    else:
        say(
            f"The gate {name} of {_whose(application)} is open."
            if opened
            else f"The gate {name} of {_whose(application)} was open already."
        )


@app.command(cls=Command, epilog=examples("wooshq gates shut hand --why 'maintenance until noon'"))
def shut(
    name: Name,
    application: Application = EVERY,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Shown to whoever asks what holds sends back.")] = "shut by hand",
    as_json: Json = False,
) -> None:
    """Hold sends back until somebody opens the gate. Nothing is lost meanwhile; what expires, expires."""
    if application != EVERY and not is_application_code(application):
        raise typer.BadParameter("is no application code; right would be XXXXX-XXXXX, in capitals and digits", param_hint="--application")
    with Wooshq() as wooshq:
        gate = wooshq.shut_gate(name, application, why)
    emit(gate) if as_json else say(f"The gate {name} of {_whose(application)} is shut: {why}.")


def _whose(application: str) -> str:
    return "every application" if application == EVERY else application
