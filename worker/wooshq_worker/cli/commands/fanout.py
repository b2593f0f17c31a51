"""`wooshq fanout`: a template and a file of recipients become a job, which is followed to its end."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer

from wooshq import Wooshq
from wooshq.client import JobHandle
from wooshq.errors import FeedInterrupted, IntentInvalid, LedgerUnavailable, RecipientsChanged, RecipientsUnreadable
from wooshq.jobs.begin import template_of
from wooshq.jobs.columns import compare
from wooshq.jobs.feed import Refused
from wooshq.jobs.show import Job
from wooshq.jobs.source import check_same_source, source_of
from wooshq.recipients.file import RecipientsFile
from wooshq.recipients.rows import BadRow
from wooshq_schemas.recipients import Recipient
from wooshq_schemas.template import Template
from wooshq_worker.cli.terminal.files import file_exists, opened
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.job import NoCallYet, sentence
from wooshq_worker.cli.terminal.out import (
    ALL_DONE,
    INTERRUPTED,
    SOME_REFUSED,
    Json,
    data,
    emit,
    finish,
    go_on_unread,
    people,
    say,
    several,
    show,
)
from wooshq_worker.cli.terminal.progress import JobProgress
from wooshq_worker.cli.values import duration_s, fraction

#: Rows that were refused of which each is shown; the rejects file has them all.
_MOST_SHOWN: Final = 5
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


def fanout(
    recipients: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="CSV with a header, or NDJSON; gzip of either; - for standard input. One column user, hwid, push_token or email; locale; "
            "every other column is a placeholder.",
        ),
    ],
    template: Annotated[Path | None, typer.Option(metavar="FILE", help="An intent without to, as JSON.")] = None,
    rate: Annotated[float | None, typer.Option(metavar="N", help="Calls a second; else as fast as the application may.")] = None,
    steps: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Roll out in steps, 1%,10%,100% or numbers of people; after each, bulk resume goes on."),
    ] = None,
    stop_at: Annotated[
        str | None, typer.Option(metavar="PART", help="Stop where more of a step than this is refused or in doubt: 5%.")
    ] = None,
    step_wait: Annotated[str | None, typer.Option(metavar="TIME", help="After so long the next step begins by itself: 10m.")] = None,
    total: Annotated[int | None, typer.Option(metavar="N", min=1, help="Of how many the percentages are; a file is counted.")] = None,
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where rows go that are no recipients; else JOB.rejects.ndjson, if there are any.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a rejects file that is there.")] = False,
    resume: Annotated[str | None, typer.Option(metavar="ID", help="Go on with a job whose recipients were not all taken in.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="End as soon as all recipients are taken in; workers go on.")] = False,
    as_json: Json = False,
) -> None:
    """Send one message to many: each recipient once, with the fewest calls. Prints the job's id, and follows it to its end."""
    go_on_unread()
    if (template is None) == (resume is None):
        why = "give --template FILE for a new job, or --resume ID to go on with one that has its template; not both"
        raise typer.BadParameter(why, param_hint="--template")
    if resume is not None and (rate, steps, stop_at, step_wait, total) != (None,) * 5:
        why = "the job goes on by the rules that it was begun with: leave out --rate, --steps, --stop-at, --step-wait, --total"
        raise typer.BadParameter(why, param_hint="--resume")
    _check_rejects(rejects, force, recipients, template)
    rules: dict[str, Any] = {
        "rate": rate,
        "stop_at": None if stop_at is None else fraction(stop_at, "--stop-at"),
        "step_wait_s": None if step_wait is None else duration_s(step_wait, "--step-wait"),
    }
    source = None if str(recipients) == "-" else recipients
    with RecipientsFile(source) as file, Wooshq() as wooshq:
        said = None if template is None else _template(template, taken=source is None)
        if steps is not None and "%" in steps and total is None:
            total = _counted(recipients)
        # The file that is named after the job is its own: who resumes it reads the same rows again.
        force = force or (resume is not None and rejects is None)
        run = _Run(wooshq, file, recipients, rejects, template=template, force=force, as_json=as_json, detach=detach)
        run.go(said, resume, steps=() if steps is None else steps, total=total, **rules)
        finish(run.outcome)


def _template(path: Path, *, taken: bool) -> bytes:
    """The template's text. taken: standard input is the recipients'."""
    if str(path) == "-" and taken:
        raise typer.BadParameter("standard input cannot be both the template and the recipients", param_hint="--template")
    try:
        raw = sys.stdin.buffer.read(_MOST_TEMPLATE + 1) if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--template") from None
    if len(raw) > _MOST_TEMPLATE:
        raise typer.BadParameter(f"{path} has more than {_MOST_TEMPLATE} bytes", param_hint="--template")
    return raw


def _check_rejects(rejects: Path | None, force: bool, recipients: Path, template: Path | None) -> None:
    """What would be found at the first bad row, when people have been sent to."""
    if rejects is None:
        return
    if str(rejects) == "-":
        raise typer.BadParameter("standard output is the job's: name a file", param_hint="--rejects")
    for other in (recipients, template):
        if other is not None and rejects.exists() and other.exists() and rejects.samefile(other):
            raise typer.BadParameter(f"{rejects} is read from: name another file", param_hint="--rejects")
    if rejects.is_file() and not force:
        raise file_exists(rejects, "--rejects")
    place = rejects if rejects.exists() else rejects.parent
    if rejects.is_dir() or not place.exists() or not os.access(place, os.W_OK):
        raise typer.BadParameter(f"{rejects} cannot be written", param_hint="--rejects")


def _counted(recipients: Path) -> int:
    """How many recipients a file names, for percentages of them."""
    if str(recipients) == "-" or not recipients.is_file():
        raise typer.BadParameter(
            "what is no file cannot be counted first: give --total N, or numbers instead of percentages", param_hint="--steps"
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
        rejects: Path | None,
        *,
        template: Path | None,
        force: bool,
        as_json: bool,
        detach: bool,
    ) -> None:
        self._wooshq = wooshq
        self._file = file
        self._path = path
        self._rejects = rejects
        self._template = template
        self._resumes = False
        self._unchecked: Template | None = None  # the template, until its placeholders were compared with the columns
        self._force = force
        self._json = as_json
        self._detach = detach
        self._out: TextIO | None = None
        self._refused = 0
        self._id: str | None = None
        self._no_call_yet = NoCallYet()
        self._looked_at = 0.0
        self._told_stop = False
        self._progress = JobProgress(shown=not (as_json and data.is_terminal))
        self.outcome = ALL_DONE

    def go(self, template: bytes | None, resume: str | None, **rules: Any) -> None:
        """Feed, and follow. Raises typer.Exit."""
        self._resumes = resume is not None
        if resume is not None:
            self._check_same(resume)
        try:
            checked = None if template is None else self._checked(template)
            rows = self._rows()
            # What cannot be read at all begins no job.
            first = list(itertools.islice(rows, 1))
            if not first:
                say(f"{'Standard input' if str(self._path) == '-' else self._path} names nobody. No job was begun.")
                raise typer.Exit(SOME_REFUSED)
            with self._progress:
                job = self._feed(checked, resume, itertools.chain(first, rows), rules)
                ended = job.show() if self._detach else job.wait(watch=self._watch)
        except KeyboardInterrupt:
            self._interrupted()
        except IntentInvalid as error:
            for problem in error.problems:
                say(f"{self._template or 'template'}: {problem}")
            say("No job was begun.")
            raise typer.Exit(SOME_REFUSED) from None
        except RecipientsChanged as error:
            if self._id is None:
                raise
            say(str(error))
            raise typer.Exit(SOME_REFUSED) from None
        except RecipientsUnreadable as error:
            if self._id is None:
                raise
            say(str(error))
            self._left_open()
            raise typer.Exit(SOME_REFUSED) from None
        except FeedInterrupted as error:
            say(str(error))
            raise typer.Exit(SOME_REFUSED) from None
        finally:
            if self._out is not None:
                self._out.close()
        self._told(job, ended)

    def _checked(self, given: bytes) -> Template:
        """The template, whose placeholders are held against the columns before anybody is sent to. Raises IntentInvalid."""
        made = template_of(given, self._wooshq.settings)
        self._unchecked = made
        return made

    def _compare(self, recipient: Recipient) -> None:
        """Compare the first recipient's columns with the template's placeholders, and note the differences."""
        template, self._unchecked = self._unchecked, None
        match = compare(template, {name for name, _ in recipient.placeholders}) if template is not None else None
        if match is None:
            return
        for name in match.missing:
            there = f"; there are {', '.join(match.given)}" if match.given else ""
            say(f"Note: no column gives {{{name}}}{there}. It stays as the API fills it.")
        for name in match.unused:
            say(f"Note: the column {name} is in no text of the message; it is sent along, and who differs in it shares no call.")

    def _watch(self, job: Job) -> None:
        self._progress.show(job)
        self._no_call_yet.look(job)

    def _feed(self, template: Template | None, resume: str | None, rows: Iterable[Recipient | BadRow], rules: dict[str, Any]) -> JobHandle:
        return self._wooshq.fan_out(
            template,
            rows,
            resume=resume,
            refused=self._refuse,
            opened=self._opened,
            fed=self._look,
            source=source_of(self._path, self._file.fingerprint),
            **rules,
        )

    def _rows(self) -> Iterator[Recipient | BadRow]:
        """The file's rows; one that changed while it was read does not count as read to its end."""
        rows = self._file.rows()
        for row in rows:
            if self._unchecked is not None and isinstance(row, Recipient):
                self._compare(row)
            yield row
            if self._unchecked is None:
                break
        yield from rows
        self._file.check_unchanged()

    def _check_same(self, job_id: str) -> None:
        check_same_source(self._wooshq.bulk.show(job_id).source, self._path, self._file.fingerprint)

    def _opened(self, job_id: str) -> None:
        self._id = job_id
        if not self._json:
            show(job_id)

    def _look(self) -> None:
        now = time.monotonic()
        if self._id is None or not (self._progress.is_due or now - self._looked_at >= _LOOK_EVERY_S):
            return
        self._looked_at = now
        job = self._wooshq.bulk.show(self._id)
        self._watch(job)
        if job.state == "stopped" and not self._told_stop:
            self._told_stop = True
            say(
                f"It has stopped: {job.why}. It takes in recipients while there is room, and waits for you: wooshq bulk resume {job.id}, or cancel."
            )

    def _refuse(self, one: Refused) -> None:
        self._refused += 1
        if self._out is None:
            self._rejects = self._rejects or Path(f"{self._id}.rejects.ndjson")
            self._out = opened(self._rejects, force=self._force, option="--rejects").__enter__()
        errors = [problem.as_dict() for problem in one.problems]
        self._out.write(json.dumps({"line": one.place, "errors": errors, "row": one.text}, ensure_ascii=False) + "\n")
        if self._refused <= _MOST_SHOWN:
            for problem in one.problems:
                say(f"line {one.place}: {problem}")

    def _told(self, job: JobHandle, ended: Job) -> None:
        if self._refused:
            say(f"{several(self._refused, 'row')} {'is' if self._refused == 1 else 'are'} no recipient; see {self._rejects}.")
        if self._refused > _MOST_SHOWN:
            say(f"The first {_MOST_SHOWN} of them stand above.")
        if not job.is_new and not self._resumes:
            say("The template's idempotency_key was used before: this is the job of then, and nobody gets it twice.")
        if job.duplicates:
            say(f"{several(job.duplicates, 'recipient')} came again, and {'was' if job.duplicates == 1 else 'were'} taken once.")
        if self._json:
            emit(ended)
        else:
            say(sentence(ended))
        if self._detach:
            say(f"All recipients are taken in. See: wooshq bulk show {job.id}")
        elif not ended.is_final:
            say(f"It waits for you: wooshq bulk resume {job.id}, or wooshq bulk cancel {job.id}")
        if ended.dead:
            say(f"Why they died: wooshq dead groups --bulk {job.id}")
        failed = ended.dead + ended.expired + ended.cancelled
        # A roll-out that waits for its next step has done what it was told to.
        went_wrong = ended.state in ("stopped", "cancelled") or (ended.state == "paused" and not ended.step)
        self.outcome = SOME_REFUSED if self._refused or failed or went_wrong else ALL_DONE

    def _interrupted(self) -> None:
        if self._id is not None:
            self._left_open()
        raise typer.Exit(INTERRUPTED) from None

    def _left_open(self) -> None:
        """Say what goes on without us, and how to go on."""
        assert self._id is not None
        try:
            job = self._wooshq.bulk.show(self._id)
        except LedgerUnavailable as error:
            say(f"{error}.")
            return
        if self._json:
            emit(job)
        say(sentence(job))
        if job.state == "feeding":
            say(f"Not all recipients were taken in. Go on: wooshq fanout --resume {job.id} --recipients {self._path}")
            say(f"Or end it: wooshq bulk cancel {job.id}")
        else:
            goes_on = "It goes on. See:" if job.state == "running" else "See:"
            say(f"{goes_on} wooshq bulk show {job.id}; end it: wooshq bulk cancel {job.id}")
