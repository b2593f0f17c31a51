"""The examples of docs/web-apps.md are files that fit together, and tests that pass. Those for Django are run by a test of their own."""

from __future__ import annotations

from tests.integration.testing.conftest import Suite, assert_every_test_passes, files_of
from tests.rig import ROOT

PAGE = (ROOT / "docs/web-apps.md").read_text(encoding="utf-8")
WITHOUT_DJANGO = PAGE.partition("\n## Django\n")[0] + PAGE.partition("\n## Django\n")[2].partition("\n## ")[2]
FILES = files_of(WITHOUT_DJANGO)


def test_every_example_has_a_file_name() -> None:
    assert len(FILES) == WITHOUT_DJANGO.count("```python\n")


def test_every_example_passes(suite: Suite) -> None:
    imported = "".join(f"import {name.removesuffix('.py')}\n" for name in FILES if not name.startswith("test_"))
    files = {**FILES, "test_imports.py": "def test_every_module_can_be_imported():\n    " + imported.replace("\n", "\n    ")}
    assert_every_test_passes(suite, files, "-W", "ignore")
