"""The JSON Schema of intents and requests, written beside the models: `python -m wooshq_schemas.json_schema`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from wooshq_schemas.intent.model import MODEL_VERSION, Intent
from wooshq_schemas.request import NotifyRequest

FOLDER = Path(__file__).parent / "json"
MODELS: Mapping[str, type[BaseModel]] = {"intent.schema.json": Intent, "request.schema.json": NotifyRequest}


def text_of(model: type[BaseModel]) -> str:
    """A model's schema (JSON Schema 2020-12) as the file has it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-model-version": MODEL_VERSION,
        **_without_null(model.model_json_schema(by_alias=True)),  # type: ignore[dict-item]
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _without_null(schema: object) -> object:
    """`absent()` is a default of None that no data may have: the schema must not show it."""
    if isinstance(schema, dict):
        return {k: _without_null(v) for k, v in schema.items() if not (k == "default" and v is None)}
    return [_without_null(v) for v in schema] if isinstance(schema, list) else schema


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        (FOLDER / name).write_text(text_of(model), encoding="utf-8")


if __name__ == "__main__":
    main()
