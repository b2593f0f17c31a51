"""`wooshq bulk …`: show and control fan-out jobs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer

from wooshq import Wooshq
from wooshq.errors import JobUnknown
from wooshq.jobs.show import Job
from wooshq.jobs.unreached_lines import recipient_lines
from wooshq.letters.replays.planning import LeftOutFor
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.commands.letters.parts import patch_of
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.files import opened
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, Group, examples
from wooshq_worker.cli.terminal.job import NoCallYet, full
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, Json, continue_unread, data, emit, finish, say, several, short
from wooshq_worker.cli.terminal.out import show as print_line
from wooshq_worker.cli.terminal.progress import JobProgress
from wooshq_worker.cli.terminal.tables import Column, table

_EVERY_S: Final = 1.0
#: How long a pause or a cancel waits for calls in progress, so that it can say how many were sent.
_ENDS_WITHIN_S: Final = 3.0

app = typer.Typer(
    cls=Group,
    help="Show, pause, resume and cancel fan-out jobs (wooshq fanout starts one).",
    epilog=examples("wooshq bulk list", f"wooshq bulk show {EXAMPLE_ID} --watch", f"wooshq bulk pause {EXAMPLE_ID}"),
    no_args_is_help=True,
    rich_markup_mode="rich",
)
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")]

_JOBS = (
    Column("id"),
    Column("state"),
    Column("sent"),
    Column("total"),
    Column("dead", 1),
    Column("in doubt", 3),
    Column("left", 2),
    Column("rate/s", 4),
    Column("started (UTC)", 5),
    Column("campaign", 6),
)


@app.command("list", cls=Command, epilog=examples("wooshq bulk list --most 5"))
def list_(
    most: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most N jobs.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    with open_wooshq() as wooshq:
        found = wooshq.bulk.list(most=most)
    if as_json:
        for job in found:
            emit(job)
        return
    rows = [(j.id, j.state, j.sent, j.total, j.dead, j.unknown, j.left, f"{j.rate:.0f}", short(j.accepted_at), j.campaign) for j in found]
    table(several(len(found), "job"), _JOBS, rows, empty="There are no jobs.")


@app.command(cls=Command, epilog=examples(f"wooshq bulk show {EXAMPLE_ID}", f"wooshq bulk show {EXAMPLE_ID} --unknown unknown.txt"))
def show(
    job_id: JobId,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the job until it ends, pauses or stops.")] = False,
    recount: Annotated[bool, typer.Option("--recount", help="Count the recipients again, and compare with the job's counters.")] = False,
    unknown: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the identifiers that the API does not know to this file, one per line; - for standard output."
        ),
    ] = None,
    in_doubt: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the recipients in doubt to this file, as NDJSON; - for standard output. In doubt: their call got no answer, so they may have received the message, even twice.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Show a job: how many recipients were sent to, how many failed, and what the job waits for."""
    with open_wooshq() as wooshq:
        job = _or_end(wooshq, job_id)
        if watch:
            job = _watch(wooshq, job.id, as_json)
        if unknown is not None:
            n = _write(wooshq.bulk.unknown_identifiers(job.id), unknown, force, "--unknown", "identifier")
            wooshq.note_export(f"job {job.id}", n, selection="unknown identifiers", by=by)
        if in_doubt is not None:
            n = _write((one.to_json() for one in wooshq.bulk.in_doubt(job.id)), in_doubt, force, "--in-doubt", "recipient")
            wooshq.note_export(f"job {job.id}", n, selection="recipients in doubt", by=by)
        if as_json:
            if not watch:
                emit(job)
        elif "-" not in (str(unknown), str(in_doubt)):
            full(job)
        if recount:
            finish(_recount(wooshq, job))


def _watch(wooshq: Wooshq, job_id: str, as_json: bool) -> Job:
    at = 0.0
    no_call_yet = NoCallYet(wooshq)
    with JobProgress(shown=not (as_json and data.is_terminal)) as progress:
        while True:
            job = wooshq.bulk.show(job_id)
            progress.show(job)
            no_call_yet.look(job)
            if as_json and (job.is_at_rest or time.monotonic() - at >= _EVERY_S):
                at = time.monotonic()
                emit(job)
            if job.is_at_rest:
                return job
            time.sleep(0.2)


def _write(lines: Iterable[str], file: Path, force: bool, option: str, what: str) -> int:
    """How many lines."""
    n = 0
    with opened(file, force=force, option=option) as out:
        for line in lines:
            out.write(line + "\n")
            n += 1
        out.flush()
    if str(file) != "-":
        say(f"{several(n, what)} written to {file}.")
    return n


def _recount(wooshq: Wooshq, job: Job) -> int:
    counted = wooshq.bulk.recount(job.id)
    job = wooshq.bulk.show(job.id)
    differ = [name for name in ("total", "sent", "dead", "unknown_identifiers", "expired") if counted[name] != job[name]]
    if differ and not job.is_final:
        say("The counters change while the job runs. Count again when it is paused or has ended.")
        return ALL_DONE
    for name in differ:
        say(f"{name}: the counter says {job[name]}, the count is {counted[name]}.")
    if not differ:
        say("The count and the counters agree.")
    return SOME_REFUSED if differ else ALL_DONE


@app.command(cls=Command, epilog=examples(f"wooshq bulk pause {EXAMPLE_ID} --why 'until the shop is back'"))
def pause(
    job_id: JobId,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Reason to show with the job.")] = "paused manually",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Pause a job in every worker. Calls in progress end; no new call starts."""
    continue_unread()
    with open_wooshq() as wooshq:
        _or_end(wooshq, job_id)
        _moved(_at_rest(wooshq, wooshq.bulk.pause(job_id, why, by=by)), ("paused",), as_json)


@app.command(cls=Command, epilog=examples(f"wooshq bulk resume {EXAMPLE_ID}"))
def resume(job_id: JobId, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """Resume a job that is paused or stopped. A roll-out continues with its next step."""
    continue_unread()
    with open_wooshq() as wooshq:
        _or_end(wooshq, job_id)
        _moved(wooshq.bulk.resume(job_id, why, by=by), ("running", "feeding", "done"), as_json)


@app.command(cls=Command, epilog=examples(f"wooshq bulk cancel {EXAMPLE_ID}"))
def cancel(job_id: JobId, why: Why = "", by: By = None, as_json: Json = False) -> None:
    """
    Cancel a job. Recipients not yet sent to are skipped: wooshq bulk unreached lists them, and wooshq bulk continue starts a job for them.
    """
    continue_unread()
    with open_wooshq() as wooshq:
        _or_end(wooshq, job_id)
        job = _at_rest(wooshq, wooshq.bulk.cancel(job_id, why, by=by))
        if job.cancelled:
            say(
                f"{job.cancelled:,} were not reached. List them: wooshq bulk unreached {job_id}. Send to them: wooshq bulk continue {job_id}"
            )
        _moved(job, ("cancelled",), as_json)


@app.command("retry-failed", cls=Command, epilog=examples(f"wooshq bulk retry-failed {EXAMPLE_ID} --dry-run"))
def retry_failed(
    job_id: JobId,
    rate: Annotated[float | None, typer.Option(metavar="N", help="API calls per second. Default: as fast as the limits allow.")] = None,
    in_doubt: Annotated[
        bool,
        typer.Option(
            "--in-doubt", help="Also replay letters in doubt (reasons unknown and poison). Their recipients may receive the message twice."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the outcome, but change nothing.")] = False,
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Replay a job's dead letters. Those with the same text share calls. Recipients that received the message are skipped."""
    continue_unread()
    with open_wooshq() as wooshq:
        _or_end(wooshq, job_id)
        done = wooshq.bulk.retry_failed(job_id, dry_run=dry_run, rate=rate, in_doubt=in_doubt, why=why, by=by)
    if as_json:
        emit(done)
    else:
        verb, end = ("would be replayed", " Nothing was sent.") if dry_run else ("will be replayed", "")
        calls = f" in {several(done.calls, 'call')}" if done.replayed else ""
        say(
            f"{several(done.selected, 'dead letter')}: {done.replayed:,} {verb}{calls}, {done.skipped:,} skipped, {done.invalid:,} invalid.{end}"
        )
        if done.id is not None:
            print_line(done.id)
            say(f"The replay is {done.state}. Follow it: wooshq replays show {done.id} --watch")
        if in_doubt_n := done.left_out.get(LeftOutFor.IN_DOUBT, 0):
            say(
                f"{several(in_doubt_n, 'letter')} in doubt {'was' if in_doubt_n == 1 else 'were'} skipped. --in-doubt replays {'it' if in_doubt_n == 1 else 'them'}, too."
            )
    finish(SOME_REFUSED if done.skipped or done.invalid else ALL_DONE)


@app.command(cls=Command, epilog=examples(f"wooshq bulk unreached {EXAMPLE_ID} rest.ndjson"))
def unreached(
    job_id: JobId,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Write the recipients to this file, for wooshq fanout: NDJSON, or CSV if it ends in .csv; - for standard output.",
        ),
    ],
    dead: Annotated[bool, typer.Option("--dead/--no-dead", help="Whether to include recipients that have a dead letter.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    why: Why = "",
    by: By = None,
) -> None:
    """List exactly those whom a cancelled, expired, paused or stopped job did not reach: neither sent to nor in doubt."""
    with open_wooshq() as wooshq:
        job = _or_end(wooshq, job_id)
        counted: Counter[str] = Counter()
        try:
            with opened(file, force=force, option="FILE") as out:
                for line in recipient_lines(wooshq.bulk.unreached(job.id, dead=dead), counted, as_csv=file.suffix.lower() == ".csv"):
                    out.write(line)
                out.flush()
        except JobUnknown as error:
            say(f"{job_id}: {error}.")
            raise typer.Exit(SOME_REFUSED) from None
        n = counted.total()
        wooshq.note_export(f"job {job.id}", n, selection="recipients not reached", why=why, by=by)
    where = "" if str(file) == "-" else f" written to {file}"
    parts = ", ".join(f"{count:,} {why}" for why, count in counted.items())
    say(f"{several(n, 'recipient')}{where}{f' ({parts})' if n else ''}.")
    if counted["dead"]:
        say(
            f"The dead ones have dead letters. Once you have sent to them: wooshq dead discard --bulk {job.id}. Or leave them out: --no-dead"
        )
    if not job.is_fed:
        say("The job was cancelled before all recipients were given to it. Those that were not are only in your own file.")


@app.command("continue", cls=Command, epilog=examples(f"wooshq bulk continue {EXAMPLE_ID} --why 'the shop is back'"))
def continue_(
    job_id: JobId,
    patch: Annotated[
        str | None,
        typer.Option(
            metavar="JSON", help="JSON merge patch (RFC 7396) for the template. @FILE reads it from a file, - from standard input."
        ),
    ] = None,
    rate: Annotated[float | None, typer.Option(metavar="N", help="API calls per second. Default: as fast as the limits allow.")] = None,
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Start a job for those whom another job did not reach (without the dead: wooshq bulk retry-failed). Called again, it is the same job; with another patch it is refused."""
    continue_unread()
    change = None if patch is None else patch_of(patch)
    with open_wooshq() as wooshq:
        job = _at_rest(wooshq, _or_end(wooshq, job_id))
        started = wooshq.bulk.continue_job(job.id, patch=change, rate=rate, why=why, by=by).show()
        emit(started) if as_json else print_line(started.id)
        say(f"The job {started.id} sends to {several(started.total, 'recipient')} that job {job.id} did not reach.")
        if job.dead:
            say(f"{several(job.dead, 'recipient')} of job {job.id} have dead letters: wooshq bulk retry-failed {job.id}")


def _or_end(wooshq: Wooshq, job_id: str) -> Job:
    try:
        return wooshq.bulk.show(job_id)
    except JobUnknown as error:
        say(f"{job_id}: {error}.")
        raise typer.Exit(SOME_REFUSED) from None


def _at_rest(wooshq: Wooshq, job: Job) -> Job:
    """The job when its calls in progress have ended (it starts no new ones), so that the number of recipients sent to is final."""
    ends = time.monotonic() + _ENDS_WITHIN_S
    while job.sending and time.monotonic() < ends:
        time.sleep(0.1)
        job = wooshq.bulk.show(job.id)
    return job


def _moved(job: Job, wanted: tuple[str, ...], as_json: bool) -> None:
    emit(job) if as_json else print_line(f"{job.id} {job.state}")
    in_progress = f", {job.sending:,} more are in progress" if job.sending else ""
    say(f"The job has sent to {job.gone_out - job.sending:,} of {job.total:,} recipients{in_progress}.")
    if job.state not in wanted:
        say(f"The job is {job.state}, and this cannot be changed.")
        finish(SOME_REFUSED)
