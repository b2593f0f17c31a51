"""Single messages: have them accepted, see what became of them, cancel them, send them again."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from pydantic import Field, RootModel
from starlette.requests import Request
from starlette.responses import Response

from wooshq.errors import Problem
from wooshq.finding.why import Explained
from wooshq.intents.entry import entry_of
from wooshq.intents.status import Status
from wooshq.tokens.token import Scope
from wooshq_schemas import Intent, IntentInvalid
from wooshq_schemas.validation.json_text import loads
from wooshq_worker.console.access.callers import Callers, authorization_of
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.body import JSON, NDJSON, check_depth, check_media_type, read_bytes
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import Accepted, Asked, Because, Said, model_of
from wooshq_worker.console.calls.accept.accepting import Accepting
from wooshq_worker.console.calls.accept.stream import accept_lines

room = Room("intents", "Messages: have them accepted, see what became of them, cancel them.")

EXAMPLE: Final = {"to": {"users": ["u1"]}, "message": {"push": {"title": "Hi", "body": "Your order left"}}}
_A_LINE: Final = {
    "type": "string",
    "description": "An intent a line.",
    "example": '{"to": {"users": ["u1"]}, "message": {"preset": "A-1"}}\n',
}
_RESULTS: Final = {
    "type": "string",
    "description": (
        "A result a line, as it goes: `{line, id}`, or `{line, errors}`; with both, the line may not have been accepted: repeat it with this "
        "id. The last line is `{done, lines, accepted, refused}`; with `done: false` it has the `problem`, and what has no result must be repeated."
    ),
    "example": '{"line":1,"id":"018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f"}\n{"done":true,"lines":1,"accepted":1,"refused":0}\n',
}
IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "The same as the field `idempotency_key`: a repetition gets the first answer, with the header `Idempotent-Replayed: true`. "
        "The same key with another body is 422. Of one intent only."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


class WhichKey(Asked):
    """Whose idempotency key it is."""

    application: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The application that an idempotency key was used with. Default: that of the server's settings."""


class Cancelled(Said):
    """What a cancelled message is now."""

    id: str
    state: str
    """`cancelled`; `cancelling` if Pushwoosh keeps it until its schedule, and is asked; or the state in which it had ended."""


class TriedNow(Said):
    """What a message is whose retry was to come now."""

    id: str
    state: str
    """`retrying`: it is due now; or the state that it is in, and stays in."""


class Counts(RootModel[dict[str, int]]):
    """Event → how often."""


class ResendBecause(Said):
    """Why a message is sent a second time."""

    why: Annotated[str, Field(min_length=1, max_length=500)]
    """The reason, for the audit log and the record of doubles."""


@room.call(
    "POST",
    "/v1/intents",
    "acceptIntents",
    Scope.SEND,
    raw_body={JSON: Intent, NDJSON: _A_LINE},
    examples={"a push to one user": EXAMPLE},
    parameters=[IDEMPOTENCY_KEY],
    leads_to=dict.fromkeys(("getIntent", "explainIntent", "cancelIntent", "tryIntentNow", "resendIntent"), "/id"),
    answers={202: {JSON: Accepted, NDJSON: _RESULTS}},
    headers={"Location": "Where to ask what becomes of it.", "Idempotent-Replayed": "`true` if it had been accepted before."},
    errors=(400, 413, 415),
)
async def accept(call: Call) -> Response:
    """
    Accept one message, or as many as there are lines.

    When 202 comes, the message is in the ledger, and will end as sent, dead, expired or cancelled. With NDJSON the results come while
    lines are still read; each line has its own `idempotency_key`.
    """
    request, settings = call.request, call.client.settings
    if check_media_type(request, JSON, NDJSON) == NDJSON:
        callers: Callers = request.app.state.callers
        is_still_in = partial(callers.is_still_in, authorization_of(request), Scope.SEND)
        return await accept_lines(request, call.client, request.app.state.most_stream_bytes, is_still_in)
    raw = await read_bytes(request, max(call.most_bytes, settings.max_intent_bytes))
    check_depth(raw)
    entry = entry_of(with_key(loads(raw), request) if "idempotency-key" in request.headers else raw, settings)
    accepting: Accepting = request.app.state.accepting
    accepted = await accepting.accept(entry)
    return answers.accepted("intents", accepted.intent_id, replayed=not accepted.new)


def with_key(data: Any, request: Request, inside: str | None = None) -> Any:
    """
    The values with the header's key in the field `idempotency_key`; inside: of the object with this name. Raises IntentInvalid if they have
    another key, Refused for a header that cannot be one.
    """
    header = request.headers.get("idempotency-key")
    target = data if inside is None else data.get(inside) if isinstance(data, dict) else None
    if header is None or not isinstance(target, dict):
        return data
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header  # the draft's form is a string in quotes
    if not key or not key.isascii() or not key.isprintable():
        raise Refused(422, "invalid", "The request is not valid", "Idempotency-Key is not printable ASCII. Leave it out, or give a key")
    if target.setdefault("idempotency_key", key) != key:
        where = "idempotency_key" if inside is None else f"{inside}.idempotency_key"
        raise IntentInvalid([Problem(where, "differs from the header Idempotency-Key", "Give one of them")])
    return data


@room.call("GET", "/v1/intents/{intent_id}", "getIntent", Scope.READ, query=WhichKey, answers={200: model_of(Status)})
async def show(call: Call, intent_id: str, wanted: WhichKey) -> Response:
    """
    Where a message is, with every attempt.

    Its id, its idempotency key, or the id of the Celery task that brought it.
    """
    found = await call.client.status(intent_id, application=wanted.application)
    if found is None:
        raise unknown()
    return answers.one(found)


@room.call("GET", "/v1/intents/{intent_id}/why", "explainIntent", Scope.READ, query=WhichKey, answers={200: model_of(Explained)})
async def why(call: Call, intent_id: str, wanted: WhichKey) -> Response:
    """
    Why a message is not out yet: one reason of a closed list, in a sentence, and what can be done.

    `reason` is null if it has ended.
    """
    found = await call.client.why(intent_id, application=wanted.application)
    if found is None:
        raise unknown()
    return answers.one(found)


@room.call(
    "POST", "/v1/intents/{intent_id}/try-now", "tryIntentNow", Scope.OPERATE, body=Because, optional_body=True, answers={200: TriedNow}
)
async def try_now(call: Call, intent_id: str, said: Because) -> Response:
    """
    End the wait of a retry: its next attempt is due now.

    Any other state than `retrying` stays as it is.
    """
    state = await call.client.try_now(intent_id, why=said.why, by=call.by)
    if state is None:
        raise unknown()
    return answers.one({"id": intent_id, "state": state})


@room.call(
    "POST", "/v1/intents/{intent_id}/cancel", "cancelIntent", Scope.OPERATE, body=Because, optional_body=True, answers={200: Cancelled}
)
async def cancel(call: Call, intent_id: str, said: Because) -> Response:
    """
    Cancel a message that has not been sent.

    One that Pushwoosh keeps until its schedule is `cancelling`: Pushwoosh is asked, and the message's `cancel` says what it answered.
    """
    state = await call.client.cancel(intent_id, why=said.why, by=call.by)
    if state is None:
        raise unknown()
    return answers.one({"id": intent_id, "state": state})


@room.call(
    "POST",
    "/v1/intents/{intent_id}/resend",
    "resendIntent",
    Scope.OPERATE,
    body=ResendBecause,
    answers={202: Accepted},
    headers={"Location": "The new message."},
    examples={"a lost phone": {"why": "the customer has a new phone"}},
)
async def resend(call: Call, intent_id: str, said: ResendBecause) -> Response:
    """
    Send again what was sent already, as a new message.

    Its recipients get it twice, unless they did not get it. It is on record as a double.
    """
    made = await call.client.resend(intent_id, said.why, by=call.by)
    if made is None:
        raise unknown()
    return answers.accepted("intents", made)


@room.call("GET", "/v1/counts", "getCounts", Scope.READ, answers={200: Counts})
async def counts(call: Call) -> Response:
    """How often each event happened since the ledger was created, and how many messages are in which state now (`now_…`)."""
    return answers.one(await call.client.counts())


def unknown() -> Refused:
    """No intent has this id."""
    return Refused(404, "unknown-id", "Nothing has this id", "Check the id. The message may have ended longer ago than WOOSHQ_RETENTION_S")
