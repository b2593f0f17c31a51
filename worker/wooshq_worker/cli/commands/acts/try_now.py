"""`wooshq try-now`: end the wait of retries."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, UNKNOWN_ID, Json, continue_unread, emit, finish, say, show

#: State → why there is no wait that could end.
_NO_WAIT: Final = {
    "queued": "it is queued already. wooshq why says what it waits for",
    "sending": "it is being sent",
    "sent": "it was sent. To send it once more: wooshq resend",
    "dead": "it is a dead letter. To send it: wooshq dead replay",
    "expired": "it has expired and was not sent",
    "cancelled": "it was cancelled",
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("try-now", cls=Command, epilog=examples(f"wooshq try-now {EXAMPLE_ID} --why 'the API is well again'"))(try_now)


def try_now(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of intents.")], why: Why = "", by: By = None, as_json: Json = False
) -> None:
    """Try retries now, before their time. What a gate, a pause or a ceiling holds back stays held back."""
    continue_unread()
    with open_wooshq() as wooshq:
        left = 0
        for intent_id in ids:
            state = wooshq.try_now(intent_id.lower(), why=why, by=by)
            left += state != "retrying"
            emit({"id": intent_id, "state": state}) if as_json else show(
                f"{intent_id} {'due now' if state == 'retrying' else state or 'unknown'}"
            )
            if state is None:
                say(f"{intent_id}: {UNKNOWN_ID}")
            elif state in _NO_WAIT:
                say(f"{intent_id}: {_NO_WAIT[state]}.")
        finish(SOME_REFUSED if left else ALL_DONE)
