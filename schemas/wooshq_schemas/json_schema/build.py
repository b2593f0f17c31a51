"""The models of intents and requests as JSON Schema text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from wooshq_schemas.intent.model import MODEL_VERSION, Intent
from wooshq_schemas.request import CancelRequest, NotifyRequest

FOLDER = Path(__file__).parent
MODELS: Mapping[str, type[BaseModel]] = {
    "cancel.schema.json": CancelRequest,
    "intent.schema.json": Intent,
    "request.schema.json": NotifyRequest,
}


def text_of(model: type[BaseModel]) -> str:
    """The content of a model's file (JSON Schema 2020-12)."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-model-version": MODEL_VERSION,
        **_without_null(model.model_json_schema(by_alias=True)),  # type: ignore[dict-item]
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _without_null(schema: object) -> object:
    """`absent()` gives a field the default None, which no data may contain: the schema must not show it."""
    if isinstance(schema, dict):
        return {k: _without_null(v) for k, v in schema.items() if not (k == "default" and v is None)}
    return [_without_null(v) for v in schema] if isinstance(schema, list) else schema
