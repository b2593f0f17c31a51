"""`wooshq forget`: remove a person everywhere, and count what is left."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq.history.contract import HistoryAway
from wooshq.outbox.operate import OutboxActs
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.commands.outbox.url import has_outbox, open_database
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
    "acts": "acts of the audit log changed",
    "outbox_removed": "rows of the outbox removed",
    "outbox_changed": "rows of the outbox changed that others are in, too",
    "left": "left",
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples("wooshq forget --recipient user-7 --why 'asked to be forgotten'"))(forget)


def forget(
    recipient: Annotated[str, typer.Option(metavar="ID", help="The recipient: a user id, HWID or push token, exactly as it was sent to.")],
    why: Why = "",
    by: By = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count, in the ledger, the history and the outbox; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """
    Remove a person from messages, dead letters, jobs and the history. What was not sent yet is cancelled. Then count what is left.

    What is accepted later is kept, so stop sending to the person first. If the outbox's database is known (WOOSHQ_OUTBOX_URL), rows that were put
    away are cleaned, too. Not removed: files of yours, the spool, and what Pushwoosh has.
    """
    continue_unread()
    if not recipient:
        raise typer.BadParameter("must not be empty", param_hint="--recipient")
    with open_wooshq() as wooshq:
        try:
            done: dict[str, int] = dict(wooshq.forget(recipient, why=why, by=by, dry_run=dry_run))
            if has_outbox(wooshq):
                with open_database(wooshq, None) as database:
                    rows = OutboxActs(database, wooshq.settings, wooshq.do)
                    done["outbox_removed"], done["outbox_changed"], waiting = rows.forget(recipient, why=why, by=by, dry_run=dry_run)
                done["left"] += waiting
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        except HistoryAway as error:
            say(f"{error}.")
            finish(NOTHING_DONE)
    if as_json:
        emit(done)
    else:
        for name, words in _WORDS.items():
            if name in done:
                show(f"{done[name]:>9,} {words}")
    if done["left"] and not dry_run:
        say(
            "A worker still sends to this recipient, a replay is in progress, or a row waits in the outbox for a relay. Run the command again when that "
            "has ended."
        )
    finish(SOME_REFUSED if done["left"] and not dry_run else ALL_DONE)
