"""The wheel has everything that an installed wooshq reads: scripts, templates, style sheets."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
LAYERS = ("schemas", "tasks", "worker")
_ASKS = """
import wooshq_worker
from wooshq import Settings
from wooshq_worker.console.app import make_app
console = make_app(Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0")).app.state.console
print(wooshq_worker.__file__)
print(console._assets.url("console.css"))
print(len(console._templates.text("shell/login.html", to="", problem="", is_safe=True, kept=True)) > 500)
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this repository, unpacked as pip does it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def test_every_file_of_the_packages_is_in_it(unpacked: Path) -> None:
    for layer in LAYERS:
        ours = {
            path.relative_to(REPOSITORY / layer)
            for path in (REPOSITORY / layer).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
        }
        assert {path for path in ours if not (unpacked / path).is_file()} == set(), layer


def test_the_console_runs_from_it(unpacked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ASKS],
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        cwd=unpacked,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    where, style, has_login = done.stdout.splitlines()
    assert Path(where).is_relative_to(unpacked)
    assert style.startswith("/assets/console.")
    assert has_login == "True"
