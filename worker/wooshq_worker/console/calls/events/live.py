"""`GET /v1/events`: what webhooks are told, as server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from wooshq.events.event import check_types
from wooshq.tokens.token import Scope
from wooshq_worker.console.access.callers import Callers, authorization_of
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import Asked
from wooshq_worker.console.calls.events.streams import Streams

room = Room("events", "What has ended, as it happens.")

_STREAM: dict[str, Any] = {
    "type": "string",
    "description": "Server-sent events: `id`, `event` (the type) and `data` (the JSON that a webhook gets).",
}
_LAST = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The id of the last event that the client has; a browser's EventSource sends it by itself. The stream goes on after it.",
    "schema": {"type": "string", "maxLength": 100},
}


class WhichEvents(Asked):
    """Query parameters of the stream."""

    types: Annotated[str, Field(max_length=1000)] = ""
    """Only events of these types, separated by commas."""


@room.call(
    "GET",
    "/v1/events",
    "streamEvents",
    Scope.READ,
    query=WhichEvents,
    parameters=(_LAST,),
    answers={200: {"text/event-stream": _STREAM}},
    errors=(503,),
)
async def stream(call: Call, wanted: WhichEvents) -> Response:
    """
    Events as they happen: a stream that does not end.

    It ends when the server stops or the token is revoked. Ask again with `Last-Event-ID`, and it goes on; `events.missed` says that events in
    between are not kept any more. A line `: beat` comes every 15 seconds. At most `WOOSHQ_CONSOLE_STREAMS` are open at one server.
    """
    types = check_types([one.strip() for one in wanted.types.split(",") if one.strip()])
    streams: Streams = call.request.app.state.streams

    async def is_still_in() -> bool:
        callers: Callers = call.request.app.state.callers
        return await callers.is_still_in(authorization_of(call.request), Scope.READ)

    return await streams.stream(types, call.request.headers.get("last-event-id"), is_still_in)
