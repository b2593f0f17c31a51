"""What several commands for dead letters share: their options, patches, differences, and ids without a letter."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from wooshq import Wooshq
from wooshq.letters.filter import Conditions
from wooshq_worker.cli.terminal.out import plain, say, several

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the outcome, but change nothing.")]
Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID|QUERY", help="Ids of letters, or of their intents; or a query, such as reason:rejected since:2h."),
]

_EXAMPLE_PATCH: Final = 'Example: {"message": {"preset": "SALE-2"}}'
_PAINTED: Final = {"+": "green", "-": "red", "@": "cyan"}


def patch_of(given: str) -> dict[str, Any]:
    """A JSON merge patch as an option gives it: JSON, @FILE or - for standard input. Raises typer.BadParameter."""
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


def show_difference(console: Console, before: Any, after: Any) -> bool:
    """Print what differs between two intents, or payloads. False if nothing does."""
    lines = list(_difference(before, after))
    for line in lines:
        console.print(Text(line, style=_PAINTED.get(line[:1], "")))
    return bool(lines)


def _difference(before: Any, after: Any) -> Iterator[str]:
    """A unified diff, without the fields that a replay does not use."""

    def lines(intent: Any) -> list[str]:
        if isinstance(intent, Mapping):
            intent = {k: v for k, v in intent.items() if k not in ("id", "idempotency_key")}
        return json.dumps(intent, indent=2, ensure_ascii=False, default=plain).splitlines()

    yield from difflib.unified_diff(lines(before), lines(after), "before", "after", lineterm="")


def matching(n: int) -> str:
    """`1 letter matches`, `2,000 letters match`."""
    return f"{several(n, 'letter')} {'matches' if n == 1 else 'match'}"


def say_missing(wooshq: Wooshq, ids: Sequence[str], selected: int, wanted: Conditions) -> int:
    """Name the ids without a letter, or whose letter does not match the filter. Returns how many they are."""
    missing = 0
    if selected < len(set(ids)):
        for one in dict.fromkeys(ids):
            if not wooshq.dead_letters.list(ids=(one,), **wanted):
                missing += 1
                known = wanted and wooshq.dead_letters.list(ids=(one,))
                say(f"{one}: {'this letter does not match the filter' if known else 'no dead letter has this id'}")
    return missing
