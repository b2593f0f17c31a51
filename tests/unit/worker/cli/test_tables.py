"""Tables fit the terminal: columns are left out or cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from wooshq_worker.cli.terminal.tables import Column, laid_out

ID = "018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f"
AT = "2026-11-24 22:01:44"
COLUMNS = (Column("id"), Column("lane", 2), Column("filed (UTC)", 1), Column("detail", cut=True))
ROW = [ID, "transactional", AT, "a sentence that goes on for longer than anybody wants to read it"]


class WhenTheWidthIsUnlimited:
    def test_nothing_is_left_out(self) -> None:
        head, line = laid_out(COLUMNS, [ROW], None)
        assert line == "  ".join(ROW)
        assert head.split() == ["id", "lane", "filed", "(UTC)", "detail"]


class WhenTheTerminalIsNarrow:
    def test_the_least_important_column_is_left_out_first(self) -> None:
        assert laid_out(COLUMNS, [ROW], 90)[1].startswith(f"{ID}  {AT}  a sentence that")
        assert laid_out(COLUMNS, [ROW], 78)[1].startswith(f"{ID}  a sentence that")

    def test_no_column_is_shown_in_place_of_a_more_important_one(self) -> None:
        columns = (Column("a", 1), Column("b", 2), Column("c"))
        assert laid_out(columns, [["x" * 30, "yyy", "zzz"]], 10)[1] == "zzz"

    def test_a_cut_text_ends_in_an_ellipsis_and_a_short_text_is_uncut(self) -> None:
        assert laid_out(COLUMNS, [ROW], 100)[1].endswith("…")
        assert laid_out(COLUMNS, [[ID, "bulk", AT, "short"]], 80)[1].endswith("short")

    def test_a_wide_character_counts_as_two(self) -> None:
        assert laid_out((Column("detail", cut=True),), [["漢字" * 20]], 21)[1] == "漢字" * 5 + "…"

    @given(st.lists(st.text(st.characters(categories=["L", "N", "P"]), max_size=80), min_size=1, max_size=5), st.integers(60, 200))
    def test_no_line_is_too_wide_and_ids_and_times_are_never_cut(self, details: list[str], width: int) -> None:
        head, *lines = laid_out(COLUMNS, [[ID, "bulk", AT, detail] for detail in details], width)
        assert all(cell_len(line) <= width for line in lines)
        assert all(line.startswith(ID) for line in lines)
        assert all((AT in line) == ("filed" in head) for line in lines)
