"""The OpenAPI 3.1 document, made from the same values as the routes. Its schemas are our own models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from wooshq_worker.console.api.body import JSON, NDJSON
from wooshq_worker.console.api.errors import MEANS, example_of, headers_of
from wooshq_worker.console.api.operation import Content, Operation, Room
from wooshq_worker.console.api.shapes import Json, ProblemDetails

_REF: Final = "#/components/schemas/{model}"
_PROBLEM: Final = "application/problem+json"
_OF_EVERY_CALL: Final = (401, 403, 422, 429, 500, 503)
_INTRODUCTION: Final = """\
Have messages accepted, see what became of them, and act. 202 means that what was asked for is durable: it survives every crash.

Lists are `{data, next}`; give `next` as `after` to get the next page. Errors are problem details (RFC 9457). NDJSON is one JSON object a line.
Each call needs a bearer token with the scope that it names: `wooshq tokens make NAME --scope read`."""


def document(rooms: Sequence[Room]) -> Json:
    """The whole document."""
    operations = [operation for room in rooms for operation in room.operations]
    used: set[type[BaseModel]] = {model for operation in operations for model in _models_of(operation)} | {ProblemDetails}
    _, definitions = models_json_schema([(model, "validation") for model in sorted(used, key=lambda m: m.__name__)], ref_template=_REF)
    paths: dict[str, Json] = {}
    by_id = {operation.id: operation for operation in operations}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, by_id)
    return {
        "openapi": "3.1.0",
        "info": {"title": "wooshq", "version": _version(), "description": _INTRODUCTION, "license": {"name": "MIT", "identifier": "MIT"}},
        "tags": [{"name": room.tag, "description": room.says} for room in rooms],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": _without_null(definitions.get("$defs", {})),
            "responses": {str(status): _problem(status, said) for status, said in MEANS.items()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "`wooshq tokens make NAME --scope SCOPE`"}},
        },
    }


def _reference_to(model: type[BaseModel]) -> Json:
    """A model's schema, by reference."""
    return {"$ref": _REF.format(model=model.__name__)}


def _models_of(operation: Operation) -> Iterable[type[BaseModel]]:
    said = [one for answer in operation.answers.values() for one in _by_media_type(answer).values()]
    models = [one for one in (*said, *operation.raw_body.values()) if isinstance(one, type)]
    return [*models, *([operation.body] if operation.body else [])]


def _by_media_type(answer: Content | None) -> Mapping[str, type[BaseModel] | Json]:
    return {} if answer is None else {JSON: answer} if isinstance(answer, type) else answer


def _schema(said: type[BaseModel] | Json) -> Json:
    return {"schema": _reference_to(said) if isinstance(said, type) else said}


def _described(operation: Operation, by_id: Mapping[str, Operation]) -> Json:
    summary, description = operation.doc
    body = _body(operation)
    errors = dict.fromkeys(
        [*_OF_EVERY_CALL, *operation.errors, *([400, 408, 413, 415] if body else []), *([404] if "{" in operation.path else [])]
    )
    return {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": summary,
        "description": f"{description}\n\nScope: `{operation.scope}`.".strip(),
        "x-scope": str(operation.scope),
        **({"parameters": parameters} if (parameters := _parameters(operation)) else {}),
        **({"requestBody": body} if body else {}),
        "responses": {
            **{str(status): {**_answer(operation, said), **_links(operation, by_id)} for status, said in operation.answers.items()},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(errors)},
        },
    }


def _parameters(operation: Operation) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 255}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    found += operation.parameters
    if operation.query is not None:
        schema = operation.query.model_json_schema()
        found += [_query_parameter(name, one, name in schema.get("required", ())) for name, one in schema["properties"].items()]
    return found


def _query_parameter(name: str, schema: Json, required: bool) -> Json:
    said = schema.pop("description", "")
    schema.pop("title", None)
    choices = [one for one in schema.pop("anyOf", ()) if one.get("type") != "null"]
    if choices:
        schema = {**schema, **choices[0]}
    if schema.get("default", 0) is None:
        del schema["default"]
    return {"name": name, "in": "query", "required": required, "description": said, "schema": schema}


def _body(operation: Operation) -> Json:
    content: Json = {media_type: _schema(said) for media_type, said in operation.raw_body.items()}
    if operation.body is not None:
        content |= {media_type: _schema(operation.body) for media_type in operation.media_types}
    if not content:
        return {}
    if operation.examples:
        next(iter(content.values()))["examples"] = {name: {"value": value} for name, value in operation.examples.items()}
    return {"required": not operation.optional_body, "content": content}


def _answer(operation: Operation, said: Content | None) -> Json:
    content = {media_type: _schema(one) for media_type, one in _by_media_type(said).items()}
    what = "One object a line, as they come." if NDJSON in content else "Done."
    return {"description": what, **_headers(operation.headers), **({"content": content} if content else {})}


def _links(operation: Operation, by_id: Mapping[str, Operation]) -> Json:
    """Which calls take the id that is in the answer."""
    found = {}
    for target, where in operation.leads_to.items():
        (name,) = re.findall(r"\{(\w+)\}", by_id[target].path)
        found[target] = {"operationId": target, "parameters": {name: f"$response.body#{where}"}}
    return {"links": found} if found else {}


def _problem(status: int, said: str) -> Json:
    content = {_PROBLEM: {"schema": _reference_to(ProblemDetails), "example": example_of(status)}}
    return {"description": said, **_headers(headers_of(status)), "content": content}


def _headers(means: Mapping[str, str]) -> Json:
    return {"headers": {name: {"description": said, "schema": {"type": "string"}} for name, said in means.items()}} if means else {}


def _without_null(schema: Any) -> Any:
    """`absent()` gives a field of an intent the default None, which no data may contain."""
    if isinstance(schema, dict):
        return {name: _without_null(value) for name, value in schema.items() if not (name == "default" and value is None)}
    return [_without_null(value) for value in schema] if isinstance(schema, list) else schema


def _version() -> str:
    try:
        return metadata.version("wooshq")
    except metadata.PackageNotFoundError:
        return "0"
