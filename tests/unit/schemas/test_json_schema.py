from __future__ import annotations

import json

import pytest

from wooshq_schemas.json_schema.build import FOLDER, MODELS, text_of


@pytest.mark.parametrize("name", MODELS)
def test_the_file_in_the_repository_is_current(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == text_of(MODELS[name]), "run: python -m wooshq_schemas.json_schema"


@pytest.mark.parametrize("name", MODELS)
def test_the_schema_is_json_and_has_a_version(name: str) -> None:
    assert json.loads(text_of(MODELS[name]))["x-model-version"] == 1
