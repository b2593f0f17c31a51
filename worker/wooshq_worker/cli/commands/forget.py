"""`wooshq forget`: remove a person everywhere, and count what is left."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq.history.contract import HistoryAway
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, NOTHING_DONE, SOME_REFUSED, Json, continue_unread, emit, finish, say, show

_WORDS: Final = {
    "cancelled": "messages cancelled that were not sent yet",
    "removed": "messages and dead letters removed",
    "changed": "messages and dead letters changed that others got, too",
    "job_recipients": "places in jobs cleared",
    "history_removed": "records of the history removed",
    "history_changed": "records of the history changed",
    "left": "left",
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples("wooshq forget --recipient user-7 --why 'asked to be forgotten'"))(forget)


def forget(
    recipient: Annotated[str, typer.Option(metavar="ID", help="The recipient: a user id, HWID or push token, exactly as it was sent to.")],
    why: Why = "",
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is in the ledger; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """
    Remove a person from messages, dead letters, jobs and the history. What was not sent yet is cancelled. Then count what is left.

    What is accepted later is kept, so stop sending to the person first. Not removed: files of yours, rows of an outbox, the spool, and what
    Pushwoosh has.
    """
    continue_unread()
    if not recipient:
        raise typer.BadParameter("must not be empty", param_hint="--recipient")
    with open_wooshq() as wooshq:
        try:
            done = wooshq.forget(recipient, why=why, by=by, dry_run=dry_run)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        except HistoryAway as error:
            say(f"{error}.")
            finish(NOTHING_DONE)
    if as_json:
        emit(dict(done))
    else:
        for name, words in _WORDS.items():
            show(f"{done[name]:>9,} {words}")
    if done.left and not dry_run:
        say("A worker still sends to this recipient, or a replay is in progress. Run the command again when that has ended.")
    finish(SOME_REFUSED if done.left and not dry_run else ALL_DONE)
