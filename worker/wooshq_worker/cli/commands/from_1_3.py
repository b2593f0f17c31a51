"""`wooshq from-1.3`: print the intents for a `createMessage` body of API 1.3."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from wooshq import IntentInvalid, Problem, Wooshq
from wooshq.intents.from_1_3 import intents_from_1_3
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, Json, emit, finish, say

Body = Annotated[Path | None, typer.Argument(metavar="FILE", help="JSON file with one body. Default, or -: standard input.")]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    shown = examples("wooshq from-1.3 body.json > intents.ndjson", "wooshq lint intents.ndjson")
    app.command("from-1.3", cls=Command, epilog=shown)(from_1_3)


def from_1_3(file: Body = None, as_json: Json = False) -> None:
    """
    Turn a createMessage body of API 1.3 into intents, and print one per line. Sends nothing.

    Fields that v2 does not have are listed on standard error. An entry that would reach more people than before is refused.
    """
    refused = 0
    try:
        for one in intents_from_1_3(_read(file), Wooshq().settings):
            refused += bool(one.refused)
            for intent in one.intents:
                emit({"notification": one.number, "intent": intent} if as_json else intent)
            if as_json and (one.notes or one.refused):
                emit({"notification": one.number, "notes": _listed(one.notes), "errors": _listed(one.refused)})
            elif not as_json:
                for problem in one.notes:
                    say(str(problem))
                for problem in one.refused:
                    say(f"No intent: {problem}")
    except IntentInvalid as error:
        refused += 1
        if as_json:
            emit({"notification": None, "notes": [], "errors": _listed(error.problems)})
        else:
            for problem in error.problems:
                say(str(problem))
    finish(SOME_REFUSED if refused else ALL_DONE)


def _read(file: Path | None) -> bytes:
    if file is None or str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None


def _listed(problems: Sequence[Problem]) -> list[dict[str, str]]:
    return [problem.as_dict() for problem in problems]
