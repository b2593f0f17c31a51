"""Every section of the benchmarks can start, and has a place in docs/benchmarks.md."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from benchmarks.__main__ import SECTIONS
from benchmarks.report import PAGE


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_a_module_and_a_table_on_the_page(section: str) -> None:
    module = importlib.import_module(f"benchmarks.{SECTIONS[section]}")
    assert callable(module.run)
    assert module.__doc__
    page = PAGE.read_text()
    assert page.index(f"<!-- {section} -->") < page.index(f"<!-- /{section} -->")


def test_every_path_on_the_page_exists() -> None:
    for path in ("benchmarks/api.py", "benchmarks/baselines/plain.py", "benchmarks/client/clients.py"):
        assert f"`{path}`" in PAGE.read_text()
        assert (Path(PAGE).parent.parent / path).is_file()
