"""Feed a job: check each recipient of a stream, take it once, and put it with others into calls and chunks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wooshq.errors import FeedInterrupted, JobUnknown, LedgerUnavailable, NotAccepted, Problem, RecipientsChanged, RecipientsUnreadable
from wooshq.jobs.begin import OpenJob, begin_job, check_resumed, new_job, reopen_job
from wooshq.jobs.check import HEAD, Checks, Given, Look, Refused
from wooshq.jobs.packing import Packer
from wooshq.jobs.rules import JobRules, rollout_of
from wooshq.jobs.show import show_job
from wooshq.jobs.stream.duplicates import Duplicates, folder_of_tables
from wooshq.jobs.stream.once import Once
from wooshq.jobs.stream.source import CORRECTED
from wooshq.ledger.chunks import Chunk
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.steps import AsyncStream, CallTurns, Flow, Pull, Sleep, Steps, Stream, T
from wooshq.recipients.file import RecipientsFile
from wooshq.recipients.rows import BadRow
from wooshq.settings import Settings
from wooshq.tracing import accepting
from wooshq_schemas import IntentInvalid, Recipient, recipient_of
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules

_TOGETHER: Final = HEAD
"""Items that are taken in one go. The first of them are looked at before the job starts."""
_MOST_ERRORS: Final = 10_000
"""Recipients whose problems are kept; the others are only counted."""
_PATIENCE_S: Final = 30.0
"""How long feeding waits for a ledger that is out of reach. What was fed before is sent meanwhile."""
_RETRY_S: Final = 0.5
_ROOM_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class JobOptions:
    """
    The arguments of `fan_out` that say how the job runs; see `JobRules` and `rollout_of`. resume: id of the job to feed on. limit: the job
    takes so many recipients, the first ones; None for all.
    """

    rate: float | None = None
    steps: str | Sequence[int | str] = ()
    total: int | None = None
    stop_at: float | None = None
    step_wait_s: float | None = None
    resume: str | None = None
    source: str = ""
    checks: Checks = field(default_factory=Checks)
    limit: int | None = None
    rows: RowRules = ALL_COLUMNS


@dataclass(frozen=True, slots=True)
class Listeners:
    """
    The callbacks of `fan_out`: refused (each item that is not a recipient), opened (the job's id), fed (now and then), noted (a sentence
    about the first recipients, before the job begins).
    """

    refused: Callable[[Refused], object] | None = None
    opened: Callable[[str], object] = lambda job_id: None
    fed: Callable[[], object] = lambda: None
    noted: Callable[[str], object] = lambda sentence: None


@dataclass(slots=True)
class FedJob:
    """A job that was fed, and what was found in its stream."""

    id: str
    is_new: bool  #: False if it was started earlier: resumed, or known by the template's idempotency key
    refused: int = 0  #: items that are not recipients
    duplicates: int = 0  #: recipients that came again; each was taken once
    errors: dict[int, tuple[Problem, ...]] = field(default_factory=dict)  #: place → problems, of the first 10,000 refused
    notes: Notes = field(default_factory=Notes)  #: what was noted about recipients that were taken
    limit: int | None = None  #: it takes only so many recipients
    columns_not_sent: tuple[str, ...] = ()  #: columns that the recipients have, and that no text names


def start_job(
    ledger: JobLedger, settings: Settings, template: Any, recipients: Stream | AsyncStream, options: JobOptions, listeners: Listeners
) -> Flow[FedJob]:
    """See `Wooshq.fan_out`."""
    check_recipients(recipients)
    with accepting(settings, "bulk") as span:
        fed, taken = yield from _start_and_feed(ledger, settings, template, recipients, options, listeners, span.trace)
        span.note(job_id=fed.id, messaging_batch_message_count=taken)
    return fed


def _start_and_feed(
    ledger: JobLedger,
    settings: Settings,
    template: Any,
    recipients: Stream | AsyncStream,
    options: JobOptions,
    listeners: Listeners,
    trace: str,
) -> Flow[tuple[FedJob, int]]:
    """The job, and how many recipients it took. trace: see `NewJob`."""
    job, head = yield from _begin(ledger, settings, template, recipients, options, listeners, trace)
    listeners.opened(job.id)
    fed = FedJob(job.id, is_new=job.is_new, limit=job.first, columns_not_sent=head.columns_not_sent)

    def note(one: Refused) -> None:
        if len(fed.errors) < _MOST_ERRORS:
            fed.errors[one.place] = one.problems
        if listeners.refused is not None:
            listeners.refused(one)

    with Duplicates(folder_of_tables()) as seen:
        feeding = Feeding(job, seen, note, read_as(recipients, job.rows))
        try:
            takes_more = yield from _feed(ledger, settings, job, feeding, head, recipients, listeners.fed)
        except (FeedInterrupted, NotAccepted):
            raise
        except Exception as error:
            error.add_note(_broken_off(job.id, feeding))
            raise
        if takes_more:
            ended = yield from _patiently(job.id, lambda: feeding.ended(ledger, job.id))
            _takes_more(ended, job.id, feeding.seen)
    fed.refused, fed.duplicates, fed.notes = feeding.refused, feeding.duplicates, feeding.notes
    return fed, feeding.seen - feeding.refused - feeding.duplicates


def check_recipients(stream: Stream | AsyncStream) -> None:
    """Raises TypeError for a value that is not a stream of recipients: a text would be sent to its letters, a mapping to its keys."""
    given = stream.items
    if isinstance(given, (str, bytes, bytearray, Mapping)):
        raise TypeError(
            f"recipients: a {type(given).__name__} is a single recipient at most; give an iterable of recipients, "
            'for example [{"user": "u1"}, {"user": "u2"}]'
        )
    if not isinstance(given, Iterable) and not (isinstance(given, AsyncIterable) and isinstance(stream, AsyncStream)):
        hint = "wooshq.aio.fan_out takes async iterables" if isinstance(given, AsyncIterable) else 'for example [{"user": "u1"}]'
        raise TypeError(f"recipients: {type(given).__name__} is not an iterable; {hint}")


@dataclass(frozen=True, slots=True)
class _Head:
    """The first items of a stream: they are read before the job begins. goes_on: False if these are all."""

    items: Sequence[Given] = ()
    goes_on: bool = True
    columns_not_sent: tuple[str, ...] = ()


def _begin(
    ledger: JobLedger,
    settings: Settings,
    template: Any,
    recipients: Stream | AsyncStream,
    options: JobOptions,
    listeners: Listeners,
    trace: str,
) -> Flow[tuple[OpenJob, _Head]]:
    """The job to feed, and the head of its stream: a new job, or the one to resume."""
    if options.resume is not None:
        check_resumed(
            rate=options.rate,
            steps=options.steps,
            total=options.total,
            stop_at=options.stop_at,
            step_wait_s=options.step_wait_s,
            also=options.checks.also,
            limit=options.limit,
            rows=options.rows if options.rows != ALL_COLUMNS else None,
        )
        return (yield from _reached(reopen_job(ledger, options.resume))), _Head()
    rules = JobRules(options.rate, rollout_of(options.steps, options.total), options.stop_at, options.step_wait_s)
    job, checked = new_job(template, settings, rules, options.checks, options.rows, source=options.source, first=options.limit)
    # If the ledger is out of reach, nothing of the stream is used up: it can be given again.
    yield from _reached(ledger.answers())
    head = yield from _read_head(recipients, Look(checked, options.checks, options.rows), listeners.noted)
    job = replace(job, trace=trace)
    return (yield from _reached(begin_job(ledger, job, checked), again=", with all recipients from the first one")), head


def _reached(steps: Steps[T], *, again: str = "") -> Flow[T]:
    """Carry out steps before anything is accepted. again: what to take care of when the call is made again: a generator may be used up."""
    try:
        return (yield from steps)
    except LedgerUnavailable as error:
        raise NotAccepted(f"{error}. No job was started; it is safe to call again{again}.") from error


def _read_head(recipients: Stream | AsyncStream, look: Look, noted: Callable[[str], object]) -> Flow[_Head]:
    """The first items. Raises JobRefused, before the job begins, if they do not fit its template."""
    read_as(recipients, look.rules, look.columns)
    items, goes_on = yield from pull(recipients)
    if not items and isinstance(recipients.items, RecipientsFile):
        raise RecipientsUnreadable("has no recipients", "No job was started", source=recipients.items.name)
    for place, one in enumerate(items):
        look.take(one, place)
    look.is_whole = not goes_on
    for sentence in look.sentences():
        noted(sentence)
    look.refuse()
    return _Head(items, goes_on, look.columns_not_sent)


def read_as(recipients: Stream | AsyncStream, rules: RowRules, columns: set[str] | None = None) -> Notes:
    """
    The notes of a stream. A file makes recipients of its rows itself, so it is told how, before it begins.

    columns: gets the names of its columns, also of those that are not read.
    """
    file = recipients.items
    if not isinstance(file, RecipientsFile):
        return Notes()
    file.read_as, file.notes.columns = rules, columns
    return file.notes


def pull(recipients: Stream | AsyncStream) -> Flow[tuple[list[Given], bool]]:
    """The next items, and whether there may be more."""
    batch: list[Given] = []

    def add(one: Given) -> bool:
        batch.append(one)
        return len(batch) >= _TOGETHER

    goes_on = yield Pull(recipients, add)
    return batch, goes_on


def _feed(
    ledger: JobLedger,
    settings: Settings,
    job: OpenJob,
    feeding: Feeding,
    head: _Head,
    recipients: Stream | AsyncStream,
    fed: Callable[[], object],
) -> Flow[bool]:
    """Put all recipients in. False if the job takes no more because it was cancelled."""
    batch, goes_on = head.items, head.goes_on
    while batch or goes_on:
        for chunk in feeding.take(batch):
            if not (yield from _put(ledger, settings, job.id, chunk, fed, feeding.seen)):
                return False
        if batch:
            fed()
        goes_on = goes_on and not feeding.is_full
        batch, goes_on = (yield from pull(recipients)) if goes_on else ((), False)
    for chunk in feeding.end():
        if not (yield from _put(ledger, settings, job.id, chunk, fed, feeding.seen)):
            return False
    return True


def _put(ledger: JobLedger, settings: Settings, job_id: str, chunk: Chunk, fed: Callable[[], object], seen: int) -> Flow[bool]:
    """Put one chunk in; wait if too many of the job are open. False if the job takes no more."""
    answer = yield from _patiently(job_id, lambda: ledger.chunks.feed(job_id, chunk))
    if not _takes_more(answer.outcome, job_id, seen):
        return False
    if answer.outcome == "fed":
        yield CallTurns(1)
        if answer.open_chunks >= settings.bulk_open_chunks:
            yield from _wait_for_room(ledger, settings, job_id, fed)
    return True


def _wait_for_room(ledger: JobLedger, settings: Settings, job_id: str, fed: Callable[[], object]) -> Flow[None]:
    while True:
        fed()
        yield from _patiently(job_id, lambda: ledger.wait_for_room(job_id, _ROOM_S))
        job = yield from show_job(ledger.keys, job_id)
        if job.chunks - job.chunks_done < settings.bulk_open_chunks or job.state in ("cancelled", "done"):
            return


def _patiently(job_id: str, steps: Callable[[], Steps[T]]) -> Flow[T]:
    """Carry out steps, and retry them while the ledger is out of reach for a moment. They must recognise their own first run."""
    ends = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return (yield from steps())
        except LedgerUnavailable as error:
            if time.monotonic() > ends:
                raise FeedInterrupted(
                    f"{error}. The job {job_id} has some of the recipients, and sends to them. To add the others, give the same "
                    f"recipients again with resume={job_id!r}",
                    job_id=job_id,
                ) from error
            yield Sleep(_RETRY_S)


class Feeding:
    """One job's stream as it becomes chunks. The same stream makes the same chunks again, so feeding can be resumed."""

    def __init__(self, job: OpenJob, seen: Duplicates, refused: Callable[[Refused], object], notes: Notes) -> None:
        """refused: called with each item that is not a recipient, as it comes. notes: of the stream."""
        self._packer = Packer(job.list_limit, job.template.locale_of, columns=job.rows.only)
        self._rules = job.rows
        self._first = job.first
        self._taken = 0
        self._once = Once(seen, notes, fold_emails=job.rows.fold_emails)
        self._refuse = refused
        self.seen = 0  #: items of the stream so far, recipients or not
        self.refused = 0
        self.duplicates = 0
        self.notes = notes

    def take(self, given: Sequence[Given]) -> Iterator[Chunk]:
        """Take the next items, in their order. Yields the chunks that are full."""
        return self.packed(self.recipients(given))

    def recipients(self, given: Sequence[Given]) -> list[Recipient]:
        """The next items, in their order: those that are recipients and have not come before."""
        if self._first is None:
            return self._new(given)
        taken: list[Recipient] = []
        while given and (room := self._first - self._taken):
            new = self._new(given[:room])
            self._taken += len(new)
            taken += new
            given = given[room:]
        return taken

    def packed(self, recipients: Iterable[Recipient]) -> Iterator[Chunk]:
        """Put recipients into chunks. Yields those that are full."""
        return self._packer.add(recipients)

    @property
    def is_full(self) -> bool:
        """Whether the job takes no more, because it takes only the first recipients."""
        return self._first is not None and self._taken >= self._first

    def _new(self, given: Sequence[Given]) -> list[Recipient]:
        recipients: list[Recipient] = []
        for place, one in enumerate(given, self.seen):
            if type(one) is Recipient:
                recipients.append(one)
                continue
            if isinstance(one, BadRow):
                self._refused(Refused(one.line, one.problems, one.text))
                continue
            try:
                recipients.append(recipient_of(one, self._rules, self.notes))
            except IntentInvalid as error:
                self._refused(Refused(place, error.problems))
        new = self._once.new(recipients)
        self.duplicates += len(new) - sum(new)
        self.seen += len(given)
        return [recipient for recipient, is_new in zip(recipients, new, strict=True) if is_new]

    def end(self) -> Iterator[Chunk]:
        """The stream has ended. Yields the rest."""
        yield from self._packer.end()

    def ended(self, ledger: JobLedger, job_id: str) -> Steps[str]:
        """Tell the ledger that the stream has ended; see `JobLedger.fed`."""
        return ledger.fed(job_id, refused=self.refused, duplicates=self.duplicates, chunks=self._packer.made)

    @property
    def made_chunks(self) -> bool:
        """Whether any chunk is full."""
        return self._packer.made > 0

    def _refused(self, one: Refused) -> None:
        self.refused += 1
        self._refuse(one)


def _takes_more(outcome: str, job_id: str, seen: int) -> bool:
    """
    Whether the job takes more, by the ledger's answer to a chunk or to the end. seen: items of the stream so far.

    Raises RecipientsChanged, JobUnknown, FeedInterrupted (the ledger has lost what it had).
    """
    if outcome == "full":
        raise RecipientsChanged(
            f"there are more recipients than the job {job_id} was started with; no recipient was added. For the others, start a job with "
            "only those (with another idempotency_key if the template has one). A job with all of them would send to some a second time"
        )
    if outcome == "short":
        raise RecipientsChanged(
            f"there are fewer recipients than the job {job_id} was started with; no recipient was added. Give the same recipients. "
            "Another job with these would send to some a second time"
        )
    if outcome == "gap":
        raise FeedInterrupted(
            f"Redis has lost recipients that the job {job_id} had accepted (is Redis append-only? run wooshq doctor). Give the same "
            f"recipients again with resume={job_id!r}",
            job_id=job_id,
        )
    if outcome == "differs":
        raise RecipientsChanged(
            f"these are not the recipients that the job {job_id} was started with, or they come in another order: they differ within the "
            f"first {seen:,}. No recipient was added. Give the same recipients in the same order, read with the same options. Another job "
            f"with these would send to some a second time. {CORRECTED}"
        )
    if outcome == "gone":
        raise JobUnknown(f"the job {job_id} is no longer kept")
    return outcome in ("fed", "same")


def _broken_off(job_id: str, feeding: Feeding) -> str:
    """The note beside an error of the stream itself."""
    so_far = "has some of the recipients and sends to them" if feeding.made_chunks else "has no recipients yet"
    return (
        f"wooshq: the job {job_id} was started and {so_far}; to go on, give the same stream again with resume={job_id!r}, or cancel the job"
    )
