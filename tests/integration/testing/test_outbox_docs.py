"""The examples of docs/outbox.md are tests that pass."""

from __future__ import annotations

import re

from tests.integration.testing.conftest import Suite
from tests.rig import ROOT

PAGE = (ROOT / "docs/outbox.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))


def test_every_example_passes(suite: Suite) -> None:
    assert len(FILES) == PAGE.count("```python\n")
    done = suite(FILES)
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed is not None, done.stdout + done.stderr
    assert int(passed[1]) == sum(code.count("def test_") for code in FILES.values())
