"""`wooshq cancel`: cancel intents that no recipient has received."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from wooshq import Wooshq
from wooshq.gates.who import who
from wooshq.intents.cancel import CANCELLING
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, UNKNOWN_ID, Json, continue_unread, emit, finish, say, show

#: State → why an intent in it cannot be cancelled.
_TOO_LATE: Final = {
    "sending": "too late, it is being sent",
    "sent": "too late, it was sent",
    "dead": "too late, it is a dead letter. If it should not be sent, use wooshq dead discard",
    "expired": "it has expired and was not sent",
}
#: What came of the request to Pushwoosh → the intent's word in the output.
_AFTER_ASKING: Final = {"cancelled": "cancelled", "asked": CANCELLING, "refused": "sent", "unknown": "sent"}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples(f"wooshq cancel {EXAMPLE_ID}"))(cancel)


def cancel(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of intents.")], why: Why = "", by: By = None, as_json: Json = False
) -> None:
    """Cancel intents that were not sent yet. If Pushwoosh keeps a sent message until its schedule, ask Pushwoosh to cancel it."""
    continue_unread()
    with open_wooshq() as wooshq:
        left = 0
        for intent_id in ids:
            state = wooshq.cancel(intent_id.lower(), why=why, by=by or who())
            answer = _ask_now(wooshq, intent_id.lower()) if state == CANCELLING else None
            if answer is not None:
                state = _AFTER_ASKING[answer["outcome"]]
            left += state != "cancelled"
            told = {"id": intent_id, "state": state} | ({"cancel": answer} if answer is not None else {})
            emit(told) if as_json else show(f"{intent_id} {state or 'unknown'}")
            if answer is not None:
                say(f"{intent_id}: {_said(state, answer['detail'] or 'no answer yet')}")
            elif state is None:
                say(f"{intent_id}: {UNKNOWN_ID}")
            elif state in _TOO_LATE:
                say(f"{intent_id}: {_TOO_LATE[state]}.")
        finish(SOME_REFUSED if left else ALL_DONE)


def _ask_now(wooshq: Wooshq, intent_id: str) -> dict[str, Any] | None:
    """What came of the request to Pushwoosh."""
    from wooshq_worker.intents.cancel.now import cancel_now  # it needs an HTTP client, which takes long to import

    found = cancel_now(wooshq, intent_id)
    return None if found is None else found.cancel


def _said(state: str | None, detail: str) -> str:
    """What Pushwoosh answered, for a person."""
    if state == "cancelled":
        return "it was sent, but Pushwoosh kept it until its schedule. Pushwoosh has now cancelled it."
    if state == CANCELLING:
        return f"{detail}. The workers ask Pushwoosh again until the schedule of the message; wooshq status shows the answer."
    return f"it was sent, and Pushwoosh was asked to cancel it: {detail}."
