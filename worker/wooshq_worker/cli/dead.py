"""`wooshq dead …`: dead letters, found, read, mended, sent again."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from wooshq import Wooshq
from wooshq.errors import IntentInvalid, LetterUnknown
from wooshq_worker.cli.out import ALL_DONE, SOME_REFUSED, USED_WRONGLY, Json, data, emit, finish, pairs, people, say, table

app = typer.Typer(help="Dead letters: list, groups, show, edit, replay, discard, export.", no_args_is_help=True, rich_markup_mode="rich")

Reason = Annotated[str | None, typer.Option(help="invalid, rejected, exhausted, unknown, poison or too_large.")]
Application = Annotated[str | None, typer.Option(help="Application code.")]
Lane = Annotated[str | None, typer.Option(help="transactional or bulk.")]
Since = Annotated[str | None, typer.Option(help="Filed at or after: 2026-05-01T09:00:00Z, or an age such as 2h, 30m, 1d.")]
Until = Annotated[str | None, typer.Option(help="Filed before: a time or an age.")]
Campaign = Annotated[str | None, typer.Option(help="Campaign code.")]
Tag = Annotated[str | None, typer.Option(help="NAME=VALUE.")]
Recipient = Annotated[str | None, typer.Option(help="A user, hwid, push token or test device.")]
Bulk = Annotated[str | None, typer.Option(help="A fan-out job's id.")]
Detail = Annotated[str | None, typer.Option(help="The exact detail, as `dead groups` shows it.")]
State = Annotated[str | None, typer.Option(help="open, replaying, closed or discarded; `any` for all.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; do nothing.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Letters' ids (an intent's id stands for its letter).")]


def _wanted(**given: Any) -> dict[str, Any]:
    """The options as the Python API's filter."""
    wanted = {k: v for k, v in given.items() if v is not None}
    for name in ("since", "until"):
        if name in wanted:
            wanted[name] = _moment(wanted[name])
    if "tag" in wanted:
        name, equals, value = wanted["tag"].partition("=")
        if not equals:
            raise typer.BadParameter("right would be NAME=VALUE", param_hint="--tag")
        wanted["tag"] = (name, value)
    if wanted.get("state") == "any":
        del wanted["state"]
    return wanted


def _moment(text: str) -> datetime:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text[:-1].isdigit() and text[-1] in units:
        return datetime.now(UTC) - timedelta(seconds=int(text[:-1]) * units[text[-1]])
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("is no time; right would be 2026-05-01T09:00:00Z, or an age such as 2h") from None
    if found.tzinfo is None:
        raise typer.BadParameter("is a time without a zone; right would be 2026-05-01T09:00:00Z")
    return found


@app.command("list", epilog="Example: wooshq dead list --reason rejected --since 2h")
def list_(
    reason: Reason = None,
    application: Application = None,
    lane: Lane = None,
    since: Since = None,
    until: Until = None,
    campaign: Campaign = None,
    tag: Tag = None,
    recipient: Recipient = None,
    bulk: Bulk = None,
    detail: Detail = None,
    state: State = "open",
    most: Annotated[int, typer.Option(help="At most so many, the newest first.")] = 1000,
    as_json: Json = False,
) -> None:
    """Letters that fit, the newest first."""
    wanted = _wanted(
        reason=reason, application=application, lane=lane, since=since, until=until, campaign=campaign, tag=tag, recipient=recipient,
        bulk=bulk, detail=detail, state=state,
    )  # fmt: skip
    with Wooshq() as wooshq:
        letters = wooshq.dead_letters.list(most=most, **wanted)
    if as_json:
        for letter in letters:
            emit(letter)
        return
    table(
        f"{len(letters)} dead letters",
        ("id", "reason", "application", "lane", "filed at", "attempts", "state", "detail"),
        [(x.id, x.reason, x.application, x.lane, x.filed_at, x.attempts, x.state, x.detail) for x in letters],
    )
    if len(letters) == most:
        say(f"Only the newest {most} are shown; see --most, or wooshq dead groups.")


@app.command(epilog="Example: wooshq dead groups --since 1d")
def groups(
    reason: Reason = None,
    application: Application = None,
    lane: Lane = None,
    since: Since = None,
    until: Until = None,
    bulk: Bulk = None,
    state: State = "open",
    as_json: Json = False,
) -> None:
    """An incident in a few lines: letters by reason, detail and application."""
    wanted = _wanted(reason=reason, application=application, lane=lane, since=since, until=until, bulk=bulk, state=state)
    with Wooshq() as wooshq:
        found = wooshq.dead_letters.groups(**wanted)
    if as_json:
        for group in found:
            emit(group)
        return
    table(
        f"{sum(g.count for g in found)} dead letters in {len(found)} groups",
        ("count", "reason", "application", "first", "last", "detail"),
        [(g.count, g.reason, g.application, g.first_at, g.last_at, g.detail) for g in found],
    )


@app.command(epilog="Example: wooshq dead show 018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f")
def show(letter_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Everything about one letter: intent, payload, every attempt of it and of its replays."""
    with Wooshq() as wooshq:
        try:
            letter = wooshq.dead_letters.show(letter_id.lower())
        except LetterUnknown as error:
            say(f"{letter_id}: {error}")
            raise typer.Exit(SOME_REFUSED) from None
    if as_json:
        emit(letter)
        return
    pairs(letter, skip=("intent", "payload", "attempts"))
    for n, attempt in enumerate(letter.attempts, 1):
        said = " ".join(str(attempt[k]) for k in ("http_status", "code", "error") if attempt[k] is not None)
        data.print(f"[bold]attempt {n:<12}[/bold] {attempt['at']} {attempt['outcome']} {escape(said)}")
    for name in ("intent", "payload"):
        value = letter[name]
        if value is not None:
            data.print(f"[bold]{name}[/bold]")
            data.print_json(data=value)


@app.command(epilog='Example: wooshq dead edit ID --patch \'{"application": "AAAAA-BBBBB"}\'')
def edit(
    letter_id: Annotated[str, typer.Argument(metavar="ID")],
    patch: Annotated[str, typer.Option(help="JSON merge patch (RFC 7396) of the intent; @FILE reads a file, - standard input.")],
    as_json: Json = False,
) -> None:
    """Change what a replay will send; shown as before and after. The result is validated whole."""
    try:
        text = sys.stdin.read() if patch == "-" else Path(patch[1:]).read_text(encoding="utf-8") if patch.startswith("@") else patch
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{patch[1:]} cannot be read ({type(error).__name__})", param_hint="--patch") from None
    try:
        change = json.loads(text)
    except ValueError:
        raise typer.BadParameter("is not JSON", param_hint="--patch") from None
    if not isinstance(change, dict):
        raise typer.BadParameter("a merge patch is a JSON object", param_hint="--patch")
    with Wooshq() as wooshq:
        try:
            before, after = wooshq.dead_letters.edit(letter_id.lower(), change)
        except IntentInvalid as error:
            for problem in error.problems:
                say(str(problem))
            say("Nothing was changed.")
            raise typer.Exit(USED_WRONGLY) from None
        except LetterUnknown as error:
            say(f"{letter_id}: {error}")
            raise typer.Exit(SOME_REFUSED) from None
    if as_json:
        emit({"id": letter_id, "before": before, "after": after})
        return
    for name, value in (("before", before), ("after", after)):
        data.print(f"[bold]{name}[/bold]")
        data.print_json(data=value)


@app.command(epilog="Example: wooshq dead replay --reason rejected --dry-run")
def replay(
    ids: Ids = None,
    reason: Reason = None,
    application: Application = None,
    lane: Lane = None,
    since: Since = None,
    until: Until = None,
    campaign: Campaign = None,
    tag: Tag = None,
    recipient: Recipient = None,
    bulk: Bulk = None,
    detail: Detail = None,
    to_application: Annotated[str | None, typer.Option(help="Send in the name of another application.")] = None,
    to_lane: Annotated[str | None, typer.Option(help="Send through another lane.")] = None,
    rate: Annotated[float | None, typer.Option(help="Letters a second; all at once where absent.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send letters again, each once whoever else tries. An empty filter is refused."""
    wanted = _wanted(
        reason=reason, application=application, lane=lane, since=since, until=until, campaign=campaign, tag=tag, recipient=recipient,
        bulk=bulk, detail=detail,
    )  # fmt: skip
    with Wooshq() as wooshq, people.status("replaying") if people.is_terminal else people:
        done = wooshq.dead_letters.replay(
            *(i.lower() for i in ids or ()), dry_run=dry_run, to_application=to_application, to_lane=to_lane, rate=rate, **wanted
        )
    if as_json:
        emit(done)
    else:
        verb, end = ("would be replayed", " Nothing was sent.") if dry_run else ("are on their way", "")
        over = f" over {done.takes_s:.0f} s" if done.takes_s >= 1 else ""
        say(f"{done.selected} letters fit: {done.replayed} {verb}{over}, {done.skipped} skipped, {done.invalid} invalid.{end}")
        for letter_id, why in list(done.why.items())[:20]:
            say(f"  {letter_id}: {why}")
        if len(done.why) > 20:
            say(f"  … and {len(done.why) - 20} more")
        for new in done.ids.values():
            data.print(new)
    finish(SOME_REFUSED if done.skipped or done.invalid or (ids and done.selected < len(ids)) else ALL_DONE)


@app.command(epilog="Example: wooshq dead discard --reason invalid --since 1d --why 'test data'")
def discard(
    ids: Ids = None,
    reason: Reason = None,
    application: Application = None,
    lane: Lane = None,
    since: Since = None,
    until: Until = None,
    campaign: Campaign = None,
    tag: Tag = None,
    recipient: Recipient = None,
    bulk: Bulk = None,
    detail: Detail = None,
    why: Annotated[str, typer.Option(help="Kept with the letter.")] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Say that letters need not be sent. They stay to be seen until their retention ends."""
    wanted = _wanted(
        reason=reason, application=application, lane=lane, since=since, until=until, campaign=campaign, tag=tag, recipient=recipient,
        bulk=bulk, detail=detail,
    )  # fmt: skip
    with Wooshq() as wooshq:
        done = wooshq.dead_letters.discard(*(i.lower() for i in ids or ()), why=why, dry_run=dry_run, **wanted)
    if as_json:
        emit(done)
    else:
        verb, end = ("would be discarded", " Nothing was changed.") if dry_run else ("discarded", "")
        say(f"{done.selected} letters fit: {done.discarded} {verb}, {done.skipped} skipped.{end}")
    finish(SOME_REFUSED if done.skipped or (ids and done.selected < len(ids)) else ALL_DONE)


@app.command(epilog="Example: wooshq dead export letters.csv --since 1d")
def export(
    file: Annotated[Path, typer.Argument(help="A .csv, or else NDJSON with intent, payload and attempts; - for standard output.")],
    reason: Reason = None,
    application: Application = None,
    lane: Lane = None,
    since: Since = None,
    until: Until = None,
    bulk: Bulk = None,
    state: State = "any",
) -> None:
    """Write letters to a file. It holds personal data: keep it accordingly."""
    wanted = _wanted(reason=reason, application=application, lane=lane, since=since, until=until, bulk=bulk, state=state)
    with Wooshq() as wooshq:
        letters = wooshq.dead_letters.list(**wanted)
        try:
            out = sys.stdout if str(file) == "-" else file.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
        with out:
            if file.suffix == ".csv":
                rows = csv.writer(out)
                rows.writerow(list(letters[0]) if letters else ["id"])
                for letter in letters:
                    rows.writerow([_cell(v) for v in letter.values()])
            else:
                for letter in letters:
                    out.write(wooshq.dead_letters.show(letter.id).to_json() + "\n")
            if out is not sys.stdout:
                say(f"{len(letters)} letters written to {file}.")


def _cell(value: object) -> str:
    """A spreadsheet must not take a stranger's text for a formula (OWASP, CSV injection)."""
    text = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
