"""`send`, `status`, `cancel`, `lint`: intents in, and where they are."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wooshq import Wooshq
from wooshq.errors import NotAccepted
from wooshq.report import Report
from wooshq_schemas import IntentInvalid, Problem, lint, parse_intent_json, render
from wooshq_worker.cli.out import ALL_DONE, NOTHING_DONE, SOME_REFUSED, Json, data, emit, finish, pairs, people, say

_POLL_S = 0.1


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(epilog='Example: echo \'{"to": {"users": ["u1"]}, "message": {"push": {"title": "Hi"}}}\' | wooshq send --wait')(send)
    app.command(epilog="Example: wooshq status 018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f")(status)
    app.command(epilog="Example: wooshq cancel 018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f")(cancel)
    app.command("lint", epilog="Example: wooshq lint intents.ndjson")(lint_)


File = Annotated[Path | None, typer.Argument(help="NDJSON, one intent a line; standard input where absent or -.")]


def send(
    file: File = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow every intent to its end, and print its status.")] = False,
    timeout: Annotated[float, typer.Option(help="Longest wait with --wait, seconds.")] = 3600.0,
    as_json: Json = False,
) -> None:
    """Accept intents; print an id, or what is wrong, for each line."""
    with Wooshq() as wooshq:
        lines: list[int] = []
        limit = wooshq.settings.max_intent_bytes
        waiting: dict[str, int] = {}
        refused = 0

        def printed(report: Report, taken: list[int]) -> None:
            nonlocal refused
            for index, line in enumerate(taken):
                intent_id = report.ids[index]
                if intent_id is None:
                    refused += 1
                    problems = report.errors.get(index, ())
                    emit({"line": line, "errors": [p.as_dict() for p in problems]}) if as_json else None
                    for p in () if as_json else problems:
                        say(f"line {line}: {p}")
                else:
                    waiting[intent_id] = line
                    if as_json:
                        if not wait:
                            emit({"line": line, "id": intent_id})
                    else:
                        data.print(intent_id)

        batch: list[Any] = []
        try:
            for line, raw in _lines(file, limit):
                lines.append(line)
                batch.append(raw)
                if len(batch) >= wooshq.settings.accept_batch:
                    printed(wooshq.enqueue_many(batch), lines)
                    batch, lines = [], []
                    if not wait:
                        waiting.clear()
            if batch:
                printed(wooshq.enqueue_many(batch), lines)
        except NotAccepted as error:
            say(str(error))
            if lines:
                say(f"From line {lines[0]} on nothing was accepted.")
            finish(NOTHING_DONE if not waiting else SOME_REFUSED)
        failed = _follow(wooshq, waiting, timeout, as_json) if wait else 0
        finish(SOME_REFUSED if refused or failed else ALL_DONE)


def _lines(file: Path | None, limit: int) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; blank ones are passed over, one that is too long is cut just above the limit, and then refused."""
    stream: BinaryIO = sys.stdin.buffer if file is None or str(file) == "-" else _open(file)
    number = 0
    while True:
        line = stream.readline(limit + 2)
        if not line:
            return
        number += 1
        if len(line) > limit + 1 and not line.endswith(b"\n"):
            while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
                pass
            line = b"x" * (limit + 1)
        if line.strip():
            yield number, line.rstrip(b"\r\n")


def _open(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None


def _follow(wooshq: Wooshq, waiting: dict[str, int], timeout: float, as_json: bool) -> int:
    """Print each status as its intent ends; how many did not end as sent."""
    ends = time.monotonic() + timeout
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=people, disable=not people.is_terminal, transient=True) as progress:
        bar = progress.add_task("sending", total=len(waiting))
        while waiting and time.monotonic() < ends:
            for intent_id in list(waiting)[:500]:
                now = wooshq.status(intent_id)
                if now is None or now.is_final:
                    del waiting[intent_id]
                    progress.advance(bar)
                    failed += now is None or now.state != "sent"
                    if now is not None:
                        emit(now) if as_json else say(f"{intent_id} {now.state}{' ' + (now.detail or '') if now.state == 'dead' else ''}")
            if waiting:
                time.sleep(_POLL_S)
    if waiting:
        say(f"{len(waiting)} have not ended in {timeout:g} s; they go on. See wooshq status ID.")
        if as_json:
            for intent_id in waiting:
                if (now := wooshq.status(intent_id)) is not None:
                    emit(now)
    return failed + len(waiting)


def status(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids; none: how many intents are where.")] = None, as_json: Json = False
) -> None:
    """Where intents are, with every attempt."""
    with Wooshq() as wooshq:
        if not ids:
            counts = wooshq.counts()
            emit(counts) if as_json else pairs(counts)
            return
        unknown = 0
        for intent_id in ids:
            found = wooshq.status(intent_id)
            if found is None:
                unknown += 1
                say(f"{intent_id}: no such intent; it may be mistyped, or ended longer ago than WOOSHQ_RETENTION_S")
            elif as_json:
                emit(found)
            else:
                pairs(found, skip=("attempts",))
                for n, attempt in enumerate(found.attempts, 1):
                    said = " ".join(str(attempt[k]) for k in ("http_status", "code", "error") if attempt[k] is not None)
                    data.print(f"[bold]attempt {n:<12}[/bold] {attempt['at']} {attempt['outcome']} {escape(said)}")
        finish(0 if not unknown else SOME_REFUSED)


def cancel(ids: Annotated[list[str], typer.Argument(help="Ids.")], as_json: Json = False) -> None:
    """Take intents back that have not left yet."""
    with Wooshq() as wooshq:
        left = 0
        for intent_id in ids:
            state = wooshq.cancel(intent_id.lower())
            left += state != "cancelled"
            emit({"id": intent_id, "state": state}) if as_json else data.print(f"{intent_id} {state or 'unknown'}")
        finish(SOME_REFUSED if left else ALL_DONE)


def lint_(file: File = None, as_json: Json = False) -> None:
    """What would be sent, and what will probably be cut or refused; sends nothing."""
    settings = Wooshq().settings
    now = datetime.now(UTC)
    refused = 0
    for line, raw in _lines(file, settings.max_intent_bytes):
        try:
            intent = parse_intent_json(
                raw, now=now, application=settings.application, list_limit=settings.list_limit, platforms=settings.platform_table
            )
        except IntentInvalid as error:
            refused += 1
            _linted(line, error.problems, as_json)
            continue
        warnings = lint(intent, now=now, platforms=settings.platform_table)
        body = render(intent, now=now, platforms=settings.platform_table)
        if as_json:
            emit({"line": line, "request": body, "warnings": [w.as_dict() for w in warnings]})
        else:
            data.print_json(data=body)
            for warning in warnings:
                say(f"line {line}: {warning.field}: {warning.problem}. {warning.hint}")
    finish(SOME_REFUSED if refused else ALL_DONE)


def _linted(line: int, problems: tuple[Problem, ...], as_json: bool) -> None:
    if as_json:
        emit({"line": line, "errors": [p.as_dict() for p in problems]})
    else:
        for p in problems:
            say(f"line {line}: {p}")
