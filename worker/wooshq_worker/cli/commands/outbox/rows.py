"""`wooshq outbox`: look into the outbox of an app's database, and mend what a relay had to put away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

import typer

from wooshq.outbox.database import DatabaseAway
from wooshq.outbox.operate import WAITS_AGAIN, MaySendTwice, OutboxActs, RowUnknown, RowWaits, why_rows_wait
from wooshq.outbox.table import RowState, ddl
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.commands.outbox.changed import ChangedIntent, content_of, problems_said
from wooshq_worker.cli.commands.outbox.url import UrlOption, open_database
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, Group, examples
from wooshq_worker.cli.terminal.out import (
    NOTHING_DONE,
    SOME_REFUSED,
    Json,
    emit,
    field,
    pairs,
    say,
    several,
    short,
    show,
    waits_for,
)
from wooshq_worker.cli.terminal.tables import Column, table

app = typer.Typer(
    cls=Group,
    help="Show the outbox of your app's database: how much waits for a relay, and what a relay put away. A row is set aside if the ledger "
    "refused it, and parked if it may have been sent so long ago that nobody knows.",
    epilog=examples(
        "wooshq outbox",
        "wooshq outbox list --state set_aside",
        f"wooshq outbox show {EXAMPLE_ID}",
        f"wooshq outbox edit {EXAMPLE_ID} fixed.json",
        f"wooshq outbox retry {EXAMPLE_ID}",
        "wooshq outbox sql --dialect postgresql",
    ),
    invoke_without_command=True,
    rich_markup_mode="rich",
)
_COLUMNS: Final = (
    Column("id"),
    Column("state"),
    Column("application", 3),
    Column("lane", 4),
    Column("enqueued (UTC)", 1),
    Column("tries", 2),
    Column("reason", cut=True),
)
RowId = Annotated[str, typer.Argument(metavar="ID", help="Id of a row, which is its intent's id.", show_default=False)]


class _Dialect(StrEnum):
    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    SQLITE = "sqlite"


class _PutAway(StrEnum):
    SET_ASIDE = RowState.SET_ASIDE.value
    PARKED = RowState.PARKED.value


@contextlib.contextmanager
def _rows(url: str | None) -> Iterator[OutboxActs]:
    """The calls for a database. What is no fault of the command line is a sentence and an exit status."""
    try:
        with open_wooshq() as wooshq, open_database(wooshq, url) as database:
            yield OutboxActs(database, wooshq.settings, wooshq.do)
    except DatabaseAway as error:
        say(f"{error}. Check WOOSHQ_OUTBOX_URL, and that the database runs.")
        raise typer.Exit(NOTHING_DONE) from None
    except (RowUnknown, RowWaits, MaySendTwice) as error:
        say(str(error))
        raise typer.Exit(SOME_REFUSED) from None


@app.callback()
def depth(context: typer.Context, url: UrlOption = None, as_json: Json = False) -> None:
    """Show how much waits, and for how long."""
    if context.invoked_subcommand is not None:
        return
    with _rows(url) as rows:
        found = rows.depth()
    if as_json:
        emit(found)
    else:
        pairs({"waiting": found.waiting, "oldest": waits_for(found.oldest_s), "set aside": found.set_aside, "parked": found.parked})
    if found.waiting:
        with open_wooshq() as wooshq:
            away = why_rows_wait(wooshq)
        if away is not None:
            say(f"{away}.")


@app.command("list", cls=Command, epilog=examples("wooshq outbox list --state set_aside", "wooshq outbox list --most 20 --json"))
def list_(
    state: Annotated[RowState | None, typer.Option(help="Only rows in this state.", show_default=False)] = None,
    most: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many.")] = 100,
    url: UrlOption = None,
    as_json: Json = False,
) -> None:
    """List rows, the oldest first."""
    with _rows(url) as rows:
        found = list(rows.list(state=None if state is None else state.value, most=most))
    if as_json:
        for row in found:
            emit(row)
        return
    cells = [(r.id, r.state, r.application, r.lane, short(r.created_at), r.tries, r.reason) for r in found]
    table(several(len(found), "row"), _COLUMNS, cells, empty="The outbox has no such row.")


@app.command("show", cls=Command, epilog=examples(f"wooshq outbox show {EXAMPLE_ID}"))
def show_(row_id: RowId, url: UrlOption = None, as_json: Json = False) -> None:
    """Show a row with its intent."""
    with _rows(url) as rows:
        row = rows.show(row_id)
    record = {**row, "intent": row.intent}
    if as_json:
        emit(record)
    else:
        pairs(record, skip=("intent",))
        field("intent", row.intent)


@app.command(cls=Command, epilog=examples(f"wooshq outbox edit {EXAMPLE_ID} fixed.json", f"wooshq outbox edit {EXAMPLE_ID} - < fixed.json"))
def edit(
    row_id: RowId,
    file: ChangedIntent,
    why: Why = "",
    by: By = None,
    url: UrlOption = None,
) -> None:
    """Give a row that was put away another intent. It counts as enqueued now, and stays put away until `retry`."""
    text = content_of(file)
    with _rows(url) as rows, problems_said():
        rows.edit(row_id, text, why=why, by=by)
    say(f"Changed. Try it again with: wooshq outbox retry {row_id}")


@app.command(
    cls=Command,
    epilog=examples(f"wooshq outbox retry {EXAMPLE_ID}", "wooshq outbox retry --state set_aside"),
)
def retry(
    row_id: Annotated[str | None, typer.Argument(metavar="ID", help="Id of a row, which is its intent's id.", show_default=False)] = None,
    state: Annotated[_PutAway | None, typer.Option(help="All rows in this state, and not one.", show_default=False)] = None,
    may_double: Annotated[
        bool, typer.Option("--may-double", help="Also if it is parked: it may have been sent. Then wooshq doubles lists it.")
    ] = False,
    why: Why = "",
    by: By = None,
    url: UrlOption = None,
) -> None:
    """Let relays try a row again that was put away, or all of them."""
    if (row_id is None) == (state is None):
        raise typer.BadParameter("give the id of a row, or --state for all rows in a state", param_hint="ID")
    with _rows(url) as rows:
        if state is not None:
            say(f"{several(rows.retry_all(state.value, may_double=may_double, why=why, by=by), 'row')} for a relay to try again.")
        elif row_id is not None:
            say(WAITS_AGAIN[rows.retry(row_id, may_double=may_double, why=why, by=by).was_refused])


@app.command(cls=Command, epilog=examples(f"wooshq outbox discard {EXAMPLE_ID}"))
def discard(row_id: RowId, why: Why = "", by: By = None, url: UrlOption = None) -> None:
    """Delete a row that was put away. Its message will not be sent."""
    with _rows(url) as rows:
        rows.discard(row_id, why=why, by=by)
    say("Deleted.")


@app.command(cls=Command, epilog=examples("wooshq outbox sql --dialect postgresql"))
def sql(
    dialect: Annotated[_Dialect, typer.Option(help="Which SQL; mysql is MariaDB, too.", show_default=False)],
) -> None:
    """Print the SQL that makes the table, for a migration."""
    show(ddl(dialect.value).rstrip())
