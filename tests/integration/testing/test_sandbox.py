"""The fixture `wooshq_sandbox`, and the real API, which no test calls by accident."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request

import pytest

import wooshq
from tests.integration.testing.conftest import Suite
from tests.rig import ROOT, an_intent, some_settings
from wooshq import SettingsInvalid
from wooshq.settings.under_pytest import ALLOWED, check_may_call
from wooshq.testing import Outbox, outbox, sandbox
from wooshq_worker.api.transport import Api

REAL = "https://api.pushwoosh.com"


class WhenAFaultIsSet:
    def test_one_that_strikes_is_fine(self, box: Outbox) -> None:
        box.sandbox.set_faults({"effect": "status", "status": 500, "first": 1})
        wooshq.enqueue(an_intent())
        box.drain()
        assert box.sandbox.never_struck == []

    @pytest.mark.parametrize("then", ["end", "clear_faults", "reset"])
    def test_one_that_never_struck_is_an_error_also_if_it_was_removed(self, then: str) -> None:
        with pytest.raises(AssertionError, match=r"it never struck: slow \(0 calls matched\)"), outbox() as opened:
            opened.sandbox.set_faults({"effect": "latency", "latency_s": 1, "name": "slow"})
            if then != "end":
                getattr(opened.sandbox, then)()

    def test_another_error_comes_first(self) -> None:
        with pytest.raises(ZeroDivisionError), sandbox() as opened:
            opened.set_faults({"effect": "hang"})
            _ = 1 / 0

    def test_in_pytest_the_test_itself_fails(self, suite: Suite) -> None:
        code = """
import pytest
from wooshq import enqueue

INTENT = {"to": {"users": ["u1"]}, "message": {"push": {"body": "Hi"}}}

def test_strikes(wooshq_outbox, wooshq_sandbox):
    wooshq_sandbox.set_faults({"effect": "status", "status": 500, "first": 1})
    enqueue(INTENT)
    wooshq_outbox.drain()
    assert wooshq_outbox.sandbox is wooshq_sandbox

def test_misses(wooshq_sandbox, wooshq_outbox):
    wooshq_sandbox.set_faults({"effect": "status", "status": 500, "recipient": "u2"})
    enqueue(INTENT)
    wooshq_outbox.drain()

def test_misses_in_the_outbox(wooshq_outbox):
    wooshq_outbox.sandbox.set_faults({"effect": "hang"})

async def test_misses_in_an_async_test(wooshq_sandbox):
    wooshq_sandbox.set_faults({"effect": "hang"})
"""
        done = suite({"test_shop.py": code}, "-o", "asyncio_mode=auto")
        assert "3 failed, 1 passed" in done.stdout, done.stdout
        assert "error" not in done.stdout.splitlines()[-1]
        assert "it never struck: status (0 calls matched)" in done.stdout


class WhenItsAddressIsAsked:
    def test_it_listens_and_is_the_same_sandbox(self) -> None:
        with sandbox() as opened, outbox() as box:
            wooshq.enqueue(an_intent())
            box.drain()
            with urllib.request.urlopen(f"{opened.url}/sandbox/calls", timeout=30) as answer:
                assert json.load(answer)["count"] == 1


class WhenATestWouldCallTheRealApi:
    def test_it_is_refused_with_what_to_do(self) -> None:
        with pytest.raises(SettingsInvalid, match=r"api\.pushwoosh\.com is not called.*wooshq_sandbox.*wooshq_real_api"):
            Api.from_settings(some_settings(base_url=REAL))

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8081", "http://localhost", "http://[::1]:80"])
    def test_this_machine_may_be_called(self, url: str) -> None:
        check_may_call(url)

    def test_a_host_is_allowed_by_its_name_and_no_other_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(ALLOWED, "api.pushwoosh.com")
        check_may_call(REAL)
        with pytest.raises(SettingsInvalid):
            check_may_call("https://api.other.example")

    def test_without_pytest_nothing_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("PYTEST_VERSION", "PYTEST_CURRENT_TEST"):
            monkeypatch.delenv(name, raising=False)
        check_may_call(REAL)

    def test_the_mark_and_the_option_name_hosts(self, suite: Suite) -> None:
        code = """
import os
import pytest
from wooshq.settings.under_pytest import check_may_call

@pytest.mark.wooshq_real_api("api.pushwoosh.com")
def test_asked_for():
    check_may_call("https://api.pushwoosh.com")
    check_may_call("https://eu.example")

def test_not_asked_for():
    check_may_call("https://eu.example")
    check_may_call("https://api.pushwoosh.com")
"""
        done = suite({"test_shop.py": code, "pytest.ini": "[pytest]\nwooshq_real_api = eu.example\n"}, "--strict-markers")
        assert "1 failed, 1 passed" in done.stdout, done.stdout
        assert "pytest is running, so api.pushwoosh.com is not called" in done.stdout

    def test_a_worker_that_a_test_starts_refuses_to_start(self) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PUSHWOOSH_", "WOOSHQ_"))}
        env |= {
            "PYTHONPATH": os.pathsep.join(str(ROOT / layer) for layer in ("schemas", "tasks", "worker")),
            "PUSHWOOSH_API_TOKEN": "token",
            "WOOSHQ_REDIS_URL": "redis://127.0.0.1:1/0",
        }
        done = subprocess.run(
            [sys.executable, "-m", "wooshq_worker", "worker"], env=env, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 2
        assert "api.pushwoosh.com is not called" in done.stderr
