"""`make` prints only what matters, and its list names every target."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_an_install_hides_the_warnings_of_a_users_own_pip_configuration() -> None:
    recipe = subprocess.run(
        ["make", "--dry-run", "--what-if=requirements/dev.txt", "install"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    installs = [line for line in recipe.splitlines() if re.search(r"pip .* install ", line)]
    assert len(installs) == 2
    assert all(" -qq install " in line for line in installs)


def test_the_list_of_targets_is_complete() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    targets = re.findall(r"^\.PHONY: (.*)$", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[0].split()
    assert [line.split()[1] for line in shown.splitlines()] == targets
