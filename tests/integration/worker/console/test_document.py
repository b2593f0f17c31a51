"""The HTTP API does what its document says: schemathesis makes requests of it, valid and invalid ones, single and one after another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.letters.dead_letters import letters_of, users
from tests.integration.worker.console.served import SECRET, served
from tests.rig import ROOT, an_intent
from wooshq import Wooshq

pytest.importorskip("schemathesis")

#: Requests for each call, in each phase. More of them: `TEST_REQUESTS=100`.
REQUESTS = os.environ.get("TEST_REQUESTS", "5")


def test_every_call_keeps_to_the_document_in_all_phases(wooshq: Wooshq, tmp_path: Path) -> None:
    """
    Examples, coverage, fuzzing, stateful. The one check that is off: rules between fields are not in the document, so a request that it
    allows may be 422.
    """
    letters_of(wooshq, users(5))
    wooshq.enqueue(an_intent())
    with served(wooshq.settings.model_copy(update={"console_rate_per_s": 1_000_000})) as http:
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{http.base_url}/openapi.json"),
            *("--header", f"Authorization: Bearer {SECRET}", "--max-examples", REQUESTS, "--generation-deterministic"),
            *("--exclude-checks", "positive_data_acceptance", "--continue-on-failure", "--no-color"),
            *("--exclude-path", "/v1/events"),  # its answer does not end; tests/integration/worker/events/test_http.py
        ]
        hooks = {"SCHEMATHESIS_HOOKS": "tests.integration.worker.console.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env={**os.environ, **hooks}, cwd=tmp_path, capture_output=True, text=True, timeout=800)
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
        assert all(f"✅ {phase}" in done.stdout for phase in ("Examples", "Coverage", "Fuzzing", "Stateful")), done.stdout
        assert http.get("/readyz").status_code == 200
