"""`wooshq status`: show where intents are, with every attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from wooshq import Status, Wooshq
from wooshq.installation.places import NAME_IT, NOT_NAMED
from wooshq_worker.cli.commands.outbox.url import has_outbox, in_outbox
from wooshq_worker.cli.opening import names_a_redis, open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, examples
from wooshq_worker.cli.terminal.out import (
    ALL_DONE,
    SOME_REFUSED,
    UNKNOWN_ID,
    Json,
    attempts,
    data,
    emit,
    field,
    finish,
    pairs,
    say,
    say_cut,
    several,
    short,
    show,
)
from wooshq_worker.cli.terminal.tables import Column, table

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
    "dead": "ended as dead letters (replays and recipients of fan-out jobs count, too)",
    "expired": "expired",
    "cancelled": "cancelled",
    "cancelled_at_pushwoosh": "sent, and cancelled by Pushwoosh before their schedule",
    "retrying": "retries scheduled so far",
    "unknown": "calls without an answer (in doubt)",
    "late": "answers that came after another worker took over the intent",
    "replayed": "dead letters replayed",
    "bulk_jobs": "fan-out jobs started",
    "bulk_sent": "recipients sent to by fan-out jobs",
}


_MAYBE_IN_OUTBOX: Final = " If your app has an outbox, a relay may not have moved it yet: see wooshq outbox, or manage.py wooshq_outbox."

_COLUMNS: Final = (
    Column("id"),
    Column("state"),
    Column("application", 3),
    Column("lane", 5),
    Column("accepted (UTC)", 1),
    Column("ended (UTC)", 2),
    Column("attempts", 4),
    Column("detail", cut=True),
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        cls=Command,
        epilog=examples(f"wooshq status {EXAMPLE_ID}", "wooshq status", "wooshq status --state expired", "wooshq status --in-doubt"),
    )(status)


def status(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID",
            help="Ids of intents. Also: ids of Celery tasks wooshq.submit, and idempotency keys. Without ids: totals of all intents.",
        ),
    ] = None,
    application: Annotated[
        str | None, typer.Option(metavar="CODE", help="Application of an idempotency key (default: PUSHWOOSH_APPLICATION).")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="List the intents in this state: queued, sending, retrying, held, sent, dead, expired or cancelled. Reads the whole ledger.",
        ),
    ] = None,
    in_doubt: Annotated[
        bool, typer.Option("--in-doubt", help="List the intents with a call that got no answer. With --state: only those in this state.")
    ] = False,
    remote: Annotated[
        bool, typer.Option("--remote", help="Also ask Pushwoosh for the state of the messages. It needs the API token.")
    ] = False,
    most: Annotated[int, typer.Option(metavar="N", min=1, help="List at most N intents.")] = 1000,
    as_json: Json = False,
) -> None:
    """Show the state of intents, with every attempt."""
    if ids and (state or in_doubt):
        raise typer.BadParameter("cannot be used with ids", param_hint="--state" if state else "--in-doubt")
    if remote and not ids:
        raise typer.BadParameter("needs ids of intents", param_hint="--remote")
    with open_wooshq() as wooshq:
        if state or in_doubt:
            _list(wooshq.intents(state=state, in_doubt=in_doubt, most=most + 1), most, as_json=as_json)
            return
        if not ids:
            counts = wooshq.counts()
            emit(counts) if as_json else _overview(counts)
            return
        unknown = 0
        for intent_id in ids:
            found = wooshq.status(intent_id, application=application) or in_outbox(wooshq, intent_id)
            if found is None:
                unknown += 1
                say(f"{intent_id}: {UNKNOWN_ID}{'' if has_outbox(wooshq) else _MAYBE_IN_OUTBOX}")
                continue
            there = _at_pushwoosh(wooshq, found) if remote else {}
            if as_json:
                emit({**found, "remote": there} if remote else found)
            else:
                pairs(found, skip=("attempts", "cancel"))
                for code, said in there.items():
                    field("at Pushwoosh", f"{said['status'] or said['detail']} (message {code})")
                if found.cancel is not None:
                    field("asked to cancel", _asked(found.cancel))
                attempts(found)
        if unknown and wooshq.installation.places.embedded is not None and not names_a_redis():
            say(f"{NOT_NAMED}: {wooshq.settings.data_dir.absolute()}. {NAME_IT}.")
        finish(SOME_REFUSED if unknown else ALL_DONE)


def _at_pushwoosh(wooshq: Wooshq, found: Status) -> dict[str, dict[str, Any]]:
    """Message code → what Pushwoosh says of it."""
    from wooshq_worker.intents.remote import ask_pushwoosh  # it needs an HTTP client, which takes long to import

    return {code: said.as_dict() for code, said in ask_pushwoosh(wooshq.settings, [found]).items()} if found.message_codes else {}


def _list(found: Sequence[Status], most: int, *, as_json: bool) -> None:
    shown = found[:most]
    if as_json:
        for one in shown:
            emit(one)
    else:
        rows = [
            (x.id, x.state, x.application, x.lane, short(x.accepted_at), short(x.ended_at), len(x.attempts), x.detail or x.waiting_for)
            for x in shown
        ]
        table(several(len(shown), "intent"), _COLUMNS, rows, empty="No such intents.")
    if len(found) > most:
        say_cut(most, "intent")


def _asked(cancel: Mapping[str, Any]) -> str:
    """What came of the request to Pushwoosh, in one line."""
    outcome = "no final answer yet" if cancel["outcome"] == "asked" else cancel["outcome"]
    return f"{short(cancel['asked_at'])} UTC: {outcome}" + (f" ({cancel['detail']})" if cancel["detail"] else "")


def _overview(counts: Mapping[str, int]) -> None:
    """Print two lists: where intents are now, and what happened since the ledger was created."""
    others = [name for name in counts if name not in _NOW and name not in _SO_FAR]
    so_far = {**_SO_FAR, **{name: name.replace("_", " ") for name in others}}
    wide = max(len(str(n)) for n in counts.values())
    for title, names in (("Now", _NOW), ("Since the ledger (the record of every intent, in Redis) was created", so_far)):
        data.print(Text(title, style="bold"))
        for name, says in names.items():
            show(f"  {counts.get(name, 0):>{wide}}  {says}")
