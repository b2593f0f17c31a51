"""Tables for people: as wide as the terminal, ids and times always whole; where nobody looks (a pipe, a file), nothing is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from wooshq_worker.cli.terminal.out import data, one_line

_BETWEEN: Final = "  "
#: Narrower than this, a cut text says nothing, and another column is left out instead.
_LEAST: Final = 20


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column. rank: 0 is always shown; of the others the highest is the first to be left out where the terminal is too narrow.
    cut: ends in an ellipsis where it does not fit; the columns that are not cut are shown whole or not at all.
    """

    name: str
    rank: int = 0
    cut: bool = False


def table(title: str, columns: Sequence[Column], rows: Iterable[Sequence[object]], *, what: str) -> None:
    """A table for a person who asked for data: to standard output. what: of which there may be none."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    if not cells:
        data.print(f"{what}: none", markup=False)
        return
    data.print(Text(title, style="italic"))
    head, *body = laid_out(columns, cells, data.width if data.is_terminal else None)
    data.print(Text(head, style="bold"))
    for line in body:
        data.print(line, markup=False)


def laid_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Header and rows as lines of at most `width` cells; None: as wide as they are."""
    natural = [max(cell_len(column.name), *(cell_len(row[i]) for row in rows)) for i, column in enumerate(columns)]
    widths = dict(enumerate(natural)) if width is None else _fitting(columns, natural, width)
    lines = []
    for row in [[column.name for column in columns], *rows]:
        lines.append(_BETWEEN.join(_cell(row[i], wide) for i, wide in widths.items()).rstrip())
    return lines


def _fitting(columns: Sequence[Column], natural: Sequence[int], width: int) -> dict[int, int]:
    """Which columns are shown, and how wide: those of rank 0, then by rank until one has no room beside them."""
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
        # What is left goes to the columns that were cut; where even the least is too much, they give way.
        widths[i] = max(1, min(natural[i], least[i] + left)) if columns[i].cut else least[i]
        left -= widths[i] - least[i]
    return widths


def _cell(text: str, wide: int) -> str:
    if cell_len(text) <= wide:
        return set_cell_size(text, wide)
    return set_cell_size(text, wide - 1).rstrip() + "…" if wide > 1 else "…"
