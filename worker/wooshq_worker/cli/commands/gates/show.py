"""`wooshq gates`: show the gates that hold messages back, and open or shut a gate."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq.ledger.gates import EVERY, MEANS, GateName
from wooshq_worker.cli.change_options import By, Why, check_application, whose
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, Group, examples
from wooshq_worker.cli.terminal.out import Json, emit, say, several, short
from wooshq_worker.cli.terminal.tables import Column, table

app = typer.Typer(
    cls=Group,
    help="\nShow the gates that hold messages back, why and since when. While a gate is shut, messages wait. Waiting uses up no attempts, and no message is lost.\n\n"
    + "\n".join(f"  {name:<12} {means}" for name, means in MEANS.items()),
    epilog=examples("wooshq gates", "wooshq gates shut hand --why 'maintenance until noon'", "wooshq gates open hand"),
    invoke_without_command=True,
    rich_markup_mode="rich",
)

#: Other names of a gate on the command line → its name.
_ALSO: Final = {"manual": GateName.HAND}


def _name(given: str) -> str:
    return _ALSO.get(given, given)


Name = Annotated[str, typer.Argument(help=f"One of {', '.join(GateName)} (also called manual).", metavar="NAME", callback=_name)]
Application = Annotated[str, typer.Option(metavar="CODE", help="Application code. Default: every application.", show_default=False)]

_COLUMNS = (
    Column("gate"),
    Column("whose"),
    Column("state", 4),
    Column("since (UTC)", 1),
    Column("until (UTC)", 3),
    Column("by", 2),
    Column("why", cut=True),
)


@app.callback()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show every gate that is not open."""
    if context.invoked_subcommand is not None:
        return
    with open_wooshq() as wooshq:
        found = wooshq.gates()
    if as_json:
        for gate in found:
            emit(gate)
    elif not found:
        say("Every gate is open.")
    else:
        rows = [(g.gate, whose(g.application, g.lane), g.state, short(g.since), short(g.until), g.by, g.why) for g in found]
        table(f"{several(len(found), 'gate')} not open", _COLUMNS, rows, empty="Every gate is open.")


@app.command("open", cls=Command, epilog=examples("wooshq gates open circuit --application AAAAA-BBBBB"))
def open_(name: Name, application: Application = EVERY, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """Open a gate. If the API still fails, its next answers shut the gate again."""
    with open_wooshq() as wooshq:
        opened = wooshq.open_gate(name, application, why, by=by)
    if as_json:
        emit({"gate": name, "application": application, "opened": opened})
    else:
        say(f"The gate {name} {'is' if opened else 'was already'} open for {whose(application)}.")


@app.command(cls=Command, epilog=examples("wooshq gates shut hand --why 'maintenance until noon'"))
def shut(
    name: Name,
    application: Application = EVERY,
    why: Why = "shut manually",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Shut a gate: messages wait until it opens. Nothing is lost, but intents can expire while they wait."""
    check_application(application)
    with open_wooshq() as wooshq:
        gate = wooshq.shut_gate(name, application, why, by=by)
    emit(gate) if as_json else say(f"The gate {name} is shut for {whose(application)}: {why}.")
