"""`wooshq audit`: every act of an operator; who, when, on what, why, how many, and what came of it."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import Json, emit, several, short
from wooshq_worker.cli.terminal.tables import Column, table

_COLUMNS: Final = (
    Column("at (UTC)"),
    Column("by"),
    Column("did"),
    Column("what"),
    Column("count", 1),
    Column("result", 2),
    Column("selection", 3),
    Column("why", cut=True),
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples("wooshq audit", "wooshq audit --by ana@ops-1 --json"))(audit)


def audit(
    most: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most N acts.")] = 50,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only acts of this person.")] = None,
    as_json: Json = False,
) -> None:
    """Show what operators did, newest first: replays, discarded and edited letters, cancels, pauses, gates and limits. The last 10,000 acts are kept."""
    with open_wooshq() as wooshq:
        found = wooshq.audit(most=most, by=by)
    if as_json:
        for act in found:
            emit(act)
        return
    rows = [(short(x.at), x.by, x.did, x.what, x.count, x.result, x.selection, x.why) for x in found]
    table(several(len(found), "act"), _COLUMNS, rows, empty="Nobody did anything yet.")
