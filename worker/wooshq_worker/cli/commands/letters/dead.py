"""`wooshq dead …`: find, read, edit, replay, discard and export dead letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.text import Text

from wooshq import Wooshq
from wooshq.errors import CauseUnknown, IntentInvalid, LetterUnknown
from wooshq.letters import letter as letters
from wooshq.letters.causes import later
from wooshq.letters.filter import Conditions
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.commands.letters import export, replay
from wooshq_worker.cli.commands.letters.parts import DryRun, Ids, matching, patch_of, say_missing, show_difference
from wooshq_worker.cli.filters import filtered
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, Group, examples
from wooshq_worker.cli.terminal.out import (
    ALL_DONE,
    SOME_REFUSED,
    Json,
    attempts,
    data,
    emit,
    finish,
    pairs,
    say,
    say_cut,
    several,
    short,
)
from wooshq_worker.cli.terminal.tables import Column, table

app = typer.Typer(
    cls=Group,
    help="List, fix and replay dead letters. A dead letter is an intent that failed permanently.",
    epilog=examples(
        "wooshq dead groups --since 1d",
        "wooshq dead replay --reason rejected --dry-run",
        "wooshq dead export letters.csv --state any",
    ),
    no_args_is_help=True,
    rich_markup_mode="rich",
)
LetterId = Annotated[str, typer.Argument(metavar="ID", help="Id of the letter, of its intent, or of one of its replays.")]

CauseId = Annotated[str, typer.Argument(metavar="CAUSE", help="Id of the cause: wooshq dead groups shows it.")]

_NONE: Final = "No dead letters match."
_LETTER_COLUMNS = (
    Column("id"),
    Column("reason"),
    Column("application", 3),
    Column("lane", 5),
    Column("filed (UTC)", 1),
    Column("attempts", 4),
    Column("detail", cut=True),
    Column("state", 2),
)
GROUP_COLUMNS = (
    Column("count"),
    Column("people", 7),
    Column("reason"),
    Column("application", 4),
    Column("first (UTC)", 6),
    Column("last (UTC)", 8),
    Column("24 h", 5),
    Column("state", 2),
    Column("what fits", 1),
    Column("cause", 3),
    Column("detail", cut=True),
)
_STEPS: Final = " ▁▂▃▄▅▆▇█"


@app.command(
    "list",
    cls=Command,
    epilog=examples("wooshq dead list reason:rejected status:400 since:2h", "wooshq dead list --reason rejected --since 2h"),
)
@filtered(state="open", takes_query=True)
def list_(
    *,
    wanted: Conditions,
    most: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most N letters.")] = 1000,
    as_json: Json = False,
) -> None:
    """List matching letters, newest first."""
    with open_wooshq() as wooshq:
        found = wooshq.dead_letters.list(most=most + 1, **wanted)
    letters = found[:most]
    if as_json:
        for letter in letters:
            emit(letter)
    else:
        rows = [(x.id, x.reason, x.application, x.lane, short(x.filed_at), x.attempts, x.detail, x.state) for x in letters]
        # With --state STATE the column would be the same in every row.
        columns = _LETTER_COLUMNS if wanted.get("state") is None else _LETTER_COLUMNS[:-1]
        table(several(len(letters), "dead letter"), columns, [row[: len(columns)] for row in rows], empty=_NONE)
    if len(found) > most:
        say_cut(most, "letter", other=", or wooshq dead groups")


@app.command(cls=Command, epilog=examples("wooshq dead groups since:1d NOT reason:unknown"))
@filtered(state="open", takes_query=True)
def groups(
    *,
    wanted: Conditions,
    as_json: Json = False,
) -> None:
    """Count matching letters by reason, detail and application, and say which act fits: the short overview of an incident."""
    with open_wooshq() as wooshq:
        found = wooshq.dead_letters.groups(**wanted)
    if as_json:
        for group in found:
            emit(group)
        return
    title = f"{several(sum(g.count for g in found), 'dead letter')} in {several(len(found), 'group')}"
    table(title, GROUP_COLUMNS, [_row(group) for group in found], empty=_NONE)


def _people(n: int | None) -> str:
    """The ledger counts people without keeping them: above a hundred, to some 2 %."""
    return "" if n is None else f"{'≈' if n > letters.EXACT_PEOPLE else ''}{n:,}"


def _row(group: letters.Group) -> tuple[object, ...]:
    times = (short(group.first_at), short(group.last_at))
    return (
        group.count,
        _people(group.people),
        group.reason,
        group.application,
        *times,
        _line(group.line),
        _state(group),
        group.act,
        group.cause,
        group.detail,
    )


def _state(group: letters.Group) -> str:
    """`ignored until 2026-05-01 09:00`."""
    since = {"ignored": ("until", group.ignored_until), "back again": ("since", group.back_at)}.get(group.state)
    return group.state if since is None else f"{group.state} {since[0]} {short(since[1])}"


def _line(line: Sequence[int]) -> str:
    """Letters of each hour of the last day, as bars."""
    hours = [sum(line[at : at + 2]) for at in range(0, len(line), 2)]
    most = max(hours, default=0)
    return "".join(_STEPS[-(-hour * (len(_STEPS) - 1) // most)] for hour in hours) if most else ""


@app.command(cls=Command, epilog=examples("wooshq dead ignore 3f9a0c1d2b4e --until 12h --why 'known, fixed tomorrow'"))
def ignore(
    cause: CauseId,
    until: Annotated[
        str, typer.Option(metavar="TIME", help="Until then: 2026-05-01T09:00:00Z, 2026-05-01, or from now on, such as 2h or 7d.")
    ],
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Ignore the letters of a cause until a time. Nothing happens to them. If letters come after that time, the cause is `back again`."""
    try:
        at = later(until, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--until") from None
    _about(cause, lambda wooshq: wooshq.dead_letters.ignore(cause, at, why=why, by=by), as_json=as_json)


@app.command(cls=Command, epilog=examples("wooshq dead reopen 3f9a0c1d2b4e"))
def reopen(cause: CauseId, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """Ignore a cause no more, or take note of one that is back again."""
    _about(cause, lambda wooshq: wooshq.dead_letters.reopen(cause, why=why, by=by), as_json=as_json)


def _about(cause: str, act: Callable[[Wooshq], letters.Group], *, as_json: bool) -> None:
    with open_wooshq() as wooshq:
        try:
            group = act(wooshq)
        except CauseUnknown as error:
            say(f"{cause}: {error}")
            raise typer.Exit(SOME_REFUSED) from None
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    if as_json:
        emit(group)
    else:
        say(f"{several(group.count, 'open letter')}: {group.reason}: {group.detail}. The cause is {_state(group)}.")


@app.command(cls=Command, epilog=examples(f"wooshq dead show {EXAMPLE_ID}"))
def show(letter_id: LetterId, as_json: Json = False) -> None:
    """Show one letter in full: intent, payload, and every attempt, including those of its replays."""
    with open_wooshq() as wooshq:
        try:
            letter = wooshq.dead_letters.show(letter_id.lower())
        except LetterUnknown as error:
            say(f"{letter_id}: {error}")
            raise typer.Exit(SOME_REFUSED) from None
    if as_json:
        emit(letter)
        return
    pairs(letter, skip=("intent", "payload", "attempts"))
    attempts(letter)
    titles = {"intent": "intent, as a replay would send it", "payload": "payload of the last call before the letter was filed"}
    for name, title in titles.items():
        value = letter[name]
        if value is not None:
            data.print(Text(title, style="bold"))
            data.print_json(data=value)


@app.command(cls=Command, epilog=examples('wooshq dead edit ID --patch \'{"message": {"preset": "SALE-2"}}\''))
def edit(
    letter_id: LetterId,
    patch: Annotated[
        str,
        typer.Option(metavar="JSON", help="JSON merge patch (RFC 7396) for the intent. @FILE reads it from a file, - from standard input."),
    ],
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Change the intent that a replay will send, and show the difference. An invalid result is refused."""
    change = patch_of(patch)
    with open_wooshq() as wooshq:
        try:
            before, after = wooshq.dead_letters.edit(letter_id.lower(), change, why=why, by=by)
        except IntentInvalid as error:
            for problem in error.problems:
                say(str(problem))
            say("Nothing was changed.")
            raise typer.Exit(SOME_REFUSED) from None
        except LetterUnknown as error:
            say(f"{letter_id}: {error}")
            raise typer.Exit(SOME_REFUSED) from None
    if as_json:
        emit({"id": letter_id, "before": before, "after": after})
        return
    if not show_difference(data, before, after):
        say("The letter is the same as before.")
    say("A replay gets a new id. It does not use id and idempotency_key of the letter.")


@app.command(cls=Command, epilog=examples("wooshq dead discard --reason invalid --since 1d --why 'test data'"))
@filtered(state=None)
def discard(
    ids: Ids = None,
    *,
    wanted: Conditions,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Reason to keep with the letters.")] = "",
    by: By = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Discard letters that should not be sent. They stay visible until WOOSHQ_DEAD_RETENTION_S is over. Give ids, a query or a filter."""
    named = [i.lower() for i in ids or ()]
    with open_wooshq() as wooshq:
        done = wooshq.dead_letters.discard(*named, why=why, by=by, dry_run=dry_run, **wanted)
        missing = say_missing(wooshq, named, done.selected, wanted)
    if as_json:
        emit(done)
    else:
        verb, end = ("would be discarded", " Nothing was changed.") if dry_run else ("discarded", "")
        say(f"{matching(done.selected)}: {done.discarded} {verb}, {done.skipped} skipped.{end}")
    finish(SOME_REFUSED if done.skipped or missing else ALL_DONE)


app.command("replay", cls=Command, epilog=replay.EXAMPLES)(replay.replay)
app.command("export", cls=Command, epilog=export.EXAMPLES)(export.export)
