"""Webhooks over HTTP: who is told what has ended, and how that goes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from wooshq.events.event import EventType
from wooshq.events.webhook import Delivery, MadeWebhook, Webhook
from wooshq.tokens.token import Scope
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import Asked, Because, Said, model_of, page_of

room = Room("webhooks", "URLs to which wooshq sends what has ended, signed after Standard Webhooks.")

_NAMES = r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$"
_ACTS = ("getWebhook", "listDeliveries", "pauseWebhook", "resumeWebhook", "rotateWebhook", "testWebhook", "removeWebhook")


class NewWebhook(Because):
    """A webhook that is to be added."""

    name: Annotated[str, Field(pattern=_NAMES)]
    """It stands in the paths, and in the audit log."""
    url: Annotated[str, Field(min_length=1, max_length=2000)]
    """Where events are sent; https."""
    types: list[Annotated[str, Field(json_schema_extra={"enum": list(EventType)})]] | None = None
    """Only events of these types. Null: all."""


class Rotation(Because):
    """A new secret."""

    old_for_s: Annotated[float, Field(ge=0, le=30 * 86400)] = 86400.0
    """How long the old secret signs beside the new one."""


class Again(Because):
    """An event that is to be delivered once more."""

    event: Annotated[str, Field(min_length=1, max_length=100)]
    """Its id."""


class Tested(Said):
    """A test event is on its way."""

    event: str
    """Its id. The deliveries say what the receiver answered."""


class Removed(Said):
    """Whether it was there."""

    removed: bool


class Queued(Said):
    """Whether it is delivered again. False: the event is not kept any more."""

    queued: bool


class WhichDeliveries(Asked):
    """Query parameters of the deliveries."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """How many at most."""


@room.call("GET", "/v1/webhooks", "listWebhooks", Scope.READ, answers={200: page_of(model_of(Webhook))})
async def list_(call: Call) -> Response:
    """All webhooks, and the hooks of apps."""
    return answers.page(await call.client.webhooks.list(), None)


@room.call(
    "POST",
    "/v1/webhooks",
    "addWebhook",
    Scope.OPERATE,
    body=NewWebhook,
    answers={201: model_of(MadeWebhook)},
    headers={"Location": "The webhook."},
    leads_to=dict.fromkeys(_ACTS, "/name"),
    examples={
        "dead letters and jobs": {"name": "shop", "url": "https://shop.example/hooks/wooshq", "types": ["messages.dead", "job.ended"]}
    },
)
async def add(call: Call, said: NewWebhook) -> Response:
    """
    Add a webhook. What ends from now on is sent to it.

    The answer has the secret with which events are signed. It cannot be shown again; see `rotateWebhook`.
    """
    made = await call.client.webhooks.add(said.name, said.url, said.types or (), why=said.why, by=call.by)
    done = answers.one(made, 201)
    done.headers["Location"] = f"/v1/webhooks/{made.name}"
    return done


@room.call("GET", "/v1/webhooks/{name}", "getWebhook", Scope.READ, answers={200: model_of(Webhook)})
async def show(call: Call, name: str) -> Response:
    """One webhook: its state, what waits for it, and how its deliveries go. The secret is not shown."""
    return answers.one(await call.client.webhooks.show(name))


@room.call(
    "GET", "/v1/webhooks/{name}/deliveries", "listDeliveries", Scope.READ, query=WhichDeliveries, answers={200: page_of(model_of(Delivery))}
)
async def deliveries(call: Call, name: str, wanted: WhichDeliveries) -> Response:
    """The last attempts to deliver something, the newest first. The last 200 are kept."""
    return answers.page(await call.client.webhooks.deliveries(name, most=wanted.limit), None)


def _verb(verb: Literal["pause", "resume"], doc: str) -> None:
    async def act(call: Call, name: str, said: Because) -> Response:
        done = call.client.webhooks.pause if verb == "pause" else call.client.webhooks.resume
        return answers.one(await done(name, why=said.why, by=call.by))

    act.__doc__ = doc
    path, operation_id = f"/v1/webhooks/{{name}}/{verb}", f"{verb}Webhook"
    room.call("POST", path, operation_id, Scope.OPERATE, body=Because, optional_body=True, answers={200: model_of(Webhook)})(act)


_verb("pause", "Pause a webhook. Its events wait, for `WOOSHQ_WEBHOOKS_RETRY_S` at most.")
_verb("resume", "Resume a webhook that a person paused, or wooshq.")


@room.call(
    "POST",
    "/v1/webhooks/{name}/rotate",
    "rotateWebhook",
    Scope.OPERATE,
    body=Rotation,
    optional_body=True,
    answers={200: model_of(MadeWebhook)},
)
async def rotate(call: Call, name: str, said: Rotation) -> Response:
    """
    Make a new secret. For a while, both sign.

    The answer has the new secret. It cannot be shown again.
    """
    return answers.one(await call.client.webhooks.rotate(name, old_for_s=said.old_for_s, why=said.why, by=call.by))


@room.call("POST", "/v1/webhooks/{name}/test", "testWebhook", Scope.OPERATE, answers={202: Tested})
async def test(call: Call, name: str) -> Response:
    """Have a test event delivered. The deliveries say what the receiver answered."""
    return answers.one({"event": await call.client.webhooks.test(name)}, 202)


@room.call("POST", "/v1/webhooks/{name}/resend", "resendEvent", Scope.OPERATE, body=Again, answers={200: Queued})
async def resend(call: Call, name: str, said: Again) -> Response:
    """Have an event delivered once more, under the same id."""
    return answers.one({"queued": await call.client.webhooks.resend(name, said.event, why=said.why, by=call.by)})


@room.call("POST", "/v1/webhooks/{name}/remove", "removeWebhook", Scope.OPERATE, body=Because, optional_body=True, answers={200: Removed})
async def remove(call: Call, name: str, said: Because) -> Response:
    """Remove a webhook, with the events that wait for it."""
    return answers.one({"removed": await call.client.webhooks.remove(name, why=said.why, by=call.by)})
