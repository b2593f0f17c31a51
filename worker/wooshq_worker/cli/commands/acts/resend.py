"""`wooshq resend`: send again what was sent already."""

from __future__ import annotations

from typing import Annotated

import typer

from wooshq import IntentInvalid
from wooshq_worker.cli.change_options import By
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, UNKNOWN_ID, Json, continue_unread, emit, finish, say, show


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples(f"wooshq resend {EXAMPLE_ID} --why 'the customer asked for it again'"))(resend)


def resend(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of intents that were sent.")],
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why it is sent again. Kept in the audit log.")],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Send again what was sent already. The recipients may get it twice, and the ledger records that. Failed messages: wooshq dead replay."""
    continue_unread()
    refused = 0
    with open_wooshq() as wooshq:
        for intent_id in ids:
            try:
                new = wooshq.resend(intent_id.lower(), why, by=by)
            except IntentInvalid as error:
                refused += 1
                say(f"{intent_id}: {'; '.join(str(problem) for problem in error.problems)}")
                continue
            if new is None:
                refused += 1
                say(f"{intent_id}: {UNKNOWN_ID}")
            else:
                emit({"id": intent_id, "resent_as": new}) if as_json else show(new)
    finish(SOME_REFUSED if refused else ALL_DONE)
