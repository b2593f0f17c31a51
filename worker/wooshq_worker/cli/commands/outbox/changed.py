"""How a command takes the intent that an operator changed: from a file, with its problems said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from wooshq.errors import IntentInvalid
from wooshq_worker.cli.terminal.out import SOME_REFUSED, say

ChangedIntent: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="File with the intent, or with what `show --json` prints, changed. JSON; - for standard input.",
        allow_dash=True,
        show_default=False,
    ),
]


def content_of(file: Path) -> str:
    """Of a file, or of standard input."""
    if str(file) == "-":
        return typer.get_text_stream("stdin").read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise typer.BadParameter(f"{file} cannot be read: {why}", param_hint="FILE") from None


@contextlib.contextmanager
def problems_said() -> Iterator[None]:
    """An intent that is not valid: one line for each problem, and the exit status."""
    try:
        yield
    except IntentInvalid as error:
        for problem in error.problems:
            say(str(problem))
        raise typer.Exit(SOME_REFUSED) from None
