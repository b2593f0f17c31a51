"""What the tests of the kit have: the fixture as an app has it, and pytest on a suite of an app."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.rig import ROOT
from wooshq.testing import Outbox, outbox

Suite: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def box() -> Iterator[Outbox]:
    with outbox() as opened:
        yield opened


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Runs an app's tests with the plugin, in a process of their own: `suite({"test_orders.py": code}, "-k", "shipped")`."""

    def run(files: Mapping[str, str], *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        for name, code in files.items():
            (tmp_path / name).write_text(code)
        paths = os.pathsep.join(str(ROOT / layer) for layer in ("schemas", "tasks", "worker"))
        plugins = ("-p", "wooshq.testing.plugin", "-p", "pytest_asyncio")
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, *options],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def files_of(page: str) -> dict[str, str]:
    """The examples of a page that begin with the name of their file: name → code."""
    return dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", page, re.DOTALL))


def assert_every_test_passes(suite: Suite, files: Mapping[str, str], *options: str) -> None:
    """All tests of these files ran and passed, and there are as many as the files define."""
    done = suite(files, *options)
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed is not None, done.stdout + done.stderr
    assert int(passed[1]) == sum(code.count("def test_") for code in files.values())
