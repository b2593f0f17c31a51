"""`wooshq webhooks`: who is told what has ended, and how that goes."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq.events.event import EventType
from wooshq.events.webhook import Delivery, MadeWebhook, Webhook
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, Group, examples
from wooshq_worker.cli.terminal.out import SOME_REFUSED, Json, emit, finish, say, several, short, show
from wooshq_worker.cli.terminal.tables import Column, table

app = typer.Typer(
    cls=Group,
    help="Show, add and operate webhooks: URLs to which wooshq sends what has ended, signed after Standard Webhooks. See docs/events.md.",
    epilog=examples(
        "wooshq webhooks",
        "wooshq webhooks add shop https://shop.example/hooks/wooshq --type messages.dead --type job.ended",
        "wooshq webhooks test shop",
        "wooshq webhooks show shop",
    ),
    invoke_without_command=True,
    rich_markup_mode="rich",
)
_COLUMNS: Final = (
    Column("name"), Column("state"), Column("waiting"), Column("delivered", 2), Column("failed", 1), Column("dropped", 1), Column("to", cut=True),
)  # fmt: skip
_LOG: Final = (
    Column("at (UTC)"), Column("event", 1), Column("type"), Column("try", 2), Column("result"), Column("status"), Column("ms", 2), Column("error", cut=True),
)  # fmt: skip
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the webhook.", show_default=False)]


@app.callback()
def list_(context: typer.Context, as_json: Json = False) -> None:
    """Show all webhooks, and the hooks of apps."""
    if context.invoked_subcommand is not None:
        return
    with open_wooshq() as wooshq:
        found = wooshq.webhooks.list()
    if as_json:
        for one in found:
            emit(one)
        return
    rows = [
        (one.name, _state(one), str(one.waiting), str(one.delivered), str(one.failed), str(one.dropped), one.url or "(a hook of an app)")
        for one in found
    ]
    table(several(len(found), "webhook"), _COLUMNS, rows, empty="There are no webhooks.")


def _state(one: Webhook) -> str:
    return "failing" if one.state == "active" and one.is_failing else one.state


@app.command(
    cls=Command,
    epilog=examples(
        "wooshq webhooks add shop https://shop.example/hooks/wooshq",
        "wooshq webhooks add oncall https://oncall.example/w --type gate.shut --type gate.opened --why 'on-call'",
    ),
)
def add(
    name: Name,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent; https.", show_default=False)],
    type_: Annotated[
        list[str] | None,
        typer.Option(
            "--type", metavar="TYPE", help=f"Only events of this type. May be repeated. Of {', '.join(EventType)}.", show_default=False
        ),
    ] = None,
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Add a webhook, and print the secret with which its events are signed. It is not shown again."""
    with open_wooshq() as wooshq:
        made = wooshq.webhooks.add(name, url, type_ or (), why=why, by=by)
    _tell(made, as_json, "Give it to the receiver now: it is not shown again. What ends from now on is sent.")


def _tell(made: MadeWebhook, as_json: bool, then: str) -> None:
    if as_json:
        emit(made)
        return
    show(made.secret)
    say(f"This is the secret of the webhook {made.name}. {then}")


@app.command("show", cls=Command, epilog=examples("wooshq webhooks show shop", "wooshq webhooks show shop --most 200 --json"))
def show_(
    name: Name,
    most: Annotated[int, typer.Option(min=1, max=200, help="How many of the last deliveries.")] = 20,
    as_json: Json = False,
) -> None:
    """Show a webhook, and its last deliveries. The secret is not shown."""
    with open_wooshq() as wooshq:
        found, log = wooshq.webhooks.show(name), wooshq.webhooks.deliveries(name, most=most)
    if as_json:
        emit({**found, "deliveries": [dict(one) for one in log]})
        return
    for line in _in_words(found):
        show(line)
    table("deliveries", _LOG, [_row(one) for one in log], empty="Nothing was delivered yet.")


def _in_words(found: Webhook) -> list[str]:
    why = f" ({found.why_paused})" if found.why_paused else ""
    oldest = f", the oldest of {short(found.oldest_at)}" if found.waiting else ""
    lines = [
        f"{found.name}: {_state(found)}{why}",
        f"  sent to    {found.url}",
        f"  types      {', '.join(found.types) if found.types else 'all'}",
        f"  waiting    {found.waiting}{oldest}",
        f"  delivered  {found.delivered}, attempts that failed {found.failed}, dropped {found.dropped}",
    ]
    if found.failing_since:
        lines.append(f"  failing    since {short(found.failing_since)}: {found.failing_why}")
    if found.old_secret_until:
        lines.append(f"  secrets    the one before signs, too, until {short(found.old_secret_until)}")
    return [*lines, f"  added      {short(found.made_at)} by {found.by}{': ' + found.why if found.why else ''}"]


def _row(one: Delivery) -> tuple[str, ...]:
    status = "" if one.status is None else str(one.status)
    latency = "" if one.latency_ms is None else f"{one.latency_ms:.0f}"
    return (short(one.at), one.event, one.type, str(one.attempt), one.result, status, latency, one.error or "")


@app.command(cls=Command, epilog=examples("wooshq webhooks pause shop --why 'the shop moves'"))
def pause(name: Name, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """Pause a webhook. Its events wait, for WOOSHQ_WEBHOOKS_RETRY_S at most."""
    with open_wooshq() as wooshq:
        found = wooshq.webhooks.pause(name, why=why, by=by)
    _done(found, as_json, f"Paused. {several(found.waiting, 'event')} {'waits' if found.waiting == 1 else 'wait'}.")


@app.command(cls=Command, epilog=examples("wooshq webhooks resume shop"))
def resume(name: Name, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """Resume a webhook that you paused, or wooshq."""
    with open_wooshq() as wooshq:
        found = wooshq.webhooks.resume(name, why=why, by=by)
    _done(found, as_json, "Resumed.")


def _done(found: Webhook, as_json: bool, text: str) -> None:
    if as_json:
        emit(found)
    else:
        say(text)


@app.command(cls=Command, epilog=examples("wooshq webhooks remove shop --why 'it is switched off'"))
def remove(name: Name, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """Remove a webhook, with the events that wait for it."""
    with open_wooshq() as wooshq:
        was_there = wooshq.webhooks.remove(name, why=why, by=by)
    if as_json:
        emit({"name": name, "removed": was_there})
    else:
        say("Removed." if was_there else "No webhook has this name. See: wooshq webhooks")
    finish(0 if was_there else SOME_REFUSED)


@app.command(cls=Command, epilog=examples("wooshq webhooks rotate shop", "wooshq webhooks rotate shop --old-for 1 --why 'it was in a log'"))
def rotate(
    name: Name,
    old_for: Annotated[
        float, typer.Option(metavar="HOURS", min=0, max=720, help="How long the old secret signs beside the new one.")
    ] = 24.0,
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Make a new secret, and print it. For a while, both sign."""
    with open_wooshq() as wooshq:
        made = wooshq.webhooks.rotate(name, old_for_s=old_for * 3600, why=why, by=by)
    _tell(made, as_json, f"Give it to the receiver: the old one signs, too, for {old_for:g} hours. It is not shown again.")


@app.command("test", cls=Command, epilog=examples("wooshq webhooks test shop"))
def try_(
    name: Name,
    within: Annotated[float, typer.Option(metavar="SECONDS", min=0, max=600, help="How long to wait for the answer.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Have a worker send a test event, and print what the receiver answered."""
    with open_wooshq() as wooshq:
        event = wooshq.webhooks.test(name)
        came = wooshq.webhooks.wait(name, event, within_s=within)
    if as_json:
        emit(came if came is not None else {"event": event, "result": None})
    elif came is None:
        say(f"No worker has delivered {event} within {within:g} s. Is one running? See: wooshq webhooks show {name}")
    else:
        show(f"{came.result}: {came.error or f'HTTP {came.status}'}, {came.latency_ms:.0f} ms ({event})")
    finish(0 if came is not None and came.result == "delivered" else SOME_REFUSED)


@app.command(cls=Command, epilog=examples("wooshq webhooks resend shop evt_1795826421000-0_k3x9ab"))
def resend(
    name: Name,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Id of the event, as `show` prints it.", show_default=False)],
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Have an event delivered once more, under the same id."""
    with open_wooshq() as wooshq:
        queued = wooshq.webhooks.resend(name, event, why=why, by=by)
    if as_json:
        emit({"event": event, "queued": queued})
    else:
        say("It is delivered again." if queued else "This event is not kept any more (WOOSHQ_WEBHOOKS_RETRY_S).")
    finish(0 if queued else SOME_REFUSED)
