"""How rows are read: the rules that hold for all rows of one stream."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from wooshq_schemas.recipients.encoding import codec_of


@dataclass(frozen=True, slots=True)
class RowRules:
    """
    How a row becomes a recipient.

    encoding: of a file, such as cp1252. Empty for UTF-8 and UTF-16, which are told apart. exact: take cells as they are. Otherwise the marks of spreadsheets are removed, and identifiers that are probably none are refused.
    fold_emails: addresses that differ only in capital letters are one recipient. Otherwise each spelling is sent to, and they are counted.
    only: the placeholders that are read; None for all. The other columns may have any name and any value: nobody looks at them. `fan_out`
    sets it: it reads what it sends.

    Raises ValueError for an encoding that cannot be read.
    """

    encoding: str = ""
    exact: bool = False
    fold_emails: bool = False
    only: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.encoding and codec_of(self.encoding) is None:
            examples = "cp1252 (Excel in Western Europe and America), cp1250 (Central Europe), cp1251 (Cyrillic)"
            raise ValueError(f"encoding: is not an encoding that can be read. Examples: {examples}")

    def reads(self, name: str) -> bool:
        """Whether the column of this name is read as a placeholder."""
        return self.only is None or name in self.only

    def as_text(self) -> str:
        """The rules without `only`, as JSON for `from_text`. Empty if none differs from its default."""
        given, usual = asdict(replace(self, only=None)), asdict(ALL_COLUMNS)
        differs = {name: value for name, value in given.items() if value != usual[name]}
        return json.dumps(differs, ensure_ascii=False, sort_keys=True) if differs else ""

    @classmethod
    def from_text(cls, text: str, only: frozenset[str] | None = None) -> Self:
        """The rules that `as_text` wrote, with `only`."""
        given: dict[str, Any] = json.loads(text) if text else {}
        return cls(**given, only=only)


ALL_COLUMNS = RowRules()
"""The rules where none are given."""
