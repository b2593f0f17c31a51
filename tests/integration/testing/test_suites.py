"""An app's own suite: pytest finds the fixtures, unittest has its class, and a failure reads well."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.integration.testing.conftest import Suite
from tests.rig import ROOT

PATHS = os.pathsep.join(str(ROOT / layer) for layer in ("schemas", "tasks", "worker"))

SHOP = """
from wooshq import enqueue

def ship(user):
    return enqueue({"to": {"users": [user]}, "message": {"push": {"title": "Shipped", "body": "Your order left"}}})
"""


class WhenPytestRunsThem:
    def test_the_fixture_is_there_and_each_test_has_its_own(self, suite: Suite) -> None:
        code = """
import pytest
from shop import ship
from wooshq.testing import Outbox, assert_enqueued

@pytest.mark.parametrize("time", [1, 2])
def test_it_tells(wooshq_outbox: Outbox, time):
    ship("u1")
    assert_enqueued(recipient="u1", message__push__title="Shipped", count=1)
    assert len(wooshq_outbox) == 1
"""
        done = suite({"shop.py": SHOP, "test_shop.py": code})
        assert "2 passed" in done.stdout, done.stdout + done.stderr

    def test_a_failure_shows_the_nearest_intent_and_no_code_of_the_kit(self, suite: Suite) -> None:
        code = """
from shop import ship
from wooshq.testing import assert_enqueued

def test_it_tells(wooshq_outbox):
    ship("u1")
    assert_enqueued(recipient="u2")
"""
        done = suite({"shop.py": SHOP, "test_shop.py": code})
        assert "1 failed" in done.stdout, done.stdout + done.stderr
        assert "recipient: wanted 'u2', found 'u1'" in done.stdout
        assert "assertions.py" not in done.stdout

    def test_an_app_that_is_started_before_the_outbox_is_told_the_order(self, suite: Suite) -> None:
        code = """
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from wooshq.fastapi import lifespan

@pytest.fixture
def client():
    with TestClient(FastAPI(lifespan=lifespan)) as opened:
        yield opened

def test_it_tells(client, wooshq_outbox):
    pass
"""
        done = suite({"test_shop.py": code})
        assert "1 error" in done.stdout, done.stdout + done.stderr
        assert "SettingsInvalid: WOOSHQ_REDIS_URL is not set." in done.stdout
        assert "must ask for it first: def client(wooshq_outbox)" in done.stdout

    def test_the_plugin_is_an_entry_point_and_the_extra_has_what_it_needs(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert project["entry-points"]["pytest11"] == {"wooshq": "wooshq.testing.plugin"}
        assert {need.partition("[")[0] for need in project["optional-dependencies"]["testing"]} == {"wooshq", "fakeredis"}

    def test_a_suite_without_the_fixture_pays_for_nothing_of_it(self, suite: Suite) -> None:
        code = """
import sys

def test_nothing_was_loaded():
    assert not {"fakeredis", "lupa", "wooshq_worker", "aiohttp"} & sys.modules.keys()
"""
        assert "1 passed" in suite({"test_other.py": code}).stdout


class WhenUnittestRunsThem:
    def test_the_mixin_opens_an_outbox_for_each_test(self, tmp_path: Path) -> None:
        code = """
import unittest
from shop import ship
from wooshq.aio import enqueue
from wooshq.testing import OutboxMixin, assert_enqueued, refute_enqueued

class ShopTests(OutboxMixin, unittest.TestCase):
    def setUp(self):
        super().setUp()
        ship("u0")

    def test_it_tells(self):
        ship("u1")
        assert_enqueued(recipient="u1")
        self.assertEqual(len(self.wooshq_outbox), 2)

    def test_it_tells_nobody_else(self):
        refute_enqueued(recipient="u1")

class AsyncTests(OutboxMixin, unittest.IsolatedAsyncioTestCase):
    async def test_it_tells(self):
        await enqueue({"to": {"users": ["u2"]}, "message": {"push": {"body": "Hi"}}})
        assert_enqueued(recipient="u2", count=1)
"""
        (tmp_path / "shop.py").write_text(SHOP)
        (tmp_path / "test_shop.py").write_text(code)
        done = subprocess.run(
            [sys.executable, "-m", "unittest", "-v"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": PATHS},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Ran 3 tests" in done.stderr


class WhenTheExtraIsMissing:
    def test_the_error_says_what_to_install(self) -> None:
        program = "import sys; sys.modules['fakeredis'] = None; import wooshq.testing.plugin; from wooshq.testing import outbox"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": PATHS},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "ModuleNotFoundError: The package fakeredis is missing. Install the extra: pip install 'wooshq[testing]'" in done.stderr


class WhenItIsOnlyImported:
    def test_nothing_of_the_process_changes(self) -> None:
        program = """
import os, signal, socket, threading, time
from celery import Celery
import wooshq
from wooshq.installation.memory import standing_in

def state():
    return (Celery.send_task, dict(os.environ), threading.active_count(), time.time, time.monotonic, socket.socket.connect,
            signal.getsignal(signal.SIGINT), standing_in.current(), wooshq._default.installation._places)

before = state()
import wooshq.testing.plugin
from wooshq.testing import Outbox, OutboxMixin, SandboxOfTest, assert_enqueued, outbox, sandbox
import wooshq.testing.django
assert state() == before
"""
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": PATHS},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
