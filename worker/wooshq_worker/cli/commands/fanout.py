"""`wooshq fanout`: make a job from a template and a file of recipients, and follow it to its end."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

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
from wooshq.jobs.feed import Refused
from wooshq.jobs.show import Job
from wooshq.jobs.source import check_same_source, source_of
from wooshq.recipients.file import RecipientsFile
from wooshq.recipients.rows import BadRow
from wooshq_schemas import Template
from wooshq_schemas.recipients.recipient import Recipient
from wooshq_worker.cli import rejects as rejects_
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.job import NoCallYet, sentence
from wooshq_worker.cli.terminal.out import (
    ALL_DONE,
    INTERRUPTED,
    NOTHING_DONE,
    SOME_REFUSED,
    Json,
    continue_unread,
    data,
    emit,
    finish,
    output_is_lost,
    people,
    say,
    several,
    show,
)
from wooshq_worker.cli.terminal.progress import JobProgress
from wooshq_worker.cli.values import duration_s, fraction

_LOOK_EVERY_S: Final = 1.0
_MOST_TEMPLATE: Final = 4 * 1024 * 1024


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        cls=Command,
        epilog=examples(
            "wooshq fanout --template sale.json --recipients people.csv",
            "wooshq fanout --template sale.json --recipients all.csv.gz --steps 1%,100%",
            "./people | wooshq fanout --template sale.json --recipients - --detach",
        ),
    )(fanout)


File = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="CSV with a header or NDJSON, plain or gzipped; - for standard input. It needs one column user, hwid, push_token or email. "
        "A column locale is optional. Every other column has the values of a placeholder: the column city fills {city}.",
    ),
]
TemplateFile = Annotated[Path | None, typer.Option(metavar="FILE", help="The message: an intent without to, as JSON.")]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="Start although the message uses a placeholder without a column.")]
Also = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Also send the values of this column. Without it, only columns that the message uses are sent."),
]
Rate = Annotated[float | None, typer.Option(metavar="N", help="Calls per second. Default: as many as the application's limits allow.")]
Steps = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Roll out in steps: 1%,10%,100%, or numbers of recipients. After each step the job waits for wooshq bulk resume.",
    ),
]
StopAt = Annotated[
    str | None, typer.Option(metavar="PERCENT", help="Stop if more than this percentage of a step is dead or in doubt, such as 5%.")
]
StepWait = Annotated[str | None, typer.Option(metavar="TIME", help="Start the next step automatically after this time, such as 10m.")]
Total = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Total recipients, for percentages in --steps (counted from the file if omitted).")
]
RejectsFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Write rejected rows to this file (default: JOB.rejects.ndjson).")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing rejects file.")]
Resume = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Continue this job if the command ended before it read all recipients. Give the same file."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Exit when all recipients have been read. Workers continue to send.")]


def fanout(
    recipients: File,
    template: TemplateFile = None,
    allow_missing: AllowMissing = False,
    also: Also = None,
    rate: Rate = None,
    steps: Steps = None,
    stop_at: StopAt = None,
    step_wait: StepWait = None,
    total: Total = None,
    rejects: RejectsFile = None,
    force: Force = False,
    resume: Resume = None,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Send one message to many recipients, each once, in as few calls as possible. Prints the id of the job, and follows it to its end."""
    continue_unread(or_unwritten=True)
    _check_start_or_resume(template, resume, rate, steps, stop_at, step_wait, total, also, allow_missing or None)
    rejects_.check(rejects, force=force, inputs=(recipients, template))
    rules: dict[str, Any] = {
        "allow_missing": allow_missing,
        "also": also,
        "rate": rate,
        "stop_at": None if stop_at is None else fraction(stop_at, "--stop-at"),
        "step_wait_s": None if step_wait is None else duration_s(step_wait, "--step-wait"),
    }
    source = None if str(recipients) == "-" else recipients
    with RecipientsFile(source) as file, open_wooshq() as wooshq:
        text = None if template is None else _read_template(template, stdin_is_taken=source is None)
        if steps is not None and "%" in steps and total is None:
            total = _count(recipients)
        # The default file belongs to this job: a resume reads the same bad rows again, and writes them again.
        file_of_rejects = rejects_.Rejects(rejects, force=force or (resume is not None and rejects is None))
        run = _Run(wooshq, file, recipients, file_of_rejects, template=template, as_json=as_json, detach=detach)
        run.go(text, resume, steps=() if steps is None else steps, total=total, **rules)
        finish(run.outcome)


def _check_start_or_resume(template: Path | None, resume: str | None, *settings: object) -> None:
    """settings: options that only a new job takes. Raises typer.BadParameter."""
    if (template is None) == (resume is None):
        why = "give one of the two: --template FILE starts a job, --resume ID continues one"
        raise typer.BadParameter(why, param_hint="--template")
    if resume is not None and any(given is not None for given in settings):
        why = "a job keeps the settings that it was started with: give only --recipients, --rejects, --force and --detach"
        raise typer.BadParameter(why, param_hint="--resume")


def _read_template(path: Path, *, stdin_is_taken: bool) -> bytes:
    """Raises typer.BadParameter."""
    if str(path) == "-" and stdin_is_taken:
        raise typer.BadParameter("standard input cannot be both the template and the recipients", param_hint="--template")
    try:
        raw = sys.stdin.buffer.read(_MOST_TEMPLATE + 1) if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--template") from None
    if len(raw) > _MOST_TEMPLATE:
        raise typer.BadParameter(f"{path} has more than {_MOST_TEMPLATE:,} bytes", param_hint="--template")
    return raw


def _count(recipients: Path) -> int:
    """Recipients in a file, for percentages. Raises typer.BadParameter for a stream, which can be read only once."""
    if str(recipients) == "-" or not recipients.is_file():
        raise typer.BadParameter(
            "a stream cannot be counted first: add --total N, or use numbers of recipients, not percentages", param_hint="--steps"
        )
    with RecipientsFile(recipients) as file, people.status("counting recipients") if people.is_terminal else people:
        return sum(not isinstance(row, BadRow) for row in file.rows())


class _Run:
    """One run of the command."""

    def __init__(
        self,
        wooshq: Wooshq,
        file: RecipientsFile,
        path: Path,
        rejects: rejects_.Rejects,
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

    def go(self, template: bytes | None, resume: str | None, **rules: Any) -> None:
        """Feed the job, and follow it. Raises typer.Exit."""
        self._resumes = resume is not None
        if resume is not None:
            check_same_source(self._wooshq.bulk.show(resume).source, self._path, self._file)
        try:
            checked = None if template is None else template_of(template, self._wooshq.settings)
            rows = self._rows()
            # Reading the first row now: a file that cannot be read starts no job.
            first = list(itertools.islice(rows, 1))
            if not first:
                say(f"{'Standard input' if str(self._path) == '-' else self._path} has no recipients. No job was started.")
                raise typer.Exit(SOME_REFUSED)
            with self._progress:
                job = self._feed(checked, resume, itertools.chain(first, rows), rules)
                ended = job.show() if self._detach else job.wait(watch=self._watch)
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
        self._summarize(job, ended)

    def _rows(self) -> Iterator[Recipient | BadRow]:
        """The file's rows. Raises RecipientsUnreadable if the file changed during the reading."""
        yield from self._file.rows()
        self._file.check_unchanged()

    def _feed(self, template: Template | None, resume: str | None, rows: Iterable[Recipient | BadRow], rules: dict[str, Any]) -> JobHandle:
        return self._wooshq.fan_out(
            template,
            rows,
            resume=resume,
            refused=self._refuse,
            opened=self._opened,
            fed=self._look,
            noted=lambda sentence: say(f"Note: {sentence}"),
            source=source_of(self._path, self._file),
            **rules,
        )

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
        if job.columns_not_sent:
            say(f"Note: not sent, because the message does not use it: {', '.join(job.columns_not_sent)}. --also NAME sends a column.")
        if not job.is_new and not self._resumes:
            say("The idempotency_key of the template was used before, so no new job was started. This is the earlier job.")
        if job.duplicates:
            say(f"{several(job.duplicates, 'duplicate recipient')} {'was' if job.duplicates == 1 else 'were'} skipped.")
        for note in self._file.notes.sentences():
            say(f"Note: {note}")
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
