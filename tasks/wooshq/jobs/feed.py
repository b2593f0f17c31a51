"""From a template and a stream of recipients to a job: each recipient checked, taken once, put with others into calls."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar

from wooshq.errors import Conflict, FeedInterrupted, JobUnknown, Problem, RecipientsChanged
from wooshq.intents.accept import new_id
from wooshq.intents.status import as_row
from wooshq.jobs.duplicates import Duplicates
from wooshq.jobs.packing import Packer
from wooshq.ledger.chunks import Chunk
from wooshq.ledger.jobs import JobLedger, NewJob
from wooshq.ledger.steps import Ask, Steps
from wooshq.recipients.rows import BadRow
from wooshq.settings import Settings
from wooshq_schemas import IntentInvalid, Recipient, RecipientLike, Template, parse_template, recipient_of

T = TypeVar("T")

TOGETHER: Final = 2000
"""Recipients that are looked at in one go."""
MOST_ERRORS: Final = 10_000
"""Recipients whose problems are kept in words; of more than these only the number is."""
EVERYBODY: Final = 10**15
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%")

Given: TypeAlias = RecipientLike | BadRow
"""What a stream of recipients is made of; a source that reads rows says itself which are none."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One that was no recipient. place: its index in the stream, from 0; of a file's row its line, from 1."""

    place: int
    problems: tuple[Problem, ...]
    text: str = ""  #: the row, where it came from a file


@dataclass(frozen=True, slots=True)
class JobRules:
    """
    How a job is to run. rate: calls a second, None for as fast as the application may.

    steps: a roll-out: how many recipients in all may have been sent to by the end of each, the last for everybody. stop_at: the part of a
    step's recipients that may be refused or in doubt; above it the job stops. step_wait_s: after so long it goes on by itself; None: a
    person says so.
    """

    rate: float | None = None
    steps: Sequence[int] = ()
    stop_at: float | None = None
    step_wait_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("rate", "stop_at", "step_wait_s"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value)):
                raise ValueError(f"{name}: must be a number; right would be 0.05, or 100")
        if self.rate is not None and not 0 < self.rate <= 1_000_000:
            raise ValueError("rate: calls a second, more than 0; right would be 100, or 0.5 for one every two seconds")
        if self.stop_at is not None and not 0 <= self.stop_at < 1:
            raise ValueError("stop_at: a part of the recipients, at least 0 and less than 1; right would be 0.05 for 5 %")
        if self.step_wait_s is not None and self.step_wait_s < 0:
            raise ValueError("step_wait_s: seconds, not less than 0")
        if list(self.steps) != sorted(set(self.steps)) or any(step < 1 for step in self.steps):
            raise ValueError("steps: each must be larger than the one before it; right would be 1%,10%,100%")
        if not self.steps and (self.stop_at is not None or self.step_wait_s is not None):
            raise ValueError("stop_at and step_wait_s are about steps: give steps, too; right would be 1%,10%,100%")


def steps_of(steps: str | Sequence[int | str], total: int | None) -> tuple[int, ...]:
    """
    Steps as numbers of recipients: `1%,10%,100%`, `500,5000`, or a list of these. total: what percentages are of.

    A last step for everybody is added where there is none. Raises ValueError for what is no step, or for a percentage of nobody knows what.
    """
    parts = [part.strip() for part in steps.split(",")] if isinstance(steps, str) else list(steps)
    numbers: list[int] = []
    percents = [float(found[1]) for part in parts if not isinstance(part, int) and (found := _PERCENT.fullmatch(str(part)))]
    if percents != sorted(set(percents)) or any(not 0 < percent <= 100 for percent in percents):
        raise ValueError("steps: percentages are more than 0, at most 100, and each larger than the one before; right would be 1%,10%,100%")
    for part in parts:
        if isinstance(part, int) and not isinstance(part, bool):
            numbers.append(part)
        elif found := _PERCENT.fullmatch(str(part)):
            if float(found[1]) >= 100:
                numbers.append(EVERYBODY)
            elif total is None:
                raise ValueError("steps: a percentage needs to know of how many: give total, or numbers of recipients instead")
            else:
                numbers.append(max(1, int(total * float(found[1]) / 100)))
        elif str(part).isdecimal():
            numbers.append(int(part))
        else:
            raise ValueError("steps: right would be 1%,10%,100% or numbers of recipients such as 500,5000")
    if numbers and numbers[-1] < EVERYBODY:
        numbers.append(EVERYBODY)
    return tuple(dict.fromkeys(numbers))


def check_stream(recipients: object) -> None:
    """Raises TypeError for what is no stream of recipients: a text would go out to its letters, a mapping to its keys."""
    if isinstance(recipients, (str, bytes, bytearray, Mapping)):
        raise TypeError(
            f"recipients: a {type(recipients).__name__} is one recipient, or none; right would be an iterable of them, as "
            '[{"user": "u1"}, {"user": "u2"}]'
        )
    if not isinstance(recipients, Iterable):
        kind = type(recipients).__name__
        hint = "wooshq.aio.fan_out takes async ones" if isinstance(recipients, AsyncIterable) else 'right would be [{"user": "u1"}]'
        raise TypeError(f"recipients: {kind} is no iterable; {hint}")


def check_resumed(rate: object, steps: Sized, total: object, stop_at: object, step_wait_s: object) -> None:
    """Raises ValueError where a job that is resumed is given rules: it goes on by those that it was begun with."""
    given = {"rate": rate, "steps": steps or None, "total": total, "stop_at": stop_at, "step_wait_s": step_wait_s}
    if names := [name for name, value in given.items() if value is not None]:
        raise ValueError(f"resume: the job goes on by the rules that it was begun with; leave out {', '.join(names)}")


def broken_off(job_id: str, feeding: Feeding) -> str:
    """What is said beside an error of the stream itself."""
    taken = "recipients were taken in before, who are sent to" if feeding.made_chunks else "nobody was taken in before"
    return f"wooshq: the job {job_id} was begun, and {taken}; give the same stream again with resume={job_id!r} to go on, or cancel the job"


class Feeding:
    """The stream of one job's recipients as it becomes chunks: the same stream makes the same chunks again, so a job can be fed on."""

    def __init__(self, template: Template, list_limit: int, once: Duplicates, refused: Callable[[Refused], None]) -> None:
        """refused: told of each that is no recipient, as it comes."""
        self._packer = Packer(list_limit, template.locale_of)
        self._once = once
        self._tell = refused
        self.seen = 0  #: of the stream, whatever they were
        self.refused = 0
        self.duplicates = 0

    def take(self, given: Sequence[Given]) -> Iterator[Chunk]:
        """Some of the stream, in its order; the chunks that are full."""
        recipients: list[Recipient] = []
        for at, one in enumerate(given, self.seen):
            if type(one) is Recipient:
                recipients.append(one)
                continue
            try:
                recipients.append(recipient_of(one) if not isinstance(one, BadRow) else self._bad(one))
            except IntentInvalid as error:
                place, text = (one.line, one.text) if isinstance(one, BadRow) else (at, "")
                self.refused += 1
                self._tell(Refused(place, error.problems, text))
        new = self._once.new([f"{r.to}\0{r.identifier}" for r in recipients])
        self.duplicates += len(new) - sum(new)
        self.seen += len(given)
        yield from self._packer.add(r for r, first in zip(recipients, new, strict=True) if first)

    @property
    def made_chunks(self) -> bool:
        """Whether anybody has left it."""
        return self._packer.made > 0

    def ended(self, ledger: JobLedger, job_id: str) -> Steps[str]:
        """Say that the stream has ended; see `BulkLedger.fed`."""
        return ledger.fed(job_id, refused=self.refused, duplicates=self.duplicates, chunks=self._packer.made)

    def _bad(self, row: BadRow) -> Recipient:
        raise IntentInvalid(row.problems)

    def end(self) -> Iterator[Chunk]:
        """Nobody comes any more: the rest."""
        yield from self._packer.end()


def batched(stream: Iterable[T], size: int = TOGETHER) -> Iterator[list[T]]:
    """The stream in lists of at most `size`."""
    iterator = iter(stream)
    while batch := list(islice(iterator, size)):
        yield batch


@dataclass(frozen=True, slots=True)
class Opened:
    """A job that recipients may be fed into."""

    id: str
    template: Template
    list_limit: int
    new: bool


def template_of(given: Any, settings: Settings, *, now: datetime | None = None) -> Template:
    """A template out of JSON or an object. Raises IntentInvalid with everything that is wrong with it."""
    return parse_template(given, now=now or datetime.now(UTC), application=settings.application, platforms=settings.platform_table)


def new_job(
    template: Any, settings: Settings, rules: JobRules, *, source: str = "", now: datetime | None = None
) -> tuple[NewJob, Template]:
    """Check a template, and what the job is to be. Raises IntentInvalid with everything that is wrong with it."""
    made = template if isinstance(template, Template) else template_of(template, settings, now=now)
    text = made.to_json()
    expires = made.expires_at
    job = NewJob(
        id=new_id(),
        template=text,
        digest=hashlib.blake2b(json.dumps(json.loads(text), sort_keys=True).encode(), digest_size=16).hexdigest(),
        application=made.application,
        list_limit=settings.list_limit,
        idempotency_key=made.idempotency_key,
        on_unknown=made.on_unknown or settings.on_unknown,
        campaign=made.campaign or "",
        ttl_ms=None if made.ttl_s is None else made.ttl_s * 1000,
        expires_at_ms=None if expires is None else int(expires.timestamp() * 1000),
        rate=rules.rate,
        steps=rules.steps,
        stop_at=rules.stop_at,
        step_wait_ms=None if rules.step_wait_s is None else int(rules.step_wait_s * 1000),
        source=source,
    )
    return job, made


def open_job(ledger: JobLedger, job: NewJob, template: Template) -> Steps[Opened]:
    """Begin a job; where its idempotency key was used before for the same template, that job is fed on. Raises Conflict."""
    answer = yield from ledger.open(job)
    if answer.startswith("!"):
        kept = as_row((yield Ask([("HGETALL", ledger.keys.job(answer[1:]))]))[0])
        theirs = json.loads(kept.get("template", "{}"))
        mine = json.loads(job.template)
        fields = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)) if kept else []
        raise Conflict("idempotency_key", answer[1:], fields)
    if answer:
        return (yield from reopen_job(ledger, answer))
    return Opened(job.id, template, job.list_limit, new=True)


def reopen_job(ledger: JobLedger, job_id: str) -> Steps[Opened]:
    """A job that is to be fed on, with the template that it was begun with. Raises JobUnknown."""
    row = as_row((yield Ask([("HGETALL", ledger.keys.job(job_id))]))[0])
    if not row:
        raise JobUnknown("no job has this id: it may be mistyped, or ended longer ago than WOOSHQ_RETENTION_S")
    return Opened(job_id, Template.load_stored(row["template"], int(row["v"])), int(row["limit"]), new=False)


def understood(outcome: str, job_id: str, seen: int) -> bool:
    """
    Whether the job takes more, after the answer to a chunk or to the end. seen: of the stream so far.

    Raises RecipientsChanged, JobUnknown, FeedInterrupted (the ledger has forgotten what was in it).
    """
    if outcome in ("full", "short"):
        how = "more than" if outcome == "full" else "fewer than"
        raise RecipientsChanged(
            f"these are {how} the recipients that the job {job_id} was begun with; nobody was added to it. For others begin another job, "
            "with another idempotency_key if the template has one"
        )
    if outcome == "gap":
        raise FeedInterrupted(
            f"Redis has lost recipients that the job {job_id} had taken in (is it append-only? see wooshq doctor). Give the same recipients "
            f"again with resume={job_id!r}",
            job_id=job_id,
        )
    if outcome == "differs":
        raise RecipientsChanged(
            f"these are not the recipients that the job {job_id} was begun with, or not in that order: they differ within the first {seen:,}. "
            "Nothing more was taken. Give those that it was begun with, or cancel the job and begin another"
        )
    if outcome == "gone":
        raise JobUnknown(f"the job {job_id} is no longer kept")
    return outcome in ("fed", "same")
