"""What `make` prints is what matters."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_warnings_of_a_users_own_pip_configuration_do_not_drown_an_install() -> None:
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
