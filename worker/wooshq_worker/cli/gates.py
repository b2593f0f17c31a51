"""`wooshq gates`: what holds sends back, why, since when; and by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from wooshq import Wooshq
from wooshq.gating import EVERY, GateName
from wooshq_worker.cli.out import SOME_REFUSED, Json, emit, finish, say, table

app = typer.Typer(
    help="What holds sends back, why, since when. Example: wooshq gates --json", invoke_without_command=True, rich_markup_mode="rich"
)

Name = Annotated[str, typer.Argument(help=f"One of {', '.join(GateName)}.", metavar="NAME")]
Application = Annotated[str, typer.Option(help="Application code; all of them where absent.")]


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
        columns = ("gate", "application", "state", "since", "until", "why")
        table("Gates that are not open", columns, [[gate[c] for c in columns] for gate in found])


@app.command("open", epilog="Example: wooshq gates open circuit --application AAAAA-BBBBB")
def open_(name: Name, application: Application = EVERY, as_json: Json = False) -> None:
    """Open a gate, whoever shut it. The API's next answers may shut it again."""
    with Wooshq() as wooshq:
        opened = wooshq.open_gate(name, application)
        if not opened and application == EVERY:  # nobody means "only the one for all" when a single application's is shut
            mine = [g.application for g in wooshq.gates() if g.gate == name]
            opened = sum(wooshq.open_gate(name, a) for a in mine) > 0
    if as_json:
        emit({"gate": name, "application": application, "opened": opened})
    else:
        say(f"The gate {name} of {application} is open." if opened else f"The gate {name} of {application} was open already.")
    finish(0 if opened else SOME_REFUSED)


@app.command(epilog="Example: wooshq gates shut hand --why 'maintenance until noon'")
def shut(
    name: Name,
    application: Application = EVERY,
    why: Annotated[str, typer.Option(help="Shown to whoever asks what holds sends back.")] = "shut by hand",
    as_json: Json = False,
) -> None:
    """Hold sends back until somebody opens the gate. Nothing is lost meanwhile; what expires, expires."""
    with Wooshq() as wooshq:
        gate = wooshq.shut_gate(name, application, why)
    emit(gate) if as_json else say(f"The gate {name} of {application} is shut: {why}.")
