"""Start a fan-out: a template and recipients, in one JSON body, or as lines that are read as the job takes them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, TypeVar

from starlette.responses import Response

from wooshq.errors import Problem
from wooshq.jobs.check import Given, Refused
from wooshq.recipients.rows import BadRow
from wooshq.tokens.token import Scope
from wooshq_schemas import IntentInvalid
from wooshq_schemas.recipients.rules import RowRules
from wooshq_schemas.validation.json_text import loads
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.body import JSON, NDJSON, as_model, check_depth, check_media_type, read_bytes, within
from wooshq_worker.console.api.operation import Call
from wooshq_worker.console.api.problems import invalid_body
from wooshq_worker.console.api.shapes import LineProblem, Said
from wooshq_worker.console.calls import jobs
from wooshq_worker.console.calls.accept.stream import Lines
from wooshq_worker.console.calls.intents import IDEMPOTENCY_KEY, with_key

room = jobs.room

_MOST_TOLD: Final = 100
"""Recipients whose problems are in the answer."""
_EXAMPLE: Final = {
    "template": {"message": {"push": {"title": "Sale", "body": "Hi {{name}}"}}, "idempotency_key": "sale-7"},
    "recipients": [{"user": "u1", "name": "Ann"}, {"user": "u2", "name": "Bob"}],
    "rate": 100,
}
_LINES: Final = {
    "type": "string",
    "description": "The first line is the object without `recipients`; each other line is a recipient. They are read as the job takes them.",
    "example": '{"template": {"message": {"preset": "A-1"}}}\n{"user": "u1"}\n{"user": "u2"}\n',
}

T = TypeVar("T")


class Rollout(Said):
    """How a job is to run."""

    template: dict[str, Any]
    """An intent without `to`."""
    rate: float | None = None
    """Calls a second. Null: as fast as the limits allow."""
    steps: list[int | str] = []
    """A roll-out: for each step, how many recipients in all (`500`, or `10%` with `total`)."""
    total: int | None = None
    """Recipients in all, for percentages."""
    stop_at: float | None = None
    """Share of a step's recipients that may be dead or in doubt; above it the job stops."""
    step_wait_s: float | None = None
    """Seconds after which the next step starts by itself. Null: a person starts it."""
    allow_missing: bool = False
    """Start although a text names a value that no recipient has."""
    also: list[str] | None = None
    """Values to send although no text names them."""
    max_rejects: int | str = "1%"
    """How many of the first 2,000 may be no recipients: a number, or a percentage."""
    limit: int | None = None
    """Take only so many recipients, the first ones."""
    columns: dict[str, str] = {}
    """What wooshq calls a field → its name in the recipients, such as `{"user": "User ID"}`."""
    defaults: dict[str, str] = {}
    """Field → value for recipients without one."""
    exact: bool = False
    """Take values as they are, words for no value too."""
    fold_emails: bool = False
    """Addresses that differ only in capital letters are one recipient."""
    resume: str | None = None
    """Id of a job whose feeding was interrupted. Give the same recipients, and no rules."""


class FanOut(Rollout):
    """A template and its recipients."""

    recipients: list[Any]
    """Objects such as `{"user": "u1", "name": "Ann"}`, or user ids."""


class OneRefused(Said):
    """A recipient that is none. index: its place, from 0."""

    index: int
    errors: list[LineProblem]


class Started(Said):
    """A job whose recipients are all in the ledger. refused: recipients that are none; `errors` has the first of them. duplicates: each was taken once."""

    id: str
    location: str
    refused: int
    duplicates: int
    errors: list[OneRefused]


@room.call(
    "POST",
    "/v1/bulk",
    "startFanOut",
    Scope.SEND,
    raw_body={JSON: FanOut, NDJSON: _LINES},
    parameters=[IDEMPOTENCY_KEY],
    examples={"two recipients": _EXAMPLE},
    leads_to=dict.fromkeys(
        (
            "getJob",
            "pauseJob",
            "resumeJob",
            "cancelJob",
            "setJobRate",
            "retryFailedOfJob",
            "continueJob",
            "getUnreached",
            "getInDoubt",
            "getUnknownIdentifiers",
        ),
        "/id",
    ),
    answers={202: Started},
    headers={"Location": "The job.", "Idempotent-Replayed": "`true` if the job had been started before."},
)
async def start(call: Call) -> Response:
    """
    Send a template to each recipient once.

    202: all recipients are in the ledger. With NDJSON there may be millions: they are read as the job takes them, and the answer comes at
    the end. If it does not come, repeat the request with the same idempotency key: the job goes on, and nobody is taken twice.
    """
    if check_media_type(call.request, JSON, NDJSON) == NDJSON:
        lines = _lines(call, call.request.app.state.most_stream_bytes)
        head = await anext(lines, None)
        if head is None or isinstance(head, BadRow):
            raise invalid_body(head.problems if head is not None else [Problem("", "has no lines", "The first line is the job")])
        return await _start(call, as_model(with_key(head, call.request, "template"), Rollout), lines)
    raw = await read_bytes(call.request, call.most_bytes)
    check_depth(raw)
    given = as_model(with_key(loads(raw), call.request, "template"), FanOut)
    return await _start(call, given, _each(given.recipients))


async def _start(call: Call, said: Rollout, recipients: AsyncIterator[Given]) -> Response:
    refused: list[Refused] = []

    def note(one: Refused) -> None:
        if len(refused) < _MOST_TOLD:
            refused.append(one)

    rules = {"rate", "steps", "total", "stop_at", "step_wait_s", "allow_missing", "also", "max_rejects", "limit", "resume"}
    job = await call.client.fan_out(
        said.template,
        recipients,
        rows=RowRules(columns=said.columns, defaults=said.defaults, exact=said.exact, fold_emails=said.fold_emails),
        refused=note,
        source=json.dumps({"name": f"HTTP, by {call.by}"}),
        **said.model_dump(include=rules),
    )
    told = [{"index": one.place, "errors": [problem.as_dict() for problem in one.problems]} for one in refused]
    body = {"id": job.id, "location": f"/v1/bulk/{job.id}", "refused": job.refused, "duplicates": job.duplicates, "errors": told}
    return answers.accepted("bulk", job.id, replayed=not job.is_new, body=body)


async def _lines(call: Call, most_bytes: int) -> AsyncIterator[Any]:
    """The values of the lines. A line that has none is a BadRow; its number is that of the recipient, from 0."""
    settings = call.client.settings
    lines = Lines(settings.max_intent_bytes)
    place = -1  # the first line is the job
    async for piece in _pieces(within(call.request, most_bytes)):
        for _, line in lines.feed(piece or b"", ends=piece is None):
            yield _value(line, place, settings.max_intent_bytes)
            place += 1


async def _pieces(body: AsyncIterator[bytes]) -> AsyncIterator[bytes | None]:
    """The pieces, and None at the end."""
    async for piece in body:
        yield piece
    yield None


def _value(line: bytes | None, place: int, most: int) -> Any:
    if line is None:
        return BadRow(place, (Problem("", f"has more than {most} bytes", "Leave out what the template does not use"),), "")
    try:
        check_depth(line)
        return loads(line)
    except IntentInvalid as error:
        return BadRow(place, error.problems, "")


async def _each(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item
