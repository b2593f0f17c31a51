"""`wooshq dead …`: find, read, edit, replay, discard and export dead letters."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from wooshq import Wooshq
from wooshq.errors import IntentInvalid, LetterUnknown
from wooshq.letters.filter import Conditions
from wooshq_worker.cli.commands import export
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
    people,
    plain,
    say,
    say_cut,
    several,
    short,
)
from wooshq_worker.cli.terminal.out import show as print_line
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
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the outcome, but change nothing.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of letters, or of their intents.")]
LetterId = Annotated[str, typer.Argument(metavar="ID", help="Id of the letter, of its intent, or of one of its replays.")]

#: Most letters left out of a replay to name one by one.
_MOST_NAMED: Final = 20

_NONE: Final = "No dead letters match."
_EXAMPLE_PATCH: Final = 'Example: {"message": {"preset": "SALE-2"}}'
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
    Column("reason"),
    Column("application", 2),
    Column("first (UTC)", 3),
    Column("last (UTC)", 1),
    Column("detail", cut=True),
)


@app.command("list", cls=Command, epilog=examples("wooshq dead list --reason rejected --since 2h"))
@filtered(state="open")
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
        columns = _LETTER_COLUMNS if wanted["state"] is None else _LETTER_COLUMNS[:-1]
        table(several(len(letters), "dead letter"), columns, [row[: len(columns)] for row in rows], empty=_NONE)
    if len(found) > most:
        say_cut(most, "letter", other=", or wooshq dead groups")


@app.command(cls=Command, epilog=examples("wooshq dead groups --since 1d"))
@filtered(state="open")
def groups(
    *,
    wanted: Conditions,
    as_json: Json = False,
) -> None:
    """Count matching letters by reason, detail and application: the short overview of an incident."""
    with open_wooshq() as wooshq:
        found = wooshq.dead_letters.groups(**wanted)
    if as_json:
        for group in found:
            emit(group)
        return
    title = f"{several(sum(g.count for g in found), 'dead letter')} in {several(len(found), 'group')}"
    rows = [(g.count, g.reason, g.application, short(g.first_at), short(g.last_at), g.detail) for g in found]
    table(title, GROUP_COLUMNS, rows, empty=_NONE)


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
    as_json: Json = False,
) -> None:
    """Change the intent that a replay will send, and show the difference. An invalid result is refused."""
    change = _patch(patch)
    with open_wooshq() as wooshq:
        try:
            before, after = wooshq.dead_letters.edit(letter_id.lower(), change)
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
    painted = {"+": "green", "-": "red", "@": "cyan"}
    lines = list(_difference(before, after))
    for line in lines:
        data.print(Text(line, style=painted.get(line[:1], "")))
    if not lines:
        say("The letter is the same as before.")
    say("A replay gets a new id. It does not use id and idempotency_key of the letter.")


def _patch(given: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if given == "-" else Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{given[1:]} cannot be read ({type(error).__name__})", param_hint="--patch") from None
    try:
        change = json.loads(text)
    except (ValueError, RecursionError):
        raise typer.BadParameter(f"is not valid JSON. {_EXAMPLE_PATCH}", param_hint="--patch") from None
    if not isinstance(change, dict):
        raise typer.BadParameter(f"is not a JSON object. {_EXAMPLE_PATCH}", param_hint="--patch")
    return change


def _difference(before: Any, after: Any) -> Iterator[str]:
    """A unified diff of two intents, without the fields that a replay does not use."""

    def lines(intent: Any) -> list[str]:
        if isinstance(intent, Mapping):
            intent = {k: v for k, v in intent.items() if k not in ("id", "idempotency_key")}
        return json.dumps(intent, indent=2, ensure_ascii=False, default=plain).splitlines()

    yield from difflib.unified_diff(lines(before), lines(after), "before", "after", lineterm="")


@app.command(cls=Command, epilog=examples("wooshq dead replay --reason rejected --dry-run", f"wooshq dead replay {EXAMPLE_ID}"))
@filtered(state=None)
def replay(
    ids: Ids = None,
    *,
    wanted: Conditions,
    to_application: Annotated[str | None, typer.Option(metavar="CODE", help="Send for this application, not the letter's own.")] = None,
    to_lane: Annotated[str | None, typer.Option(metavar="LANE", help="Send through this lane, not the letter's own.")] = None,
    rate: Annotated[float | None, typer.Option(metavar="N", help="Letters per second. Default: all at once.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Replay dead letters. Each is sent once, even if two people replay it. Give ids or a filter."""
    named = [i.lower() for i in ids or ()]
    with open_wooshq() as wooshq:
        with people.status("replaying") if people.is_terminal else people:
            done = wooshq.dead_letters.replay(
                *named, dry_run=dry_run, to_application=to_application, to_lane=to_lane, rate=rate, **wanted
            )  # fmt: skip
        missing = _say_missing(wooshq, named, done.selected, wanted)
    if as_json:
        emit(done)
    else:
        verb, end = ("would be replayed", " Nothing was sent.") if dry_run else ("replayed", "")
        over = f" over {done.takes_s:.0f} s" if done.takes_s >= 1 else ""
        say(f"{_matching(done.selected)}: {done.replayed} {verb}{over}, {done.skipped} skipped, {done.invalid} invalid.{end}")
        for letter_id, why in list(done.why.items())[:_MOST_NAMED]:
            say(f"  {letter_id}: {why}")
        if len(done.why) > _MOST_NAMED:
            say(f"  … and {len(done.why) - _MOST_NAMED} more")
        for new in done.ids.values():
            print_line(new)
    finish(SOME_REFUSED if done.skipped or done.invalid or missing else ALL_DONE)


@app.command(cls=Command, epilog=examples("wooshq dead discard --reason invalid --since 1d --why 'test data'"))
@filtered(state=None)
def discard(
    ids: Ids = None,
    *,
    wanted: Conditions,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Reason to keep with the letters.")] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Discard letters that should not be sent. They stay visible until WOOSHQ_DEAD_RETENTION_S is over. Give ids or a filter."""
    named = [i.lower() for i in ids or ()]
    with open_wooshq() as wooshq:
        done = wooshq.dead_letters.discard(*named, why=why, dry_run=dry_run, **wanted)
        missing = _say_missing(wooshq, named, done.selected, wanted)
    if as_json:
        emit(done)
    else:
        verb, end = ("would be discarded", " Nothing was changed.") if dry_run else ("discarded", "")
        say(f"{_matching(done.selected)}: {done.discarded} {verb}, {done.skipped} skipped.{end}")
    finish(SOME_REFUSED if done.skipped or missing else ALL_DONE)


def _matching(n: int) -> str:
    return f"{several(n, 'letter')} {'matches' if n == 1 else 'match'}"


def _say_missing(wooshq: Wooshq, ids: Sequence[str], selected: int, wanted: Conditions) -> int:
    """Name the ids without a letter, or whose letter does not match the filter. Returns how many they are."""
    missing = 0
    if selected < len(set(ids)):
        for one in dict.fromkeys(ids):
            if not wooshq.dead_letters.list(ids=(one,), **wanted):
                missing += 1
                known = wanted and wooshq.dead_letters.list(ids=(one,))
                say(f"{one}: {'this letter does not match the filter' if known else 'no dead letter has this id'}")
    return missing


app.command("export", cls=Command, epilog=export.EXAMPLES)(export.export)
