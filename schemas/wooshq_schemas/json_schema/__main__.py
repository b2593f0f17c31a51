"""Writes the JSON Schema files beside this module. Run it after a change of a model."""

from __future__ import annotations

from wooshq_schemas.json_schema.build import FOLDER, MODELS, text_of

for name, model in MODELS.items():
    (FOLDER / name).write_text(text_of(model), encoding="utf-8")
