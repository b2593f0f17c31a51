"""Should a job begin? Its recipients are looked at before anyone is sent to, because a slip in them goes out to everybody."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from wooshq.errors import IntentInvalid, JobRefused, Problem
from wooshq.jobs.stream.repeats import Repeats
from wooshq.recipients.rows import BadRow
from wooshq_schemas import RecipientLike, Template, recipient_of
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.recipient import LIST_OF, LOCALE
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules
from wooshq_schemas.validation.names import nearest, shown

_NUMBER: Final = re.compile(r"(\d{1,15}(?:\.\d{1,4})?)\s*(%?)")
_LEAST_ALLOWED: Final = 10
"""Rows that a percentage allows in any case: a short list may have a few bad rows."""
_MOST_SHOWN: Final = 5
_MOST_CAUSES: Final = 1_000
_MOST_NAMES: Final = 20
"""Columns that one problem names."""

HEAD: Final = 2_000
"""Items of a stream that are looked at before its job starts."""

Given: TypeAlias = RecipientLike | BadRow
"""An item of a stream of recipients. A source that reads rows says itself which rows are not recipients."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that is not a recipient. place: its index in the stream, from 0; for a row of a file its line, from 1."""

    place: int
    problems: tuple[Problem, ...]
    text: str = ""  #: the row, if it came from a file


@dataclass(frozen=True, slots=True)
class Checks:
    """
    What the start of a job allows.

    allow_missing: start although a text names a column that no recipient has. also: columns to send although no text names them; None if
    nothing was said. max_rejects: items that may be no recipients: a number, or a percentage (then at least 10 may be).

    Raises ValueError for a max_rejects that cannot be read.
    """

    allow_missing: bool = False
    also: Collection[str] | None = None
    max_rejects: str | int = "1%"

    def __post_init__(self) -> None:
        if self._most_rejects is None:
            raise ValueError("max_rejects: must be a number of rows such as 100, or a percentage such as 1%")

    def allowed(self, rows: int) -> int:
        """How many of so many rows may be no recipients."""
        found = self._most_rejects
        assert found is not None
        return int(found[1]) if not found[2] else max(_LEAST_ALLOWED, int(rows * float(found[1]) / 100))

    @property
    def _most_rejects(self) -> re.Match[str] | None:
        text = "" if isinstance(self.max_rejects, bool) else str(self.max_rejects).strip()
        found = _NUMBER.fullmatch(text)
        return None if found is None or (found[2] and float(found[1]) > 100) or ("." in found[1] and not found[2]) else found

    def columns(self, template: Template) -> frozenset[str]:
        """The columns that are sent: those that the texts name, those that the template has values for, and `also`. No other is."""
        return (template.names_in_texts or frozenset()) | template.own_placeholders | frozenset(self.also or ())


class Look:
    """
    What was seen of the recipients of a job that is to start.

    rules, notes: how rows must be read for it: of columns that are not sent it sees the names. columns: the names of all columns.
    is_whole: whether it saw all recipients; set by the caller at the end.
    """

    def __init__(self, template: Template, checks: Checks, rows: RowRules = ALL_COLUMNS) -> None:
        self._template = template
        self._checks = checks
        self._sent = checks.columns(template)
        self.columns: set[str] = set()
        self._emails = 0
        self._causes: Counter[Problem] = Counter()
        self._wanted = (template.names_in_texts or frozenset()) - template.own_placeholders
        self._without: Counter[str] = Counter()
        self.rules = replace(rows, only=self._sent)
        self.notes = Notes(columns=self.columns)
        self.is_whole = True
        self.recipients = 0
        self.rejected = 0
        self.first_rejected: list[Refused] = []
        self._repeats = Repeats()

    def take(self, one: Given, place: int = 0) -> None:
        """One more item of the stream. place: its index, if it is not a row of a file."""
        if isinstance(one, BadRow):
            self._reject(Refused(one.line, one.problems, one.text))
            return
        try:
            recipient = recipient_of(one, self.rules, self.notes)
        except IntentInvalid as error:
            self._reject(Refused(place, error.problems))
            return
        if self.recipients + self.rejected < HEAD:
            self._repeats.add(recipient)
        self.recipients += 1
        self.columns.update([name for name, _ in recipient.placeholders])
        if missing := self._wanted.difference([name for name, value in recipient.placeholders if value]):
            self._without.update(missing)
        if recipient.to == "hwids" and "@" in recipient.identifier:
            self._emails += 1

    def _reject(self, one: Refused) -> None:
        if self.recipients + self.rejected < HEAD:
            self._repeats.add_refused(one.problems)
        self.rejected += 1
        if len(self.first_rejected) < _MOST_SHOWN:
            self.first_rejected.append(one)
        cause = one.problems[0]
        if cause in self._causes or len(self._causes) < _MOST_CAUSES:
            self._causes[cause] += 1

    @property
    def columns_sent(self) -> tuple[str, ...]:
        """Columns that the recipients have and that are sent, sorted."""
        return tuple(sorted(self._names & self._sent))

    @property
    def columns_not_sent(self) -> tuple[str, ...]:
        """Columns that the recipients have and that are not sent, sorted."""
        return tuple(sorted(self._names - self._sent))

    @property
    def _names(self) -> set[str]:
        identify = LIST_OF.keys() if self.rules.kind is None else {self.rules.kind}
        return self.columns - identify - {LOCALE}

    def sentences(self) -> Iterator[str]:
        """What a person should know before the job starts, although it does not stop the job. No sentence shows a value."""
        yield from self._repeats.sentences()
        for name in map(shown, self._template.names_in_doubled_braces):
            yield (
                f"The message has {{{{{name}}}}} in doubled braces, so people may read the value in braces. Write {{{name}}}, unless "
                "you mean a tag in Pushwoosh's Liquid."
            )
        for name in sorted(self.rules.defaults.keys() - self._sent - {LOCALE}):
            yield f"The default for {shown(name)} is not used, because the message does not use {{{shown(name)}}}."
        for name, n in sorted(self._without.items()):
            if n < self.recipients:
                yield (
                    f"{n:,} of the {self.recipients:,} recipients that were checked have no {shown(name)}, and the message uses "
                    f"{{{shown(name)}}}. A default for them: --default {shown(name)}=VALUE, or RowRules(defaults=…)."
                )

    def problems(self) -> list[Problem]:
        """Why the job must not start; none if it may."""
        found = [*self._too_many_rejected()]
        if self.recipients:
            found += [*self._missing(), *self._not_in_file(), *self._not_named(), *self._not_reached()]
        return found

    def refuse(self) -> None:
        """Raises JobRefused if the job must not start."""
        if problems := self.problems():
            raise JobRefused(problems)

    def _too_many_rejected(self) -> Iterator[Problem]:
        rows = self.recipients + self.rejected
        allowed = self._checks.allowed(rows)
        if self.rejected <= allowed and (self.recipients or not rows):
            return
        checked = "" if self.is_whole else " that were checked"
        if self.recipients:
            are = "is" if self.rejected == 1 else "are"
            found = f"{self.rejected:,} of {rows:,} rows{checked} {are} not valid. The limit is {allowed:,}"
            anyway = "To start anyway: max_rejects=…, or --max-rejects N or N%"
        else:  # no limit would help: there is nobody to send to
            found = "the only row is not valid" if rows == 1 else f"none of the {rows:,} rows{checked} is valid"
            anyway = ""
        (cause, n), *_ = self._causes.most_common(1)
        where = f"{cause.field}: " if cause.field else ""
        what = f"The most frequent problem ({n:,} {'row' if n == 1 else 'rows'})" if rows > 1 else "The problem"
        yield Problem("", f"{found}. {what}: {where}{cause.problem}", f"{_ended(cause.hint)}{anyway}".strip())

    def _missing(self) -> Iterator[Problem]:
        """A text names a column that nobody has: everybody would read the placeholder itself."""
        if self._checks.allow_missing:
            return
        for name in sorted(self._wanted - self._names):
            near = nearest(name, self._names)
            hint = f"Did you mean {{{shown(near)}}}? " if near is not None else ""
            yield Problem(
                shown(name),
                f"the message uses {{{shown(name)}}}, but no recipient has this column. {self._columns_are()}",
                f"{hint}If the text has a default, or Pushwoosh has such a tag: allow_missing=True, or --allow-missing",
            )

    def _columns_are(self) -> str:
        return f"The columns are: {_listed(self._names)}" if self._names else "There are no columns with values"

    def _not_in_file(self) -> Iterator[Problem]:
        if self._checks.allow_missing:
            return
        for name in sorted(set(self._checks.also or ()) - self._names - {""}):
            yield Problem(shown(name), f"is to be sent (also), but no recipient has this column. {self._columns_are()}", "Correct the name")

    def _not_named(self) -> Iterator[Problem]:
        """The texts are at Pushwoosh, so nobody here can see which columns they use."""
        nothing_said = self._template.names_in_texts is None and self._checks.also is None and not self._template.own_placeholders
        if nothing_said and self._names:
            yield Problem(
                "",
                "Pushwoosh stores the content of this message, so wooshq cannot see which columns it uses. "
                f"The columns are: {_listed(self._names)}",
                "Name those to send: also=[…], or --also NAME for each. An empty list, or --also '', sends none",
            )

    def _not_reached(self) -> Iterator[Problem]:
        if self._emails and self._template.is_for_email is False:
            yield Problem(
                "email",
                "an email address cannot receive this message, because it is not an email",
                "Write message.email, or name the recipients with a column user, hwid or push_token",
            )


def _ended(hint: str) -> str:
    """A hint, ready for another sentence after it."""
    return hint if not hint else f"{hint} " if hint.endswith(("?", ".")) else f"{hint}. "


def _listed(names: Collection[str]) -> str:
    first = [shown(name) for name in sorted(names)[:_MOST_NAMES]]
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(first) + more
