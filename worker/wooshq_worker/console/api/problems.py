"""Errors as problem details (RFC 9457). `errors` say where by JSON pointer. No answer contains a value of the request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from wooshq.errors import HistoryMissing, QueryInvalid
from wooshq.history.contract import HistoryAway, HistoryNewer
from wooshq.problem_details import EXPLAINED, MEDIA_TYPE, RETRY_AFTER_S, pointer_to, problem_details
from wooshq_schemas import Problem
from wooshq_worker.console.access.refused import Refused

_NAMED: Final = re.compile(r"^([a-z_]+): (.+)$", re.DOTALL)
_PYDANTICS_WAY: Final = re.compile(r"^(?:Value error, |Input should |String should |List should )")
_TITLES: Final = {404: "Nothing is here", 405: "This method is not allowed here"}

_AWAY: Final = "A part of what was asked for is in the history, whose database does not answer. What is open is in the ledger: ask for that, or try again."

log = structlog.get_logger(__name__)


def answer(error: Exception) -> Response:
    """The answer for an error of a call. One that no client can mend is an event in the log, and a 500 that says nothing."""
    if isinstance(error, EXPLAINED):
        told = problem_details(error)
        return Response(told.body, told.status, dict(told.headers), MEDIA_TYPE)
    if isinstance(error, Refused):
        return problem(error.status, error.kind, error.title, error.detail, errors=error.errors, headers=error.headers)
    if isinstance(error, (HistoryAway, HistoryNewer, HistoryMissing)):
        kind, detail = ("history-missing", str(error)) if isinstance(error, HistoryMissing) else ("history-away", _AWAY)
        return problem(503, kind, "The history cannot be read", detail, headers={"Retry-After": str(RETRY_AFTER_S)})
    if isinstance(error, QueryInvalid):
        errors = [{"field": "query", "column": error.column, "problem": error.problem, "hint": ""}]
        return problem(422, "query-invalid", "The query cannot be read", str(error), errors=errors)
    if isinstance(error, ValueError) and not isinstance(error, (UnicodeError, ValidationError, json.JSONDecodeError)):
        return problem(422, "invalid", "The request is not valid", str(error), errors=_of_rule(str(error)))
    log.error("http_failed", exc_info=error)
    return problem(500, "internal", "This failed here", "It is an error of the server, and in its log.")


def problem(
    status: int,
    kind: str,
    title: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Problem details as an answer."""
    members = {
        "type": f"urn:wooshq:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        **({"errors": list(errors)} if errors else {}),
    }
    return Response(json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode(), status, dict(headers or {}), MEDIA_TYPE)


async def of_the_framework(request: Request, error: Exception) -> Response:
    """An unknown path, or a method that it does not have."""
    status = getattr(error, "status_code", 500)
    headers = getattr(error, "headers", None)
    detail = "No call has this path. See /openapi.json" if status == 404 else "This path does not have this method. See /openapi.json"
    return problem(status, "no-such-call", _TITLES.get(status, "This cannot be done"), detail, headers=headers)


def invalid_body(problems: Sequence[Problem]) -> Refused:
    """A JSON body that is not what the call takes."""
    errors = [{"pointer": pointer_to(one.field), **one.as_dict()} for one in problems]
    return Refused(422, "invalid", "The request is not valid", "\n".join(map(str, problems)), errors=errors)


def invalid_parameters(problems: Sequence[Problem]) -> Refused:
    """Query parameters that are not what the call takes."""
    errors = [{"parameter": one.field, "problem": one.problem, "hint": one.hint} for one in problems]
    return Refused(422, "invalid", "The request is not valid", "\n".join(map(str, problems)), errors=errors)


def problems_of(error: ValidationError) -> list[Problem]:
    """pydantic's errors of one of our own models. They never contain a value."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [Problem(".".join(map(str, one["loc"])), _in_words(one["type"], one["msg"])) for one in found]


def _in_words(kind: str, said: str) -> str:
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "no such field"
        case _:
            return _PYDANTICS_WAY.sub("must ", said).replace("must must", "must")


def _of_rule(said: str) -> list[dict[str, Any]]:
    """A rule of the Python API names its argument in front."""
    named = _NAMED.match(said)
    return [{"pointer": pointer_to(named[1]), "field": named[1], "problem": named[2], "hint": ""}] if named else []
