"""Fan-out jobs: see them, pause and stop them, and what became of single recipients."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response

from wooshq.jobs.show import Job
from wooshq.letters.replays.start import Replayed
from wooshq.tokens.token import Scope
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.body import NDJSON
from wooshq_worker.console.api.cursors import page_of_newest
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import Accepted, Asked, Because, Json, Paged, Said, model_of, page_of

room = Room("fan-outs", "One message to many recipients, as a job.")


def _lines_of(what: str) -> Json:
    return {"type": "string", "description": f"{what} a line; the last line is `{{done, count}}`."}


class RateBecause(Said):
    """A job's own limit."""

    rate: float | None
    """Calls a second; null for none."""
    why: Annotated[str, Field(max_length=500)] = ""
    """The reason, for the audit log."""


class RetryFailed(Because):
    """Which letters of a job are replayed."""

    dry_run: bool = False
    """Only say what would be done."""
    rate: float | None = None
    """API calls a second. Null: as fast as the limits allow."""
    in_doubt: bool = False
    """Also letters whose recipient may have received the message: some may receive it twice."""


class ContinueBecause(Because):
    """A job for those whom another job did not reach."""

    patch: dict[str, Any] | None = None
    """A JSON merge patch (RFC 7396) for its template."""
    rate: float | None = None
    """Calls a second. Null: as fast as the limits allow."""


class WithDead(Asked):
    """Query parameters of the unreached."""

    dead: bool = True
    """Also those with an open dead letter; they come last."""


@room.call(
    "GET",
    "/v1/bulk",
    "listJobs",
    Scope.READ,
    query=Paged,
    answers={200: page_of(model_of(Job))},
)
async def list_(call: Call, wanted: Paged) -> Response:
    """Jobs, the newest first."""
    return answers.page(*await page_of_newest(lambda most: call.client.bulk.list(most=most), wanted.after, wanted.limit))


@room.call("GET", "/v1/bulk/{job_id}", "getJob", Scope.READ, answers={200: model_of(Job)})
async def show(call: Call, job_id: str) -> Response:
    """The state of a job, with its counters."""
    return answers.one(await call.client.bulk.show(job_id))


def _verb(verb: Literal["pause", "resume", "cancel"], doc: str) -> None:
    async def act(call: Call, job_id: str, said: Because) -> Response:
        done = getattr(call.client.bulk, verb)
        return answers.one(await done(job_id, *([said.why] if said.why else []), by=call.by))

    act.__doc__ = doc
    path, operation_id = f"/v1/bulk/{{job_id}}/{verb}", f"{verb}Job"
    room.call("POST", path, operation_id, Scope.OPERATE, body=Because, optional_body=True, answers={200: model_of(Job)})(act)


_verb("pause", "Pause a job. Calls in progress end.")
_verb("resume", "Resume a job that is paused or stopped.\n\nA roll-out starts its next step.")
_verb("cancel", "Cancel a job. Recipients not yet sent to are skipped.")


@room.call("PUT", "/v1/bulk/{job_id}/rate", "setJobRate", Scope.OPERATE, body=RateBecause, answers={200: model_of(Job)})
async def set_rate(call: Call, job_id: str, said: RateBecause) -> Response:
    """Change a job's own limit. It counts at once."""
    return answers.one(await call.client.bulk.set_rate(job_id, said.rate, why=said.why, by=call.by))


@room.call(
    "POST",
    "/v1/bulk/{job_id}/retry-failed",
    "retryFailedOfJob",
    Scope.OPERATE,
    body=RetryFailed,
    optional_body=True,
    answers={202: model_of(Replayed), 200: model_of(Replayed)},
    headers={"Location": "The replay; only with 202."},
)
async def retry_failed(call: Call, job_id: str, said: RetryFailed) -> Response:
    """
    Replay the job's open dead letters.

    Recipients that received the message are skipped. 200: a dry run, or there is nothing to replay.
    """
    done = await call.client.bulk.retry_failed(
        job_id, dry_run=said.dry_run, rate=said.rate, in_doubt=said.in_doubt, why=said.why, by=call.by
    )
    return answers.one(done) if done.id is None else answers.accepted("replays", done.id, body=done)


@room.call(
    "POST",
    "/v1/bulk/{job_id}/continue",
    "continueJob",
    Scope.OPERATE,
    body=ContinueBecause,
    optional_body=True,
    answers={202: Accepted},
    headers={"Location": "The new job."},
)
async def continue_(call: Call, job_id: str, said: ContinueBecause) -> Response:
    """
    Start a job for those whom this one did not reach.

    A job that is paused or stopped is cancelled first. Called again, it goes on with the same new job; with another
    patch it is refused (422).
    """
    made = await call.client.bulk.continue_job(job_id, patch=said.patch, rate=said.rate, why=said.why, by=call.by)
    return answers.accepted("bulk", made.id)


@room.call(
    "GET", "/v1/bulk/{job_id}/unreached", "getUnreached", Scope.READ, query=WithDead, answers={200: {NDJSON: _lines_of("A recipient")}}
)
async def unreached(call: Call, job_id: str, wanted: WithDead) -> Response:
    """
    Every recipient that was neither sent to nor is in doubt.

    Of a job that was cancelled, has expired, is paused or stopped; 422 while recipients are being sent to.
    """
    return await answers.lines(call.client.bulk.unreached(job_id, dead=wanted.dead))


@room.call(
    "GET",
    "/v1/bulk/{job_id}/in-doubt",
    "getInDoubt",
    Scope.READ,
    answers={200: {NDJSON: _lines_of("A recipient: `{at, cause, identifier}`,")}},
)
async def in_doubt(call: Call, job_id: str) -> Response:
    """Every recipient in doubt, the oldest case first."""
    return await answers.lines(call.client.bulk.in_doubt(job_id))


@room.call(
    "GET", "/v1/bulk/{job_id}/unknown-identifiers", "getUnknownIdentifiers", Scope.READ, answers={200: {NDJSON: _lines_of("An identifier")}}
)
async def unknown_identifiers(call: Call, job_id: str) -> Response:
    """Every identifier of the job that the API did not know."""
    return await answers.lines(call.client.bulk.unknown_identifiers(job_id))
