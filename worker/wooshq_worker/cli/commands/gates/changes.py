"""`wooshq changes`: what people paused, shut, limited or cancelled lately; who, when and why."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq.gates.changes import Change
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import Json, emit, several, short
from wooshq_worker.cli.terminal.tables import Column, table

_COLUMNS: Final = (Column("at (UTC)"), Column("by"), Column("did"), Column("what"), Column("why", cut=True))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples("wooshq changes", "wooshq changes --most 5 --json"))(changes)


def changes(most: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most N changes.")] = 20, as_json: Json = False) -> None:
    """Show what people changed, newest first: pauses, gates, limits and jobs. All other acts: wooshq audit."""
    with open_wooshq() as wooshq:
        found = wooshq.changes(most=most)
    if as_json:
        for change in found:
            emit(change)
        return
    rows = [(short(one.at), one.by, one.did, _what(one), one.why) for one in found]
    table(several(len(found), "change"), _COLUMNS, rows, empty="Nobody changed anything yet.")


def _what(change: Change) -> str:
    if change.limit is None:
        return change.what
    before, value = ("none" if number is None else f"{number:g}" for number in (change.before, change.value))
    return f"{change.what}: {before} → {value}" if change.did == "set" else f"{change.what} (was {before})"
