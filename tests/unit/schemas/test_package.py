"""What the package offers: its public names, its types and its JSON schemas."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import wooshq_schemas
from wooshq_schemas.json_schema.build import FOLDER, MODELS, text_of

NAMES = [
    "MODEL_VERSION",
    "PLATFORMS",
    "Accepted",
    "CancelAnswer",
    "CancelRequest",
    "Cancelled",
    "Columns",
    "Intent",
    "IntentInvalid",
    "Lane",
    "NewerModel",
    "NotUnderstood",
    "NotifyRequest",
    "Platform",
    "Platforms",
    "Problem",
    "Recipient",
    "RecipientLike",
    "Refused",
    "Template",
    "Warn",
    "lint",
    "load_stored",
    "parse_intent",
    "parse_intent_json",
    "parse_template",
    "read_answer",
    "read_cancel_answer",
    "recipient_of",
    "render",
]


def test_the_public_names_are_these() -> None:
    assert sorted(wooshq_schemas.__all__) == sorted(NAMES)
    assert all(hasattr(wooshq_schemas, name) for name in NAMES)


def test_only_pydantic_and_the_standard_library_are_imported() -> None:
    roots = "import sys, wooshq_schemas, wooshq_schemas.json_schema.build; print(*{name.partition('.')[0] for name in sys.modules})"
    folder = Path(wooshq_schemas.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", roots], capture_output=True, text=True, check=True, cwd=folder, timeout=120)
    allowed = {"wooshq_schemas", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
    found = {name for name in done.stdout.split() if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert found - allowed <= {"sitecustomize", "usercustomize"}


def test_the_types_are_published() -> None:
    assert (Path(wooshq_schemas.__file__).parent / "py.typed").exists()


class WhenAJsonSchemaIsRead:
    @pytest.mark.parametrize("name", MODELS)
    def test_the_file_in_the_repository_is_current(self, name: str) -> None:
        assert (FOLDER / name).read_text(encoding="utf-8") == text_of(MODELS[name]), "run: python -m wooshq_schemas.json_schema"

    @pytest.mark.parametrize("name", MODELS)
    def test_it_is_json_and_has_a_version(self, name: str) -> None:
        assert json.loads(text_of(MODELS[name]))["x-model-version"] == 2
