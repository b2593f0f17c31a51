"""`wooshq history`: what the history's database refused, and how it is tried again."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq.history.aside import AsideLedger, NoHistory
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, Group, examples
from wooshq_worker.cli.terminal.out import NOTHING_DONE, SOME_REFUSED, Json, emit, finish, say, several, short
from wooshq_worker.cli.terminal.tables import Column, table

app = typer.Typer(
    cls=Group,
    help="Show which records the history's database refused. They were set aside: their rows stay in Redis until their time there is over.",
    epilog=examples("wooshq history", "wooshq history retry", f"wooshq history retry {EXAMPLE_ID}"),
    invoke_without_command=True,
    rich_markup_mode="rich",
)
_COLUMNS: Final = (Column("id"), Column("kind"), Column("since (UTC)", 1), Column("reason", cut=True))


@app.callback()
def list_(context: typer.Context, as_json: Json = False) -> None:
    """Show what was set aside, with the reason."""
    if context.invoked_subcommand is not None:
        return
    with open_wooshq() as wooshq:
        found = wooshq.do(AsideLedger(wooshq.ledger.keys).list())
    if as_json:
        for record in found:
            emit(record)
        return
    rows = [(one.id, one.kind, short(one.since), one.why) for one in found]
    table(several(len(found), "record"), _COLUMNS, rows, empty="Nothing was set aside.")


@app.command(cls=Command, epilog=examples("wooshq history retry", f"wooshq history retry {EXAMPLE_ID} --why 'the disk has room'"))
def retry(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of records (default: all that were set aside).", show_default=False)
    ] = None,
    why: Why = "",
    by: By = None,
) -> None:
    """Have the history take records again. A worker does it within seconds; what is refused again is set aside again."""
    with open_wooshq() as wooshq:
        ledger = AsideLedger(wooshq.ledger.keys)
        found = [one for one in wooshq.do(ledger.list()) if not ids or one.id in ids]
        unknown = sorted({*(ids or ())} - {one.id for one in found})
        for one in unknown:
            say(f"{one}: was not set aside.")
        try:
            tried = wooshq.do(ledger.retry(found, why=why, by=by)) if found else 0
        except NoHistory as error:
            say(f"{error}.")
            raise typer.Exit(NOTHING_DONE) from None
    say(f"{several(tried, 'record')} {'is' if tried == 1 else 'are'} tried again. Look with: wooshq history")
    finish(SOME_REFUSED if unknown else 0)
