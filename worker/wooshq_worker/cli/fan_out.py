"""One run of `wooshq fanout`: look at the recipients, feed the job, follow it, and say what happens meanwhile."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import typer

from wooshq import Wooshq
from wooshq.client import JobHandle
from wooshq.errors import (
    FeedInterrupted,
    FolderUnusable,
    IntentInvalid,
    JobRefused,
    LedgerUnavailable,
    RecipientsChanged,
    RecipientsUnreadable,
)
from wooshq.jobs.begin import template_of
from wooshq.jobs.check import HEAD, Checks, Look, Refused
from wooshq.jobs.show import Job
from wooshq.jobs.stream.source import check_same_source, source_of
from wooshq.recipients.file import RecipientsFile
from wooshq.recipients.rows import BadRow
from wooshq.recipients.sample import Sample
from wooshq_schemas import Template
from wooshq_schemas.recipients.recipient import Recipient
from wooshq_schemas.recipients.rules import RowRules
from wooshq_worker.cli.rejects import Rejects
from wooshq_worker.cli.terminal.job import NoCallYet, sentence
from wooshq_worker.cli.terminal.out import (
    ALL_DONE,
    INTERRUPTED,
    NOTHING_DONE,
    SOME_REFUSED,
    data,
    emit,
    output_is_lost,
    people,
    say,
    several,
    show,
)
from wooshq_worker.cli.terminal.preview import full, problems
from wooshq_worker.cli.terminal.progress import JobProgress

_LOOK_EVERY_S: Final = 1.0


class Run:
    """One run of `wooshq fanout`. outcome: the exit status."""

    def __init__(
        self,
        wooshq: Wooshq,
        file: RecipientsFile,
        path: Path,
        rejects: Rejects,
        *,
        template: Path | None,
        as_json: bool,
        detach: bool,
    ) -> None:
        self._wooshq = wooshq
        self._file = file
        self._path = path
        self._rejects = rejects
        self._template = template
        self._resumes = False
        self._json = as_json
        self._detach = detach
        self._id: str | None = None
        self._no_call_yet = NoCallYet(wooshq)
        self._looked_at = 0.0
        self._said_stopped = False
        self._progress = JobProgress(shown=not (as_json and data.is_terminal))
        self.outcome = ALL_DONE

    def start(
        self, template: bytes, checks: Checks, rows: RowRules, *, steps: str | None, total: int | None, limit: int | None, **rules: Any
    ) -> None:
        """Start a job, unless its recipients do not fit its template; feed it, and follow it. Raises typer.Exit."""
        must_count = steps is not None and "%" in steps and total is None
        if must_count and self._file.fingerprint is None:
            raise typer.BadParameter(
                "a stream cannot be counted first: add --total N, or use numbers of recipients, not percentages", param_hint="--steps"
            )
        with self._explaining():
            checked = template_of(template, self._wooshq.settings)
            look = Look(checked, checks, rows)
            stream = self._look_at_rows(look)
            self._say_what_was_seen(look)
            if must_count:
                total = look.recipients if look.is_whole else self._count(look.rules)
            # The look saw more of the file than the first rows, so that nothing is left to be checked.
            total = total if total is None or limit is None else min(total, limit)
            rules |= {
                "steps": steps or (),
                "total": total,
                "limit": limit,
                "also": checks.also,
                "allow_missing": True,
                "max_rejects": "100%",
                "rows": rows,
            }
            self._feed_and_follow(checked, stream, rules)

    def preview(self, template: bytes, checks: Checks, rows: RowRules, limit: int | None) -> None:
        """Show what a job would do. It asks no Redis, and sends nothing. Raises typer.Exit."""
        with self._explaining():
            checked = template_of(template, self._wooshq.settings)
            columns = self._file.notes.columns = set()
            with people.status("reading the recipients") if people.is_terminal else nullcontext():
                seen = self._wooshq.bulk.preview(
                    checked,
                    self._until_the_end(self._file.rows(Look(checked, checks, rows).rules)),
                    allow_missing=checks.allow_missing,
                    also=checks.also,
                    max_rejects=checks.max_rejects,
                    limit=limit,
                    rows=rows,
                    refused=self._refuse,
                    columns=columns,
                )
            emit(seen) if self._json else full(seen)
            self._rejects.summarize()
            self._say_notes()
            problems(seen)
            self.outcome = SOME_REFUSED if seen.refused or seen.problems else ALL_DONE

    def resume(self, job_id: str) -> None:
        """Feed a job on, and follow it. Raises typer.Exit."""
        self._resumes = True
        job = self._wooshq.bulk.show(job_id)
        check_same_source(job.source, self._path, self._file)
        with self._explaining():
            self._feed_and_follow(None, self._file.rows(job.rows), {"resume": job_id})

    def _look_at_rows(self, look: Look) -> Iterator[Recipient | BadRow]:
        """Look at the file, or at the head of a stream. Returns all rows. Raises JobRefused, RecipientsUnreadable."""
        if self._file.fingerprint is not None:
            sample = Sample()
            with people.status("looking at the recipients") if people.is_terminal else nullcontext():
                for row in self._file.sampled(sample, look.rules, look.notes):
                    look.take(row)
            look.is_whole = sample.is_whole
            rows = self._file.rows(look.rules)
        else:
            self._file.notes.columns = look.columns
            rows = self._file.rows(look.rules)
            head = list(itertools.islice(rows, HEAD))
            self._file.notes.columns = None
            for row in head:
                look.take(row)
            look.is_whole = len(head) < HEAD
            rows = itertools.chain(head, rows)
        if not look.recipients and not look.rejected:
            say(f"{'Standard input' if str(self._path) == '-' else self._path} has no recipients. No job was started.")
            raise typer.Exit(SOME_REFUSED)
        return rows

    def _say_what_was_seen(self, look: Look) -> None:
        """Raises JobRefused."""
        for note in look.sentences():
            say(f"Note: {note}")
        if problems := look.problems():
            for row in look.first_rejected:
                for problem in row.problems:
                    say(f"line {row.place}: {problem}" if row.place else str(problem))
            raise JobRefused(problems)
        if look.columns_not_sent:
            say(f"Note: not sent, because the message does not use it: {', '.join(look.columns_not_sent)}. --also NAME sends a column.")

    def _count(self, rules: RowRules) -> int:
        """Recipients in the file, for percentages."""
        with RecipientsFile(self._path) as file, people.status("counting recipients") if people.is_terminal else nullcontext():
            return sum(not isinstance(row, BadRow) for row in file.rows(rules))

    def _feed_and_follow(self, template: Template | None, rows: Iterator[Recipient | BadRow], rules: dict[str, Any]) -> None:
        with self._progress:
            job = self._wooshq.fan_out(
                template,
                self._until_the_end(rows),
                refused=self._refuse,
                opened=self._opened,
                fed=self._look,
                source=source_of(self._path, self._file),
                **rules,
            )
            ended = job.show() if self._detach else job.wait(watch=self._watch)
        self._summarize(job, ended)

    def _until_the_end(self, rows: Iterator[Recipient | BadRow]) -> Iterator[Recipient | BadRow]:
        """The rows. Raises RecipientsUnreadable if the file changed during the reading."""
        yield from rows
        self._file.check_unchanged()

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Say what went wrong, and how to continue, in the words of the command line. Raises typer.Exit."""
        try:
            yield
        except KeyboardInterrupt:
            if self._id is not None:
                self._say_how_to_continue(self._id)
            raise typer.Exit(INTERRUPTED) from None
        except (IntentInvalid, JobRefused) as error:
            where = f"{self._template or 'template'}: " if isinstance(error, IntentInvalid) else ""
            for problem in error.problems:
                say(f"{where}{problem}")
            say("No job was started.")
            raise typer.Exit(SOME_REFUSED) from None
        except (RecipientsChanged, RecipientsUnreadable, FolderUnusable) as error:
            if self._id is None:
                raise
            say(str(error))
            if not isinstance(error, RecipientsChanged):
                self._say_how_to_continue(self._id)
            raise typer.Exit(SOME_REFUSED) from None
        except LedgerUnavailable as error:
            if self._id is None:
                raise
            say(f"{error}. Workers continue the job when Redis answers. Follow it: wooshq bulk show {self._id} --watch")
            raise typer.Exit(NOTHING_DONE) from None
        except FeedInterrupted as error:
            say(str(error))
            raise typer.Exit(SOME_REFUSED) from None
        finally:
            self._rejects.close()

    def _refuse(self, row: Refused) -> None:
        self._rejects.add(row, self._id)

    def _opened(self, job_id: str) -> None:
        self._id = job_id
        if not self._json:
            show(job_id)
            if output_is_lost():
                say(f"The job {job_id} continues.")

    def _look(self) -> None:
        now = time.monotonic()
        if self._id is None or not (self._progress.is_due or now - self._looked_at >= _LOOK_EVERY_S):
            return
        self._looked_at = now
        try:
            job = self._wooshq.bulk.show(self._id)
        except LedgerUnavailable:
            return  # the progress is a side output; feeding itself waits for the ledger longer than one look does
        self._watch(job)
        if job.state == "stopped" and not self._said_stopped:
            self._said_stopped = True
            say(f"The job has stopped: {job.why}. {_how_to_end_the_wait(job.id)}")

    def _watch(self, job: Job) -> None:
        self._progress.show(job)
        self._no_call_yet.look(job)

    def _summarize(self, job: JobHandle, ended: Job) -> None:
        self._rejects.summarize()
        if not job.is_new and not self._resumes:
            say("The idempotency_key of the template was used before, so no new job was started. This is the earlier job.")
        if job.duplicates:
            say(f"{several(job.duplicates, 'duplicate recipient')} {'was' if job.duplicates == 1 else 'were'} skipped.")
        self._say_notes()
        for note in job.notes.sentences():
            say(f"Note: {note}")
        if limit := job.limit:
            say(
                f"Only the first {several(limit, 'recipient')} {'was' if limit == 1 else 'were'} taken (--limit). A job for all would send to "
                "them again. To send to some first and to the others later, use --steps, such as --steps 10,100%."
            )
        if self._json:
            emit(ended)
        else:
            say(sentence(ended))
        if self._detach:
            say(f"All recipients were read. Follow the job: wooshq bulk show {job.id} --watch")
        elif not ended.is_final:
            say(_how_to_end_the_wait(job.id))
        if ended.dead:
            say(f"See why they are dead: wooshq dead groups --bulk {job.id}")
        failed = ended.dead + ended.expired + ended.cancelled
        # A roll-out that waits for its next step did what it was told to do.
        went_wrong = ended.state in ("stopped", "cancelled") or (ended.state == "paused" and not ended.step)
        self.outcome = SOME_REFUSED if self._rejects.count or failed or went_wrong else ALL_DONE

    def _say_notes(self) -> None:
        for note in self._file.notes.sentences():
            say(f"Note: {note}")

    def _say_how_to_continue(self, job_id: str) -> None:
        """The command ends before the job does: say where the job is, how to continue and how to end it."""
        try:
            job = self._wooshq.bulk.show(job_id)
        except LedgerUnavailable as error:
            say(f"{error}.")
            return
        if self._json:
            emit(job)
        say(sentence(job))
        if job.state == "feeding":
            say(f"Not all recipients were read. Continue: wooshq fanout --resume {job.id} --recipients {self._path}")
        else:
            workers = "Workers continue the job. " if job.state == "running" else ""
            say(f"{workers}See: wooshq bulk show {job.id}")
        say(f"Cancel: wooshq bulk cancel {job.id}")


def _how_to_end_the_wait(job_id: str) -> str:
    return f"Continue: wooshq bulk resume {job_id}. Or cancel: wooshq bulk cancel {job_id}"
