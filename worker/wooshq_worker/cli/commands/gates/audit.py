"""`wooshq audit`: every act of an operator; who, when, on what, why, how many, and what came of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from wooshq.history.acts import KINDS
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, Json, emit, finish, say, several, short
from wooshq_worker.cli.terminal.tables import Column, table
from wooshq_worker.cli.values import moment

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
Kind = StrEnum("Kind", KINDS)  # type: ignore[misc]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        cls=Command,
        epilog=examples("wooshq audit", "wooshq audit --by ana@ops-1 --since 7d --json", f"wooshq audit --id {EXAMPLE_ID}"),
    )(audit)


def audit(
    most: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Show at most N acts.")] = 50,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only acts of this person or token.", show_default=False)] = None,
    what: Annotated[Kind | None, typer.Option(help="Only acts on such a thing.", show_default=False)] = None,
    named: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Only acts that name this id: of an intent, a job, a replay, a token.", show_default=False),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="At this time or later: 2026-05-01T09:00:00Z, 2026-05-01, or an age such as 2h.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this time.")] = None,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Go on after this act: the last one of the page before.")] = None,
    as_json: Json = False,
) -> None:
    """Show what operators did, newest first: everything that changes what is sent, and who exported or removed data."""
    times = {name: moment(at, f"--{name}") for name, at in (("since", since), ("until", until)) if at is not None}
    with open_wooshq() as wooshq:
        kind = None if what is None else what.value
        page = wooshq.audit(most=most, by=by, what=kind, id=None if named is None else named.lower(), after=after, **times)
    if as_json:
        for act in page.found:
            emit(act)
    else:
        rows = [(short(x.at), x.by, x.did, x.what, x.count, x.result, x.selection, x.why) for x in page.found]
        table(several(len(rows), "act"), _COLUMNS, rows, empty="Nobody did anything yet.")
    if page.after is not None:
        say(f"There is more: add --after {page.after}")
    if page.history == "away":
        for part in page.not_searched:
            say(f"Not searched: {part}.")
    finish(SOME_REFUSED if page.history == "away" else ALL_DONE)
