"""Every status of an error, with what it means and an example: made by the code that answers it, so the document cannot differ from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from wooshq.errors import NotAccepted
from wooshq_schemas import IntentInvalid, Problem
from wooshq_worker.console.access.refused import Refused, forbidden, too_many, unauthorized
from wooshq_worker.console.api.body import JSON, no_pause, too_large, wrong_media_type
from wooshq_worker.console.api.problems import answer, problem
from wooshq_worker.console.api.shapes import EXAMPLE_ID, Json

MEANS: Final[Mapping[int, str]] = {
    400: "The body is incomplete.",
    401: "No bearer token, or one that nobody knows.",
    403: "The token does not have the scope.",
    404: "Nothing has this id.",
    408: "Nothing came of the body for a minute.",
    413: "The body is too large.",
    415: "Another media type is needed.",
    422: "The request is not valid: `errors` say where. Or an idempotency key was used with another body. A repetition gets the same answer.",
    429: "Too many requests with this token. Wait for `Retry-After` seconds.",
    500: "An error of the server.",
    503: "The record of messages does not answer. Repeat the request after `Retry-After` seconds; a message with the `id` of this answer.",
}
_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "That a bearer token is needed."},
    403: {"WWW-Authenticate": "The scope that is needed."},
    429: {"Retry-After": "Seconds to wait."},
    503: {"Retry-After": "Seconds to wait."},
}


def example_of(status: int) -> Json:
    """The body of an error with this status."""
    found: Json = json.loads(bytes(_answer_of(status).body))
    return found


def headers_of(status: int) -> Mapping[str, str]:
    """Header → what it says."""
    return _HEADERS.get(status, {})


def _answer_of(status: int) -> Response:
    match status:
        case 400:
            return answer(Refused(400, "incomplete", "The body is incomplete", "The connection ended before the body did"))
        case 401:
            return answer(unauthorized("Nobody knows this token. It may have been revoked: wooshq tokens"))
        case 403:
            return answer(forbidden("operate"))
        case 404:
            return problem(404, "unknown-id", "Nothing has this id", "Check the id")
        case 408:
            return answer(no_pause())
        case 413:
            return answer(too_large(8 * 1024 * 1024))
        case 415:
            return answer(wrong_media_type(JSON))
        case 422:
            return answer(IntentInvalid([Problem("message.push.titel", "no such field", "Did you mean message.push.title?")]))
        case 429:
            return answer(too_many(1))
        case 503:
            return answer(NotAccepted("", intent_ids=[EXAMPLE_ID], maybe_done=True))
    return problem(500, "internal", "This failed here", "It is an error of the server, and in its log.")
