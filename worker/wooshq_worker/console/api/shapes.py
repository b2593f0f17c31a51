"""What calls answer and take, as models: those of the Python API, with the fields that it shows."""

from __future__ import annotations

import typing
from dataclasses import fields
from functools import cache
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, create_model

from wooshq.ledger.replies import Result

Json: TypeAlias = dict[str, Any]

EXAMPLE_ID: Final = "018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f"


class Said(BaseModel):
    """The body of a call. A field that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, strict=True)


class Asked(BaseModel):
    """The query parameters of a call. A parameter that it does not have is an error: it would be ignored, and more would be selected."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Paged(Asked):
    """The query parameters of a list."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    """How many there are on a page at most."""
    after: Annotated[str, Field(max_length=500)] | None = None
    """`next` of the page before."""


class Because(Said):
    """Why somebody acts."""

    why: Annotated[str, Field(max_length=500)] = ""
    """The reason, for the audit log."""


class Accepted(BaseModel):
    """What is durable. Ask for it again under `Location`."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": EXAMPLE_ID, "location": f"/v1/intents/{EXAMPLE_ID}"}})

    id: str
    location: str


class LineProblem(BaseModel):
    """What is wrong with a part of a request."""

    pointer: str | None = None
    field: str | None = None
    parameter: str | None = None
    column: int | None = None
    problem: str
    hint: str = ""


class ProblemDetails(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    errors: list[LineProblem] | None = None


class Attempt(BaseModel):
    """One call of the API, or an attempt to make one."""

    at: str | None
    outcome: str | None
    http_status: int | None
    code: str | int | None
    latency_ms: float | None
    error: str | None
    probe: bool


@cache
def model_of(kind: type[Result]) -> type[BaseModel]:
    """The model of a result of the Python API: the fields of its JSON object."""
    hints = typing.get_type_hints(kind)
    shown: dict[str, Any] = {f.name: (_shown(f.name, hints[f.name]), ...) for f in fields(kind) if f.metadata.get("shown", True)}  # type: ignore[arg-type]
    doc = (kind.__doc__ or "").strip().partition("\n\n")[0]
    return create_model(kind.__name__, __doc__=" ".join(doc.split()), **shown)


@cache
def page_of(item: type[BaseModel]) -> type[BaseModel]:
    """The model of a page of a list."""
    return create_model(
        f"{item.__name__}Page",
        __doc__="A page. `next`: give it as `after` to get the next page; null after the last. `total`: only if it was asked for.",
        data=(list[item], ...),  # type: ignore[valid-type]
        next=(str | None, ...),
        total=(int | None, None),
    )


def _shown(name: str, annotation: Any) -> Any:
    """The type as it is in JSON."""
    if name == "attempts" and typing.get_origin(annotation) is list:
        return list[Attempt]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Result):
        return model_of(annotation)
    if origin is tuple and args and isinstance(args[0], type) and issubclass(args[0], Result):
        return list[model_of(args[0])]  # type: ignore[misc]
    return annotation
