"""`wooshq bulk …`: fan-out jobs, watched and held."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from wooshq import Wooshq
from wooshq.errors import JobUnknown
from wooshq.jobs.show import Job
from wooshq.ledger.states import JobState
from wooshq.letters.replay import MAY_BE_REACHED
from wooshq_worker.cli.terminal.files import opened
from wooshq_worker.cli.terminal.help import Command, Group, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, Json, data, emit, field, finish, go_on_unread, say, several, short
from wooshq_worker.cli.terminal.out import show as print_line
from wooshq_worker.cli.terminal.progress import JobProgress
from wooshq_worker.cli.terminal.tables import Column, table

_ID: Final = "018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f"
_EVERY_S: Final = 1.0
#: How long calls under way may take to end after a pause or a cancel, before they are told as such.
_ENDS_WITHIN_S: Final = 3.0
#: Nothing begun for so long, though nothing holds the job: perhaps no worker runs.
_UNBEGUN_S: Final = 10.0

app = typer.Typer(
    cls=Group,
    help="Fan-out jobs: where they are, and holding them.",
    epilog=examples("wooshq bulk list", f"wooshq bulk show {_ID} --watch", f"wooshq bulk pause {_ID}"),
    no_args_is_help=True,
    rich_markup_mode="rich",
)
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]

_JOBS = (
    Column("id"),
    Column("state"),
    Column("sent"),
    Column("total"),
    Column("dead", 1),
    Column("in doubt", 3),
    Column("left", 2),
    Column("rate/s", 4),
    Column("begun (UTC)", 5),
    Column("campaign", 6),
)


@app.command("list", cls=Command, epilog=examples("wooshq bulk list --most 5"))
def list_(
    most: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """Jobs, the newest first."""
    with Wooshq() as wooshq:
        found = wooshq.bulk.list(most=most)
    if as_json:
        for job in found:
            emit(job)
        return
    rows = [(j.id, j.state, j.sent, j.total, j.dead, j.unknown, j.left, f"{j.rate:.0f}", short(j.accepted_at), j.campaign) for j in found]
    table(several(len(found), "job"), _JOBS, rows, what="Jobs")


@app.command(cls=Command, epilog=examples(f"wooshq bulk show {_ID}", f"wooshq bulk show {_ID} --unknown nobody.txt"))
def show(
    job_id: JobId,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it ends or is held.")] = False,
    recount: Annotated[bool, typer.Option("--recount", help="Count its chunks, and hold them against its counters.")] = False,
    unknown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write identifiers that the API does not know, one a line; - for standard output.")
    ] = None,
    in_doubt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write recipients who may have got it twice, as NDJSON; - for standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Where a job is: who was reached, who was not, and what it waits for."""
    with Wooshq() as wooshq:
        job = _or_end(wooshq, job_id)
        if watch:
            job = _watch(wooshq, job.id, as_json)
        if unknown is not None:
            _write(wooshq.bulk.unknown_identifiers(job.id), unknown, force, "--unknown", "identifier")
        if in_doubt is not None:
            _write((one.to_json() for one in wooshq.bulk.in_doubt(job.id)), in_doubt, force, "--in-doubt", "recipient")
        if as_json:
            if not watch:
                emit(job)
        elif "-" not in (str(unknown), str(in_doubt)):
            _whole(job)
        if recount:
            finish(_recount(wooshq, job))


class Unbegun:
    """Says once that nothing moves though nothing holds it: where no worker runs, a job waits for ever."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._said = False

    def look(self, job: Job) -> None:
        """Where the job is now."""
        if job.total - job.left or job.sending or job.calls or job.waiting_for or job.state not in ("running", "feeding") or not job.total:
            self._since = time.monotonic()
        elif not self._said and time.monotonic() - self._since > _UNBEGUN_S:
            self._said = True
            say(f"No call was made in {_UNBEGUN_S:.0f} s: is a worker running? wooshq doctor says so.")


def _watch(wooshq: Wooshq, job_id: str, as_json: bool) -> Job:
    at = 0.0
    unbegun = Unbegun()
    with JobProgress(shown=not (as_json and data.is_terminal)) as progress:
        while True:
            job = wooshq.bulk.show(job_id)
            progress.show(job)
            unbegun.look(job)
            if as_json and (job.is_at_rest or time.monotonic() - at >= _EVERY_S):
                at = time.monotonic()
                emit(job)
            if job.is_at_rest:
                return job
            time.sleep(0.2)


def _write(lines: Iterable[str], file: Path, force: bool, option: str, what: str) -> None:
    n = 0
    with opened(file, force=force, option=option) as out:
        for line in lines:
            out.write(line + "\n")
            n += 1
        out.flush()
    if str(file) != "-":
        say(f"{several(n, what)} written to {file}.")


def _whole(job: Job) -> None:
    """A job for a person."""
    field("id", job.id)
    state = f"{job.state} (step {job.step})" if job.step else job.state
    field("state", f"{state}: {job.why}" if job.why else state)
    if job.goes_on_at:
        field("goes on", f"{short(job.goes_on_at)} UTC")
    if job.waiting_for:
        field("waits for", job.waiting_for)
    if job.state == "feeding":
        field("fed", f"not to the end; if nobody does any more: wooshq fanout --resume {job.id} --recipients FILE")
    field("recipients", f"{job.total:,}")
    for name, n in (
        ("sent", job.sent),
        ("dead letters", job.dead),
        ("not known to API", job.unknown_identifiers),
        ("expired", job.expired),
        ("cancelled", job.cancelled),
        ("left", job.left),
    ):
        field(f"  {name}", f"{n:,}")
    field("in doubt", f"{job.unknown:,} may have got it twice" if job.unknown else "nobody")
    field("calls", f"{job.calls:,} made, {job.calls_needed:,} needed")
    if job.rate:
        left = f", {job.left_s:,.0f} s left" if job.left_s is not None else ""
        field("rate", f"{job.rate:,.0f} recipients/s{left}")
    if job.refused or job.duplicates:
        field("not taken", f"{several(job.refused, 'bad row')}, {several(job.duplicates, 'duplicate')}")
    field("begun", f"{short(job.accepted_at)} UTC")
    if job.ended_at:
        field("ended", f"{short(job.ended_at)} UTC")


def describe(job: Job) -> str:
    """A job in one sentence."""
    parts = [f"{job.sent:,} of {job.total:,} sent"]
    parts += [
        f"{n:,} {name}"
        for n, name in (
            (job.dead, "dead"),
            (job.unknown_identifiers, "not known to the API"),
            (job.expired, "expired"),
            (job.cancelled, "cancelled"),
            (job.left, "left"),
        )
        if n
    ]
    doubt = f" {job.unknown:,} may have got it twice." if job.unknown else ""
    why = f" {job.why}." if job.why else ""
    return f"{job.state}: {', '.join(parts)}{_how_fast(job)}; {several(job.calls, 'call')} made, {job.calls_needed:,} needed.{doubt}{why}"


def _how_fast(job: Job) -> str:
    """Of a job that ended by itself."""
    if job.state != JobState.DONE or not (job.accepted_at and job.ended_at and job.sent):
        return ""
    took_s = max(0.001, (datetime.fromisoformat(job.ended_at) - datetime.fromisoformat(job.accepted_at)).total_seconds())
    return f" in {took_s:,.1f} s" + (f" ({job.sent / took_s:,.0f}/s)" if took_s >= 1 else "")


def _recount(wooshq: Wooshq, job: Job) -> int:
    counted = wooshq.bulk.recount(job.id)
    job = wooshq.bulk.show(job.id)
    differ = [name for name in ("total", "sent", "dead", "unknown_identifiers", "expired") if counted[name] != job[name]]
    if differ and not job.is_final:
        say("It is being sent: counters move while they are counted. Count again when it is paused or has ended.")
        return ALL_DONE
    for name in differ:
        say(f"{name}: the counter says {job[name]}, its chunks say {counted[name]}.")
    if not differ:
        say("Its counters are what its chunks say.")
    return SOME_REFUSED if differ else ALL_DONE


@app.command(cls=Command, epilog=examples(f"wooshq bulk pause {_ID} --why 'until the shop is back'"))
def pause(
    job_id: JobId, why: Annotated[str, typer.Option(metavar="TEXT", help="Shown with the job.")] = "paused by hand", as_json: Json = False
) -> None:
    """Hold a job in every worker. Calls under way end; nobody new is sent to."""
    go_on_unread()
    with Wooshq() as wooshq:
        _or_end(wooshq, job_id)
        _moved(_calmed(wooshq, wooshq.bulk.pause(job_id, why)), ("paused",), as_json)


@app.command(cls=Command, epilog=examples(f"wooshq bulk resume {_ID}"))
def resume(job_id: JobId, as_json: Json = False) -> None:
    """Let a job go on that is paused or stopped; of a roll-out, with its next step."""
    go_on_unread()
    with Wooshq() as wooshq:
        _or_end(wooshq, job_id)
        _moved(wooshq.bulk.resume(job_id), ("running", "feeding", "done"), as_json)


@app.command(cls=Command, epilog=examples(f"wooshq bulk cancel {_ID}"))
def cancel(job_id: JobId, as_json: Json = False) -> None:
    """Take a job back: who was not sent to never will be."""
    go_on_unread()
    with Wooshq() as wooshq:
        _or_end(wooshq, job_id)
        _moved(_calmed(wooshq, wooshq.bulk.cancel(job_id)), ("cancelled",), as_json)


@app.command("retry-failed", cls=Command, epilog=examples(f"wooshq bulk retry-failed {_ID} --dry-run"))
def retry_failed(
    job_id: JobId,
    rate: Annotated[float | None, typer.Option(metavar="N", help="Letters a second; all at once where absent.")] = None,
    in_doubt: Annotated[
        bool, typer.Option("--in-doubt", help="Also who may have been reached (letters unknown, poison): they may then get it twice.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Replay a job's dead letters, a call for each: nobody who was reached gets it again."""
    go_on_unread()
    with Wooshq() as wooshq:
        _or_end(wooshq, job_id)
        done = wooshq.bulk.retry_failed(job_id, dry_run=dry_run, rate=rate, in_doubt=in_doubt)
    if as_json:
        emit(done)
    else:
        verb, end = ("would be replayed", " Nothing was sent.") if dry_run else ("replayed", "")
        say(f"{several(done.selected, 'dead letter')}: {done.replayed:,} {verb}, {done.skipped:,} skipped, {done.invalid:,} invalid.{end}")
        if doubtful := sum(why == MAY_BE_REACHED for why in done.why.values()):
            say(f"Skipped were {several(doubtful, 'person', 'people')} who may have been reached; --in-doubt sends to them, too.")
    finish(SOME_REFUSED if done.skipped or done.invalid else ALL_DONE)


def _or_end(wooshq: Wooshq, job_id: str) -> Job:
    try:
        return wooshq.bulk.show(job_id)
    except JobUnknown as error:
        say(f"{job_id}: {error}.")
        raise typer.Exit(SOME_REFUSED) from None


def _calmed(wooshq: Wooshq, job: Job) -> Job:
    """A job that nobody new is sent to, once the calls under way have ended: then it is known how many had gone out."""
    ends = time.monotonic() + _ENDS_WITHIN_S
    while job.sending and time.monotonic() < ends:
        time.sleep(0.1)
        job = wooshq.bulk.show(job.id)
    return job


def _moved(job: Job, wanted: tuple[str, ...], as_json: bool) -> None:
    emit(job) if as_json else print_line(f"{job.id} {job.state}")
    under_way = f", {job.sending:,} are under way" if job.sending else ""
    say(f"{job.gone_out - job.sending:,} of {job.total:,} had gone out{under_way}.")
    if job.state not in wanted:
        say(f"It is {job.state}, and stays so.")
        finish(SOME_REFUSED)
