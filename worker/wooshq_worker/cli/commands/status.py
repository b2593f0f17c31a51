"""`wooshq status`, `wooshq cancel`: show where intents are, and cancel those that no recipient has received."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from wooshq import Wooshq
from wooshq.intents.cancel import CANCELLING
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, examples
from wooshq_worker.cli.terminal.out import (
    ALL_DONE,
    SOME_REFUSED,
    Json,
    attempts,
    continue_unread,
    data,
    emit,
    field,
    finish,
    pairs,
    say,
    short,
    show,
)

#: Name in `counts` → words for a person.
_NOW: Final = {
    "now_queued_transactional": "waiting for a worker, transactional lane",
    "now_queued_bulk": "waiting for a worker, bulk lane",
    "now_sending": "being sent",
    "now_retrying": "waiting for the next attempt",
    "now_held": "held by a gate",
}
_SO_FAR: Final = {
    "accepted": "intents accepted",
    "sent": "sent",
    "dead": "ended as dead letters",
    "expired": "expired",
    "cancelled": "cancelled",
    "cancelled_at_pushwoosh": "sent, and cancelled by Pushwoosh before their schedule",
    "retrying": "retries scheduled",
    "unknown": "calls without an answer (in doubt)",
    "late": "answers that came after another worker took over the intent",
    "replayed": "dead letters replayed",
    "bulk_jobs": "fan-out jobs started",
    "bulk_sent": "recipients sent to by fan-out jobs",
}
#: State → why an intent in it cannot be cancelled.
_TOO_LATE: Final = {
    "sending": "too late, it is being sent",
    "sent": "too late, it was sent",
    "dead": "too late, it is a dead letter. If it should not be sent, use wooshq dead discard",
    "expired": "it has expired and was not sent",
}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(cls=Command, epilog=examples(f"wooshq status {EXAMPLE_ID}", "wooshq status"))(status)
    app.command(cls=Command, epilog=examples(f"wooshq cancel {EXAMPLE_ID}"))(cancel)


def status(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of intents. Without ids: totals of all intents.")] = None,
    as_json: Json = False,
) -> None:
    """Show the state of intents, with every attempt."""
    with Wooshq() as wooshq:
        if not ids:
            counts = wooshq.counts()
            emit(counts) if as_json else _overview(counts)
            return
        unknown = 0
        for intent_id in ids:
            found = wooshq.status(intent_id)
            if found is None:
                unknown += 1
                say(f"{intent_id}: {_UNKNOWN}")
            elif as_json:
                emit(found)
            else:
                pairs(found, skip=("attempts", "cancel"))
                if found.cancel is not None:
                    field("asked to cancel", _asked(found.cancel))
                attempts(found)
        finish(SOME_REFUSED if unknown else ALL_DONE)


def _asked(cancel: Mapping[str, Any]) -> str:
    """What came of the request to Pushwoosh, in one line."""
    outcome = "no final answer yet" if cancel["outcome"] == "asked" else cancel["outcome"]
    return f"{short(cancel['asked_at'])} UTC: {outcome}" + (f" ({cancel['detail']})" if cancel["detail"] else "")


_UNKNOWN: Final = "no intent has this id. Check the id. The intent may have ended longer ago than WOOSHQ_RETENTION_S."


def _overview(counts: Mapping[str, int]) -> None:
    """Print two lists: where intents are now, and what happened since the ledger was created."""
    others = [name for name in counts if name not in _NOW and name not in _SO_FAR]
    so_far = {**_SO_FAR, **{name: name.replace("_", " ") for name in others}}
    wide = max(len(str(n)) for n in counts.values())
    for title, names in (("Now", _NOW), ("Since the ledger (the record of every intent, in Redis) was created", so_far)):
        data.print(Text(title, style="bold"))
        for name, says in names.items():
            show(f"  {counts.get(name, 0):>{wide}}  {says}")


#: What came of the request to Pushwoosh → the intent's word in the output.
_AFTER_ASKING: Final = {"cancelled": "cancelled", "asked": CANCELLING, "refused": "sent", "unknown": "sent"}


def cancel(ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of intents.")], as_json: Json = False) -> None:
    """Cancel intents that were not sent yet. If Pushwoosh keeps a sent message until its schedule, ask Pushwoosh to cancel it."""
    continue_unread()
    with Wooshq() as wooshq:
        left = 0
        for intent_id in ids:
            state = wooshq.cancel(intent_id.lower())
            answer = _ask_now(wooshq, intent_id.lower()) if state == CANCELLING else None
            if answer is not None:
                state = _AFTER_ASKING[answer["outcome"]]
            left += state != "cancelled"
            told = {"id": intent_id, "state": state} | ({"cancel": answer} if answer is not None else {})
            emit(told) if as_json else show(f"{intent_id} {state or 'unknown'}")
            if answer is not None:
                say(f"{intent_id}: {_said(state, answer['detail'] or 'no answer yet')}")
            elif state is None:
                say(f"{intent_id}: {_UNKNOWN}")
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
