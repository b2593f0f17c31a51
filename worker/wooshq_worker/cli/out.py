"""How commands print: data to standard output, everything for people to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

ALL_DONE: Final = 0
SOME_REFUSED: Final = 1
USED_WRONGLY: Final = 2
NOTHING_DONE: Final = 3

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]

people = Console(stderr=True, highlight=False)
data = Console(highlight=False, soft_wrap=True)


def say(text: str, *, markup: bool = False) -> None:
    """A line for a person. markup: it is ours; strangers' text must not be read as such."""
    people.print(text, markup=markup)


def emit(record: Mapping[str, Any]) -> None:
    """A line for a machine."""
    sys.stdout.write(json.dumps(dict(record), ensure_ascii=False, default=_plain) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, (tuple, set, frozenset)) else str(value)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for a person who asked for data: to standard output."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    data.print(made)


def pairs(record: Mapping[str, Any], *, skip: Sequence[str] = ()) -> None:
    """One record for a person: a line a field that has a value."""
    for name, value in record.items():
        if name in skip or value in (None, "", [], {}):
            continue
        text = json.dumps(value, ensure_ascii=False, default=_plain) if isinstance(value, (list, dict)) else str(value)
        data.print(f"[bold]{name:<20}[/bold] {escape(text)}")


def finish(code: int) -> None:
    """End the command with a status, if it is not 0."""
    if code:
        raise typer.Exit(code)
