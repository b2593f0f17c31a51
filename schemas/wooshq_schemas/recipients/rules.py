"""How rows are read: the rules that hold for all rows of one stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowRules:
    """
    How a row becomes a recipient.

    only: the placeholders that are read; None for all. The other columns may have any name and any value: nobody looks at them. exact: take
    cells as they are. Otherwise the marks of spreadsheets are removed, and identifiers that are probably none are refused.
    """

    only: frozenset[str] | None = None
    exact: bool = False

    def reads(self, name: str) -> bool:
        """Whether the column of this name is read as a placeholder."""
        return self.only is None or name in self.only


ALL_COLUMNS = RowRules()
"""The rules where none are given."""
