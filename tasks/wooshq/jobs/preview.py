"""What a job would do, without doing it: its calls, its recipients by locale, and some messages as they would be sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.jobs.begin import OpenJob, new_job
from wooshq.jobs.check import Checks, Look, Refused
from wooshq.jobs.feed import Feeding, check_recipients, pull, read_as
from wooshq.jobs.rules import JobRules
from wooshq.jobs.stream.duplicates import Duplicates, folder_of_tables
from wooshq.ledger.replies import Result
from wooshq.ledger.steps import AsyncStream, Flow, Stream
from wooshq.settings import Settings
from wooshq_schemas import Recipient, Template
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules
from wooshq_schemas.template.filled import filled_texts

_FIRST_ROWS: Final = 3
_MOST_LOCALES: Final = 20
"""Locales whose message is shown. A template has texts in as many as its author wrote."""


@dataclass(frozen=True)
class LocaleCount(Result):
    """How many recipients have a locale (None: without one), and which texts they get (None: all get the same)."""

    locale: str | None
    texts: str | None
    recipients: int


@dataclass(frozen=True)
class Example(Result):
    """A message to one recipient. texts: as they will be read, with the values of the recipient. request: as it would be sent to this recipient alone."""

    identifier: str
    locale: str | None
    texts: dict[str, str]
    request: dict[str, Any]


@dataclass(frozen=True)
class Preview(Result):
    """
    The object of `wooshq fanout --dry-run`.

    recipients: each once. calls: the least that reach them. refused: rows that are not recipients. columns_not_sent: columns that no text
    names. examples: the first three recipients, and the first one of each locale of the texts. notes: what does not stop the job, but is worth
    a look. problems: why the job would not start, each as field, problem and hint.
    """

    recipients: int
    calls: int
    duplicates: int
    refused: int
    locales: list[LocaleCount]
    columns_sent: list[str]
    columns_not_sent: list[str]
    examples: list[Example]
    notes: list[str]
    problems: list[dict[str, str]]

    @property
    def would_start(self) -> bool:
        """Whether `fan_out` would start the job."""
        return not self.problems


def preview_job(
    settings: Settings,
    template: Any,
    recipients: Stream | AsyncStream,
    checks: Checks,
    *,
    limit: int | None = None,
    refused: Callable[[Refused], object] | None = None,
    rows: RowRules = ALL_COLUMNS,
    columns: Collection[str] = (),
    now: datetime | None = None,
) -> Flow[Preview]:
    """See `Jobs.preview`. Nothing is asked of the ledger."""
    check_recipients(recipients)
    _, checked = new_job(template, settings, JobRules(), checks, first=limit, now=now)
    look = Look(checked, checks, rows)
    notes = read_as(recipients, look.rules, look.columns)
    job = OpenJob("", checked, settings.list_limit, look.rules, limit, is_new=True)
    seen = _Seen(checked, job.rows.only, now or datetime.now(UTC))
    calls = looked_at = 0
    with Duplicates(folder_of_tables()) as once:
        feeding = Feeding(job, once, refused or (lambda one: None), notes)
        goes_on = True
        while goes_on:
            items, goes_on = yield from pull(recipients)
            for place, one in enumerate(items, looked_at):
                look.take(one, place)
            looked_at += len(items)
            new = feeding.recipients(items)
            seen.add(new)
            calls += sum(chunk.calls for chunk in feeding.packed(new))
        calls += sum(chunk.calls for chunk in feeding.end())
    look.columns.update(columns)
    return Preview(
        recipients=seen.recipients,
        calls=calls,
        duplicates=feeding.duplicates,
        refused=feeding.refused,
        locales=seen.locales(),
        columns_sent=list(look.columns_sent),
        columns_not_sent=list(look.columns_not_sent),
        examples=seen.examples,
        notes=[*look.sentences(), *feeding.notes.sentences()],
        problems=[problem.as_dict() for problem in look.problems()],
    )


class _Seen:
    """What a preview shows of recipients."""

    def __init__(self, template: Template, columns: frozenset[str] | None, now: datetime) -> None:
        self._template = template
        self._columns = columns
        self._now = now
        self._by_locale: Counter[str | None] = Counter()
        self._texts_shown: set[str | None] = set()
        self.recipients = 0
        self.examples: list[Example] = []

    def add(self, recipients: Sequence[Recipient]) -> None:
        """Some more recipients, each of them new."""
        for recipient in recipients:
            texts = self._template.locale_of(recipient.locale)
            is_first_of_texts = texts not in self._texts_shown and len(self._texts_shown) < _MOST_LOCALES
            if is_first_of_texts or self.recipients < _FIRST_ROWS:
                self._texts_shown.add(texts)
                self.examples.append(self._example(recipient, texts))
            self.recipients += 1
            self._by_locale[recipient.locale] += 1

    def _example(self, recipient: Recipient, texts: str | None) -> Example:
        values = tuple(one for one in recipient.placeholders if self._columns is None or one[0] in self._columns)
        request = self._template.request(recipient.to, [recipient.identifier], locale=texts, placeholders=values, now=self._now)
        return Example(recipient.identifier, recipient.locale, filled_texts(request), request)

    def locales(self) -> list[LocaleCount]:
        """The most frequent locale first."""
        found = [LocaleCount(locale, self._template.locale_of(locale), n) for locale, n in self._by_locale.items()]
        return sorted(found, key=lambda one: (-one.recipients, one.locale or ""))
