"""`wooshq tokens`: bearer tokens of the HTTP API, by name."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, Group, examples
from wooshq_worker.cli.terminal.out import SOME_REFUSED, Json, emit, finish, say, several, short, show
from wooshq_worker.cli.terminal.tables import Column, table

app = typer.Typer(
    cls=Group,
    help="Show, make and revoke the bearer tokens of the HTTP API (wooshq console). Only their hashes are kept.",
    epilog=examples(
        "wooshq tokens",
        "wooshq tokens make shop-backend --scope send --scope read",
        "wooshq tokens revoke shop-backend --why 'it was in a log'",
    ),
    invoke_without_command=True,
    rich_markup_mode="rich",
)
_COLUMNS: Final = (Column("name"), Column("scopes"), Column("made (UTC)", 1), Column("by", 2), Column("why", cut=True))
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the token. It stands in the audit log.", show_default=False)]


@app.callback()
def list_(context: typer.Context, as_json: Json = False) -> None:
    """Show all tokens. Nobody can see their texts."""
    if context.invoked_subcommand is not None:
        return
    with open_wooshq() as wooshq:
        found = wooshq.tokens.list()
    if as_json:
        for token in found:
            emit(token)
        return
    rows = [(one.name, ", ".join(one.scopes), short(one.made_at), one.by, one.why) for one in found]
    table(several(len(found), "token"), _COLUMNS, rows, empty="There are no tokens.")


@app.command(
    cls=Command, epilog=examples("wooshq tokens make shop-backend --scope send --why 'the shop'", "wooshq tokens make ana --scope read")
)
def make(
    name: Name,
    scope: Annotated[list[str], typer.Option(metavar="SCOPE", help="read, send or operate. May be repeated.", show_default=False)],
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Make a token, and print it. It cannot be shown again."""
    with open_wooshq() as wooshq:
        made = wooshq.tokens.make(name, scope, why=why, by=by)
    if as_json:
        emit(made)
        return
    show(made.secret)
    say(f"This is the token {made.name}, with {', '.join(made.scopes)}. Keep it now: it cannot be shown again.")


@app.command(cls=Command, epilog=examples("wooshq tokens revoke shop-backend --why 'it was in a log'"))
def revoke(name: Name, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """Revoke a token. Every server refuses it within five seconds."""
    with open_wooshq() as wooshq:
        was_there = wooshq.tokens.revoke(name, why=why, by=by)
    if as_json:
        emit({"name": name, "revoked": was_there})
    else:
        say("Revoked." if was_there else "No token has this name. See: wooshq tokens")
    finish(0 if was_there else SOME_REFUSED)
