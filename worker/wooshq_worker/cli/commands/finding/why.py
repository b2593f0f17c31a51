"""`wooshq why`: why a message is not out yet."""

from __future__ import annotations

from typing import Annotated

import typer

from wooshq.finding.why import Explained
from wooshq.finding.why import in_outbox as explain_in_outbox
from wooshq_worker.cli.commands.outbox.url import in_outbox
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, UNKNOWN_ID, Json, emit, field, finish, say, short, show


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples(f"wooshq why {EXAMPLE_ID}"))(why)


def why(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of intents, or idempotency keys.")],
    application: Annotated[
        str | None, typer.Option(metavar="CODE", help="Application of an idempotency key (default: PUSHWOOSH_APPLICATION).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say why a message is not out yet: what holds it back, until when, and what you can do."""
    unknown = 0
    with open_wooshq() as wooshq:
        for intent_id in ids:
            found = wooshq.why(intent_id, application=application)
            if found is None and (row := in_outbox(wooshq, intent_id)) is not None:
                found = explain_in_outbox(row)
            if found is None:
                unknown += 1
                say(f"{intent_id}: {UNKNOWN_ID}")
            elif as_json:
                emit(found)
            else:
                _show(found)
        finish(SOME_REFUSED if unknown else ALL_DONE)


def _show(found: Explained) -> None:
    show(found.sentence)
    field("reason", found.reason or found.state)
    if found.since is not None:
        field("since", f"{short(found.since)} UTC")
    if found.expected_at is not None:
        field("expected", f"{short(found.expected_at)} UTC, at the earliest")
    if found.act:
        field("what to do", f"{found.act} {found.command}".strip())
