"""How rows are read: the rules that hold for all rows of one stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from wooshq_schemas.recipients.encoding import codec_of
from wooshq_schemas.recipients.recipient import LIST_OF
from wooshq_schemas.validation.storable import wrong_text


@dataclass(frozen=True, slots=True)
class RowRules:
    """
    How a row becomes a recipient.

    columns: what wooshq calls a column → its name in the file, such as `{"user": "User ID"}`. If it chooses the column that identifies a
    recipient, the others of `LIST_OF` are columns as any other. defaults: column → value for rows without one: the cell is missing, empty
    or a word for no value. encoding: of a file, such as cp1252. Empty for UTF-8 and UTF-16, which are told apart. exact: take cells as they
    are, words for no value too. Otherwise the marks of spreadsheets are removed, and identifiers that are probably none are refused.
    fold_emails: addresses that differ only in capital letters are one recipient. Otherwise each spelling is sent to, and they are counted.
    only: the placeholders that are read; None for all. The other columns may have any name and any value: nobody looks at them. `fan_out`
    sets it: it reads what it sends.

    Raises ValueError for an encoding that cannot be read, and for columns or defaults that contradict each other.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    exact: bool = False
    fold_emails: bool = False
    only: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.encoding and codec_of(self.encoding) is None:
            examples = "cp1252 (Excel in Western Europe and America), cp1250 (Central Europe), cp1251 (Cyrillic)"
            raise ValueError(f"encoding: is not an encoding that can be read. Examples: {examples}")
        for what, pairs in (("columns", self.columns), ("defaults", self.defaults)):
            if not isinstance(pairs, Mapping) or not all(isinstance(text, str) for pair in pairs.items() for text in pair):
                raise ValueError(f'{what}: must be a mapping of strings, such as {{"user": "User ID"}}')
            if any(not name or wrong_text(name + text) is not None for name, text in pairs.items()):
                raise ValueError(f"{what}: a name must not be empty, and a text must be valid Unicode without NUL")
        if len(self.columns.keys() & LIST_OF.keys()) > 1:
            raise ValueError(f"columns: must choose only one of {', '.join(LIST_OF)}")
        if len(set(self.columns.values())) < len(self.columns):
            raise ValueError("columns: must give each column of the file only one name")
        if wrong := sorted(self.defaults.keys() & LIST_OF.keys()):
            raise ValueError(f"defaults: must not have {wrong[0]}, because all rows without one would be the same recipient")

    @property
    def kind(self) -> str | None:
        """The key of `LIST_OF` that the rules choose; None if they choose none."""
        return next((name for name in self.columns if name in LIST_OF), None)

    @property
    def known(self) -> frozenset[str]:
        """Names of columns by which a header is recognised."""
        return frozenset((*LIST_OF, *self.columns.values()))

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
