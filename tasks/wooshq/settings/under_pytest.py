"""What is different while pytest runs: which addresses of the API may be called, and why an app may find no Redis."""

from __future__ import annotations

import os
import sys
from typing import Final
from urllib.parse import urlsplit

from wooshq.errors import SettingsInvalid
from wooshq.settings.model import is_loopback

ALLOWED: Final = "WOOSHQ_PYTEST_MAY_CALL"
"""The variable with the hosts that tests may call, separated by commas. The pytest plugin sets it; processes that a test starts inherit it."""


def check_may_call(base_url: str) -> None:
    """Raises SettingsInvalid if a test, or a process that a test started, would call the real API."""
    if not {"PYTEST_VERSION", "PYTEST_CURRENT_TEST"} & os.environ.keys():
        return
    host = urlsplit(base_url).hostname or ""
    if is_loopback(host) or host in os.environ.get(ALLOWED, "").split(","):
        return
    raise SettingsInvalid(
        f"pytest is running, so {host} is not called: a test could send real messages. Use the fixture wooshq_sandbox, or set "
        f"PUSHWOOSH_BASE_URL to a sandbox. To call it all the same: @pytest.mark.wooshq_real_api({host!r})"
    )


def opened_too_early() -> str:
    """A sentence for an app that has no Redis: in a test it must open wooshq after the fixture. "" if pytest does not run in this process."""
    if "wooshq.testing.plugin" not in sys.modules:
        return ""
    return (
        ". In a test, no Redis is needed once the fixture wooshq_outbox is there. A fixture that starts the app must ask for it first: "
        "def client(wooshq_outbox)"
    )
