"""Should a job begin? Its recipients are looked at before anyone is sent to, because a slip in them goes out to everybody."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from wooshq.errors import JobRefused, Problem
from wooshq_schemas import Recipient, Template
from wooshq_schemas.validation.names import nearest, shown

_MOST_NAMES: Final = 20
"""Columns that one problem names."""


@dataclass(frozen=True, slots=True)
class Checks:
    """
    What the start of a job allows.

    allow_missing: start although a text names a column that no recipient has. also: columns to send although no text names them; None if
    nothing was said.
    """

    allow_missing: bool = False
    also: Collection[str] | None = None

    def columns(self, template: Template) -> frozenset[str]:
        """The columns that are sent: those that the texts name, those that the template has values for, and `also`. No other is."""
        return (template.names_in_texts or frozenset()) | template.own_placeholders | frozenset(self.also or ())


class Look:
    """What was seen of the recipients of a job that is to start."""

    def __init__(self, template: Template, checks: Checks) -> None:
        self._template = template
        self._checks = checks
        self._sent = checks.columns(template)
        self._names: set[str] = set()
        self._emails = 0
        self.recipients = 0

    def add(self, recipient: Recipient) -> None:
        """One more recipient."""
        self.recipients += 1
        self._names.update([name for name, _ in recipient.placeholders])
        if recipient.to == "hwids" and "@" in recipient.identifier:
            self._emails += 1

    @property
    def columns_not_sent(self) -> tuple[str, ...]:
        """Columns that the recipients have and that are not sent, sorted."""
        return tuple(sorted(self._names - self._sent))

    def problems(self) -> list[Problem]:
        """Why the job must not start; none if it may."""
        return [] if not self.recipients else [*self._missing(), *self._not_in_file(), *self._not_named(), *self._not_reached()]

    def refuse(self) -> None:
        """Raises JobRefused if the job must not start."""
        if problems := self.problems():
            raise JobRefused(problems)

    def _missing(self) -> Iterator[Problem]:
        """A text names a column that nobody has: everybody would read the placeholder itself."""
        if self._checks.allow_missing:
            return
        for name in sorted((self._template.names_in_texts or frozenset()) - self._names - self._template.own_placeholders):
            near = nearest(name, self._names)
            hint = f"Did you mean {{{shown(near)}}}? " if near is not None else ""
            yield Problem(
                shown(name),
                f"the message uses {{{shown(name)}}}, but no recipient has this column. {self._columns_are()}",
                f"{hint}To start anyway: allow_missing=True, or --allow-missing",
            )

    def _columns_are(self) -> str:
        return f"The columns are: {_listed(self._names)}" if self._names else "There are no columns with values"

    def _not_in_file(self) -> Iterator[Problem]:
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


def _listed(names: Collection[str]) -> str:
    first = [shown(name) for name in sorted(names)[:_MOST_NAMES]]
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(first) + more
