"""The examples of docs/testing.md are tests that pass. That for Django is run by test_django.py."""

from __future__ import annotations

from tests.integration.testing.conftest import Suite, assert_every_test_passes, files_of
from tests.rig import ROOT

PAGE = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
FILES = files_of(PAGE)


def test_every_example_has_a_file_name() -> None:
    assert len(FILES) + 1 == PAGE.count("```python\n")


def test_every_example_passes(suite: Suite) -> None:
    assert_every_test_passes(suite, FILES)
