"""Tables for people. On a terminal they fit its width, with ids and times in full; in a pipe or a file nothing is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from wooshq_worker.cli.terminal.out import data, one_line

_BETWEEN: Final = "  "
#: A text that is cut keeps at least this width: before it gets narrower, another column is left out.
_LEAST: Final = 20


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column.

    rank: 0 is always shown; on a narrow terminal, columns are left out from the highest rank down.
    cut: a text that does not fit is cut and ends in an ellipsis; other columns are shown in full or left out.
    """

    name: str
    rank: int = 0
    cut: bool = False


def table(title: str, columns: Sequence[Column], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table to standard output: it is data. empty: the sentence to print if there are no rows."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    if not cells:
        data.print(empty, markup=False)
        return
    data.print(Text(title, style="italic"))
    head, *body = laid_out(columns, cells, data.width if data.is_terminal else None)
    data.print(Text(head, style="bold"))
    for line in body:
        data.print(line, markup=False)


def laid_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Header and rows as lines of at most `width` cells. None: as wide as the widest row."""
    natural = [max(cell_len(column.name), *(cell_len(row[i]) for row in rows)) for i, column in enumerate(columns)]
    widths = dict(enumerate(natural)) if width is None else _fitting(columns, natural, width)
    lines = []
    for row in [[column.name for column in columns], *rows]:
        lines.append(_BETWEEN.join(_cell(row[i], wide) for i, wide in widths.items()).rstrip())
    return lines


def _fitting(columns: Sequence[Column], natural: Sequence[int], width: int) -> dict[int, int]:
    """Column → width, for the columns to show: those of rank 0, then by rank while there is room."""
    least = [min(wide, _LEAST) if column.cut else wide for column, wide in zip(columns, natural, strict=True)]
    shown: list[int] = []
    for i in sorted(range(len(columns)), key=lambda i: (columns[i].rank, i)):
        room = sum(least[j] for j in shown) + len(_BETWEEN) * len(shown) + least[i]
        if columns[i].rank > 0 and room > width:
            break
        shown.append(i)
    shown.sort()
    left = width - sum(least[i] for i in shown) - len(_BETWEEN) * (len(shown) - 1)
    widths = {}
    for i in shown:
        # The room that is left goes to the columns that can be cut. If there is less than none, these columns get narrower.
        widths[i] = max(1, min(natural[i], least[i] + left)) if columns[i].cut else least[i]
        left -= widths[i] - least[i]
    return widths


def _cell(text: str, wide: int) -> str:
    if cell_len(text) <= wide:
        return set_cell_size(text, wide)
    return set_cell_size(text, wide - 1).rstrip() + "…" if wide > 1 else "…"
