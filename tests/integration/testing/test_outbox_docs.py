"""The examples of docs/outbox.md are tests that pass."""

from __future__ import annotations

from tests.integration.testing.conftest import Suite, assert_every_test_passes, files_of
from tests.rig import ROOT

PAGE = (ROOT / "docs/outbox.md").read_text(encoding="utf-8")
FILES = files_of(PAGE)


def test_every_example_passes(suite: Suite) -> None:
    assert len(FILES) == PAGE.count("```python\n")
    assert_every_test_passes(suite, FILES)
