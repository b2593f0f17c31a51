"""A call of the HTTP API: its path, its scope, what it takes and answers. The route and the OpenAPI document come from the same values."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from wooshq.aio import AsyncWooshq
from wooshq.tokens.token import Scope
from wooshq_worker.console.api.body import JSON
from wooshq_worker.console.api.shapes import Json

Handler: TypeAlias = Callable[..., Awaitable[Response]]
Content: TypeAlias = "type[BaseModel] | Mapping[str, type[BaseModel] | Json]"
"""A model in JSON; or media type → a model, or a schema."""
Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH"]


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
