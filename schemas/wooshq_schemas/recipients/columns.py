"""The header of a file that has a recipient in each row."""

from __future__ import annotations

from collections.abc import Sequence

from wooshq_schemas.recipients.checks import LONGEST_NAME, NAME_TOO_LONG, are_plain, checked
from wooshq_schemas.recipients.identifiers import INVISIBLE, LONGEST_IDENTIFIER
from wooshq_schemas.recipients.naming import identifying, not_there, one_is_needed, renamed
from wooshq_schemas.recipients.no_value import NO_VALUE
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.recipient import LIST_OF, LOCALE, Recipient
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules
from wooshq_schemas.validation.names import shown
from wooshq_schemas.validation.problem import IntentInvalid, Problem
from wooshq_schemas.validation.storable import wrong_text


class Columns:
    """The header of a file that has a recipient in each row. `recipient` runs for millions of rows, so the header is analysed once."""

    def __init__(self, names: Sequence[str], rules: RowRules = ALL_COLUMNS, notes: Notes | None = None) -> None:
        """
        Names are taken without spaces around them, and without invisible characters; if any had such spaces, cells are taken without
        theirs, too. Columns without a name are ignored, as are those that `rules` does not read.

        notes: counts what was noted about the rows. Raises IntentInvalid with all problems of the header.
        """
        self._padded = any(name != name.strip() for name in names)
        in_file = [INVISIBLE.sub("", name).strip() for name in names]
        names = renamed(in_file, rules)
        named = identifying(names, rules)
        read = [name for name in names if name and (name in named or name == LOCALE or rules.reads(name))]
        problems = [Problem("", *wrong) for name in read if (wrong := wrong_text(name))]
        problems += [
            Problem(shown(name), "is the name of two columns", "Rename or remove one")
            for name in sorted({name for name in read if read.count(name) > 1})
        ]
        if notes is not None and notes.columns is not None:
            notes.columns.update(name for name in names if name)
        not_found = [name for name in rules.columns.values() if name not in in_file]
        problems += [not_there(name, in_file) for name in not_found]
        if len(named) != 1 and not not_found:
            # Without a known column, the line may be a recipient instead of a header.
            problems.append(one_is_needed(in_file, named, may_be_data=True))
        problems += [Problem(shown(name), *NAME_TOO_LONG) for name in read if len(name) > LONGEST_NAME]
        if problems:
            raise IntentInvalid(problems)
        self.names = tuple(names)
        self._rules = rules
        self._notes = notes
        self._kind = named[0]
        self._to = LIST_OF[self._kind]
        self._at = self.names.index(self._kind)
        self._locale_at = self.names.index(LOCALE) if LOCALE in names else None
        others = [(name, at) for at, name in enumerate(names) if name in read and name not in (self._kind, LOCALE)]
        self._placeholders = tuple(sorted(others))
        self._bare = not others and not rules.defaults and self._locale_at is None and self._kind != "email"

    def recipient(self, cells: Sequence[str]) -> Recipient:
        """The recipient in a row. Raises IntentInvalid with all problems of the row."""
        if len(cells) != len(self.names):
            cells = self._of_the_right_length(cells)
        identifier = cells[self._at]
        # A shortcut: most rows are only an identifier that is obviously valid. (`tuple.__new__` skips the defaults of a NamedTuple.)
        if self._bare and identifier.isalnum() and len(identifier) <= LONGEST_IDENTIFIER and identifier not in NO_VALUE:
            return tuple.__new__(Recipient, (identifier, self._to, None, ()))
        if self._padded:
            cells = [cell.strip() for cell in cells]
            identifier = cells[self._at]
        locale = cells[self._locale_at] or None if self._locale_at is not None else None
        placeholders = tuple([(name, cells[at]) for name, at in self._placeholders])
        plain = are_plain("".join(cells))
        return checked(self._kind, identifier, locale, placeholders, self._rules, self._notes, plain=plain)

    def _of_the_right_length(self, cells: Sequence[str]) -> Sequence[str]:
        """Empty cells at the end are left out: spreadsheets write them, if a row once had more cells. Raises IntentInvalid."""
        wanted = len(self.names)
        if len(cells) > wanted and not any(cells[wanted:]):
            return cells[:wanted]
        has = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
        raise IntentInvalid([Problem("", f"has {has}, but the header has {wanted} columns", "Fix the row")])
