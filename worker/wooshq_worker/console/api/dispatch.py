"""Finds the call of a request, checks who makes it, reads what it takes, and carries it out. Every error becomes an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wooshq.aio import AsyncWooshq
from wooshq_schemas import Problem
from wooshq_worker.console.access.callers import Caller, Callers, authorization_of
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api import problems
from wooshq_worker.console.api.body import read_json
from wooshq_worker.console.api.operation import Call, Operation, Room

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.requests import RequestSpans

HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer: it may contain personal data, and is never anything else than what it says."""
_RAW: Final = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_PARAMETER: Final = re.compile(r"\\{(\w+)\\}")


class Calls:
    """
    The calls, before the app: what is not one of them goes to the app. FastAPI's own way to a call costs a third of what accepting a
    message costs.
    """

    def __init__(
        self, app: FastAPI, rooms: Iterable[Room], client: AsyncWooshq, callers: Callers, most_bytes: int, spans: RequestSpans | None = None
    ) -> None:
        """spans: None if tracing is off."""
        self.app = app
        self._client = client
        self._callers = callers
        self._most_bytes = most_bytes
        self._spans = spans
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in (operation for room in rooms for operation in room.operations):
            by_path.setdefault(operation.path, {})[operation.method] = operation
        self._fixed = {path: operations for path, operations in by_path.items() if "{" not in path}
        self._others = [(_pattern(path), operations) for path, operations in by_path.items() if "{" in path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope) if scope["type"] == "http" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        scope["app"] = self.app
        if self._spans is None:
            answer = await self._answer(found, Request(scope, receive, send))
            answer.raw_headers.extend(_RAW)
            await answer(scope, receive, send)
            return
        route = next(iter(found.values())).path
        with self._spans.request(scope["method"], route, scope["headers"]) as span:
            answer = await self._answer(found, Request(scope, receive, send))
            span.with_status(answer.status_code)
            answer.raw_headers.extend(_RAW)
            await answer(scope, receive, send)

    def _find(self, scope: Scope) -> Mapping[str, Operation] | None:
        """The calls of a path, by method. It also notes the parameters in the path."""
        path = scope["path"]
        if (fixed := self._fixed.get(path)) is not None:
            scope["path_params"] = {}
            return fixed
        for pattern, operations in self._others:
            if (match := pattern.fullmatch(path)) is not None:
                scope["path_params"] = match.groupdict()
                return operations
        return None

    async def _answer(self, operations: Mapping[str, Operation], request: Request) -> Response:
        try:
            operation = operations.get("GET" if request.method == "HEAD" else request.method)
            if operation is None:
                raise _no_such_method(operations)
            caller = await self._callers.caller(authorization_of(request))
            caller.may(operation.scope)
            return await self._carry_out(operation, caller, request)
        except Exception as error:
            return problems.answer(error)

    async def _carry_out(self, operation: Operation, caller: Caller, request: Request) -> Response:
        given: dict[str, Any] = dict(request.path_params)
        if operation.query is not None:
            given["wanted"] = _query(request, operation.query)
        if operation.body is not None:
            given["said"] = await self._body(operation, request, operation.body)
        return await operation.run(Call(request, self._client, caller.name, self._most_bytes), **given)

    async def _body(self, operation: Operation, request: Request, model: type[BaseModel]) -> BaseModel:
        if operation.optional_body and request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
            return model()
        return await read_json(request, model, self._most_bytes, *operation.media_types)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", re.escape(path)))


def _no_such_method(operations: Mapping[str, Operation]) -> Refused:
    allowed = [*operations, *(["HEAD"] if "GET" in operations else [])]
    detail = "This path does not have this method. See /openapi.json"
    return Refused(405, "no-such-call", "This method is not allowed here", detail, headers={"Allow": ", ".join(sorted(allowed))})


def _query(request: Request, model: type[BaseModel]) -> BaseModel:
    """The query parameters as a model. Raises Refused (422)."""
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) != len(pairs):
        twice = sorted({name for name, _ in pairs if sum(other == name for other, _ in pairs) > 1 and name in model.model_fields})
        raise problems.invalid_parameters([Problem(name, "is given more than once", "Give it once") for name in twice or ["?"]])
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise problems.invalid_parameters(problems.problems_of(error)) from None
