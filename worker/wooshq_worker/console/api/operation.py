"""A call of the HTTP API: its path, its scope, what it takes and answers. The route and the OpenAPI document come from the same values."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from wooshq.aio import AsyncWooshq
from wooshq.tokens.token import Scope
from wooshq_schemas import Problem
from wooshq_worker.console.access.callers import Caller, Callers
from wooshq_worker.console.api import problems
from wooshq_worker.console.api.body import JSON, read_json
from wooshq_worker.console.api.shapes import Json

Handler: TypeAlias = Callable[..., Awaitable[Response]]
Content: TypeAlias = "type[BaseModel] | Mapping[str, type[BaseModel] | Json]"
"""A model in JSON; or media type → a model, or a schema."""
Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH"]

HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer: it may contain personal data, and is never anything else than what it says."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may be carried out. by: the name of its token, for the audit log."""

    request: Request
    client: AsyncWooshq
    by: str
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Operation:
    """
    A call as it is documented and carried out. query: a model of its query parameters. body: a model of its JSON body; the handler gets it as
    `said`, and the query as `wanted`. raw_body: media type → model or schema, of a body that the handler reads itself. answers: status → what is in the
    answer, or None. headers: of the answer, name → what it means. examples: of the body.
    optional_body: it may be left out. leads_to: id of another call → where in the answer the id stands that this call needs.
    """

    method: Method
    path: str
    id: str
    scope: Scope
    tag: str
    run: Handler
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    media_types: Sequence[str] = (JSON,)
    raw_body: Mapping[str, type[BaseModel] | Json] = field(default_factory=dict)
    answers: Mapping[int, Content | None] = field(default_factory=dict)
    errors: Sequence[int] = ()
    parameters: Sequence[Json] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)
    optional_body: bool = False
    leads_to: Mapping[str, str] = field(default_factory=dict)

    @property
    def doc(self) -> tuple[str, str]:
        """The first sentence of its docstring, and the rest."""
        first, _, rest = (inspect.getdoc(self.run) or "").partition("\n\n")
        return first.replace("\n", " "), rest


class Room:
    """The calls about one noun. Each is registered by a decorator."""

    def __init__(self, tag: str, says: str) -> None:
        """says: a sentence about the noun, for the document."""
        self.tag = tag
        self.says = says
        self.operations: list[Operation] = []

    def call(self, method: Method, path: str, operation_id: str, scope: Scope, **more: Any) -> Callable[[Handler], Handler]:
        """Register a handler. more: fields of `Operation`."""

        def register(handler: Handler) -> Handler:
            self.operations.append(Operation(method, path, operation_id, scope, self.tag, handler, **more))
            return handler

        return register


@dataclass(frozen=True, slots=True)
class Api:
    """What all calls of a server share."""

    client: AsyncWooshq
    callers: Callers
    most_bytes: int

    def add(self, app: FastAPI, rooms: Iterable[Room]) -> None:
        """Add the routes of all operations: one for each path, so that a method that it does not have is answered with those that it has."""
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in (operation for room in rooms for operation in room.operations):
            by_path.setdefault(operation.path, {})[operation.method] = operation
        for path, operations in by_path.items():
            self._add(app, path, operations)

    def _add(self, app: FastAPI, path: str, operations: Mapping[str, Operation]) -> None:
        async def endpoint(request: Request) -> Response:
            operation = operations["GET" if request.method == "HEAD" else request.method]
            try:
                caller = await self.callers.caller(request.headers.get("authorization"))
                caller.may(operation.scope)
                done = await self._carry_out(operation, caller, request)
            except Exception as error:
                done = problems.answer(error)
            for name, value in HEADERS.items():
                done.headers.setdefault(name, value)
            return done

        app.router.add_route(path, endpoint, list(operations))

    async def _carry_out(self, operation: Operation, caller: Caller, request: Request) -> Response:
        given: dict[str, Any] = dict(request.path_params)
        if operation.query is not None:
            given["wanted"] = _query(request, operation.query)
        if operation.body is not None:
            given["said"] = await self._body(operation, request, operation.body)
        return await operation.run(Call(request, self.client, caller.name, self.most_bytes), **given)

    async def _body(self, operation: Operation, request: Request, model: type[BaseModel]) -> BaseModel:
        if operation.optional_body and request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
            return model()
        return await read_json(request, model, self.most_bytes, *operation.media_types)


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
