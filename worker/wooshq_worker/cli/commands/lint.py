"""`wooshq lint`: show the requests that would be sent, and warn about content that will probably be cut or refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import typer

from wooshq import Wooshq
from wooshq.intents.entry import too_large
from wooshq.intents.lint import lint
from wooshq_schemas import IntentInvalid, Problem
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.lines import File, PrettyPrinted, read_lines
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, Json, data, emit, finish, say


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("lint", cls=Command, epilog=examples("wooshq lint intents.ndjson"))(lint_)


def lint_(file: File = None, as_json: Json = False) -> None:
    """Show the requests that would be sent, and warn about content that will probably be cut or refused. Sends nothing."""
    settings = Wooshq().settings
    now = datetime.now(UTC)
    lines = refused = 0

    def refuse(number: int, problems: Sequence[Problem]) -> None:
        nonlocal refused
        refused += 1
        if as_json:
            emit({"line": number, "errors": [p.as_dict() for p in problems]})
        else:
            for problem in problems:
                say(f"line {number}: {problem}")

    try:
        for line in read_lines(file, settings.max_intent_bytes):
            lines += 1
            if line.raw is None:
                refuse(line.number, too_large(line.size, settings).problems)
                continue
            try:
                linted = lint(line.raw, settings, now=now)
            except IntentInvalid as error:
                refuse(line.number, error.problems)
                continue
            if as_json:
                emit({"line": line.number, "request": linted.request, "warnings": [w.as_dict() for w in linted.warnings]})
            else:
                data.print_json(data=linted.request)
                for warning in linted.warnings:
                    say(f"line {line.number}: {warning.field}: {warning.problem}. {warning.hint}")
    except PrettyPrinted as error:
        lines += 1
        refuse(error.number, (error.problem,))
    if lines == 0:
        say(f"There is no intent in {'standard input' if file is None or str(file) == '-' else file}.")
    finish(SOME_REFUSED if refused else ALL_DONE)
