"""The examples of docs/web-apps.md are files that fit together, and tests that pass. Those for Django are run by a test of their own."""

from __future__ import annotations

import re

from tests.integration.testing.conftest import Suite
from tests.rig import ROOT

PAGE = (ROOT / "docs/web-apps.md").read_text(encoding="utf-8")
WITHOUT_DJANGO = PAGE.partition("\n## Django\n")[0] + PAGE.partition("\n## Django\n")[2].partition("\n## ")[2]
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", WITHOUT_DJANGO, re.DOTALL))


def test_every_example_has_a_file_name() -> None:
    assert len(FILES) == WITHOUT_DJANGO.count("```python\n")


def test_every_example_passes(suite: Suite) -> None:
    imported = "".join(f"import {name.removesuffix('.py')}\n" for name in FILES if not name.startswith("test_"))
    files = {**FILES, "test_imports.py": "def test_every_module_can_be_imported():\n    " + imported.replace("\n", "\n    ")}
    done = suite(files, "-W", "ignore")
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed is not None, done.stdout + done.stderr
    assert int(passed[1]) == sum(code.count("def test_") for code in files.values())
