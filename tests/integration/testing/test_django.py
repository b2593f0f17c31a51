"""The outbox in Django's own test cases: what is enqueued in `on_commit` is there after the commit, and a rollback takes it back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.testing.conftest import Suite
from tests.rig import ROOT

PATHS = os.pathsep.join(str(ROOT / layer) for layer in ("schemas", "tasks", "worker"))
PAGE = (ROOT / "docs/testing.md").read_text(encoding="utf-8")

FILES = {
    "settings.py": """
SECRET_KEY = "for-tests"
INSTALLED_APPS = ["shopapp"]
DATABASES = {name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for name in ("default", "other")}
USE_TZ = True
ROOT_URLCONF = "shopapp.urls"
""",
    "shopapp/__init__.py": "",
    "shopapp/models.py": """
from django.db import models

class Order(models.Model):
    user = models.CharField(max_length=20)
""",
    "shopapp/urls.py": """
from django.urls import path
from shopapp.views import ship_order

urlpatterns = [path("ship/<str:user>", ship_order)]
""",
    "shopapp/views.py": """
from django.db import transaction
from django.http import HttpResponse
from shopapp.models import Order
from wooshq import enqueue

def tell(user):
    enqueue({"to": {"users": [user]}, "message": {"push": {"body": "Shipped"}}})

def ship(user, fails=False, **options):
    with transaction.atomic(**options):
        Order.objects.create(user=user)
        transaction.on_commit(lambda: tell(user))
        if fails:
            raise RuntimeError("the order cannot be shipped")

def ship_order(request, user):
    ship(user)
    return HttpResponse(status=202)
""",
}

TESTS = """
from django.db import connections, transaction
from django.test import TestCase, TransactionTestCase
from shopapp.models import Order
from shopapp.views import ship, tell
from wooshq.testing import OutboxMixin, assert_enqueued, refute_enqueued
from wooshq.testing.django import DjangoOutboxMixin


class WhenTheTransactionsOfATestNeverCommit(DjangoOutboxMixin, TestCase):
    databases = {"default", "other"}

    def setUp(self):
        super().setUp()
        self.assertEqual(len(self.wooshq_outbox), 0)

    def users(self):
        return [one.recipients[0] for one in self.wooshq_outbox]

    def test_a_commit_of_the_app_enqueues(self):
        self.client.get("/ship/u1")
        assert_enqueued(recipient="u1", count=1)
        self.assertEqual(Order.objects.count(), 1)

    def test_a_rollback_takes_it_back(self):
        with self.assertRaises(RuntimeError):
            ship("u1", fails=True)
        refute_enqueued()
        ship("u2")
        self.assertEqual(self.users(), ["u2"])

    def test_nothing_is_enqueued_before_the_outermost_block_ends(self):
        with transaction.atomic():
            ship("u1")
            self.assertEqual(self.users(), [])
            ship("u2")
        self.assertEqual(self.users(), ["u1", "u2"])

    def test_an_inner_rollback_takes_back_only_its_own(self):
        with transaction.atomic():
            ship("u1")
            with self.assertRaises(RuntimeError):
                ship("u2", fails=True)
            ship("u3")
        self.assertEqual(self.users(), ["u1", "u3"])

    def test_an_outer_rollback_takes_back_all(self):
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            ship("u1")
            1 / 0
        self.assertEqual(self.users(), [])

    def test_outside_of_a_block_it_is_enqueued_at_once_and_in_order(self):
        transaction.on_commit(lambda: tell("u1"))
        tell("u2")
        self.assertEqual(self.users(), ["u1", "u2"])

    def test_a_block_without_a_savepoint_counts_too(self):
        ship("u1", savepoint=False)
        self.assertEqual(self.users(), ["u1"])

    def test_every_database_of_the_test_counts(self):
        with transaction.atomic(using="other"):
            transaction.on_commit(lambda: tell("u1"), using="other")
            with transaction.atomic():
                transaction.on_commit(lambda: tell("u2"))
        self.assertEqual(self.users(), ["u2", "u1"])

    def test_captured_callbacks_are_counted_and_run_once(self):
        with self.captureOnCommitCallbacks(execute=True) as executed:
            ship("u1")
        with self.captureOnCommitCallbacks() as only_captured:
            ship("u2")
        for callback in only_captured:
            callback()
        self.assertEqual([len(executed), len(only_captured)], [1, 1])
        self.assertEqual(self.users(), ["u1", "u2"])

    def test_callbacks_may_be_captured_inside_an_open_block(self):
        with transaction.atomic():
            transaction.on_commit(lambda: tell("u1"))
            with self.captureOnCommitCallbacks(execute=True) as captured:
                ship("u2")
        self.assertEqual(len(captured), 1)
        self.assertEqual(sorted(self.users()), ["u1", "u2"])

    def test_callbacks_may_begin_transactions_of_their_own(self):
        with transaction.atomic():
            transaction.on_commit(lambda: ship("u1"))
            transaction.on_commit(lambda: tell("u2"))
        self.assertEqual(self.users(), ["u2", "u1"], "as Django does: what is registered meanwhile comes after")

    def test_an_error_of_a_callback_is_raised_unless_it_is_robust(self):
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            transaction.on_commit(lambda: 1 / 0)
        with self.assertLogs("wooshq.testing"), transaction.atomic():
            transaction.on_commit(lambda: 1 / 0, robust=True)
            transaction.on_commit(lambda: tell("u1"))
        self.assertEqual(self.users(), ["u1"])

    def test_what_was_enqueued_can_be_drained(self):
        ship("u1")
        self.wooshq_outbox.drain()
        self.assertEqual([call.recipients for call in self.wooshq_outbox.sandbox.accepted], [("u1",)])


class WhenTheTestHasEnded(TestCase):
    def test_the_connections_are_as_before(self):
        for connection in connections.all():
            self.assertNotIn("on_commit", vars(connection))
            self.assertNotIn("savepoint_commit", vars(connection))


class WhenDjangosOwnWayIsUsed(OutboxMixin, TestCase):
    def test_captured_callbacks_enqueue(self):
        with self.captureOnCommitCallbacks(execute=True):
            ship("u1")
        assert_enqueued(recipient="u1", count=1)


class WhenTransactionsDoCommit(DjangoOutboxMixin, TransactionTestCase):
    def test_commits_and_rollbacks_are_real(self):
        ship("u1")
        with self.assertRaises(RuntimeError):
            ship("u2", fails=True)
        assert_enqueued(recipient="u1", count=1)
        refute_enqueued(recipient="u2")
"""


WAITING = """
import pytest
from django.db import transaction
from django.test import TestCase
from shopapp.views import ship
from wooshq.django import enqueue
from wooshq.testing import OutboxMixin, assert_enqueued, refute_enqueued

def tell(user):
    with transaction.atomic():
        enqueue({"to": {"users": [user]}, "message": {"push": {"body": "Shipped"}}})

def failure(assertion, **parts):
    with pytest.raises(AssertionError) as failed:
        assertion(**parts)
    return str(failed.value)

def test_the_fixture_is_named(db, wooshq_outbox):
    tell("u1")
    said = failure(assert_enqueued, recipient="u1")
    assert "1 message of wooshq.django.enqueue waits for a commit, and the transaction of a Django TestCase" in said
    assert "fixture wooshq_django_outbox" in said and "DjangoOutboxMixin" in said
    assert "2 messages" in (tell("u2"), failure(refute_enqueued, recipient="u3"))[1]

def test_a_callback_of_the_app_is_thought_of(db, wooshq_outbox):
    ship("u1")
    assert "transaction.on_commit" in failure(assert_enqueued, recipient="u1")
    refute_enqueued(recipient="u2")

def test_what_was_rolled_back_does_not_wait(db, wooshq_outbox):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell("u1")
        1 / 0
    refute_enqueued(recipient="u1")
    assert "wooshq_django_outbox" not in failure(assert_enqueued, recipient="u1")

def test_what_was_captured_does_not_wait(db, wooshq_outbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        tell("u1")
    assert "wooshq_django_outbox" not in failure(assert_enqueued, recipient="u2")
    refute_enqueued(recipient="u2")

def test_with_the_right_fixture_only_an_open_transaction_is_named(wooshq_django_outbox):
    with transaction.atomic():
        tell("u1")
        said = failure(assert_enqueued, recipient="u1")
        refute_enqueued(recipient="u1")
    assert "1 message of wooshq.django.enqueue waits for the end of a transaction that is still open." in said
    assert "wooshq_django_outbox" not in said
    assert_enqueued(recipient="u1", count=1)
    assert "wooshq.django" not in failure(assert_enqueued, recipient="u2")

class OrderTests(OutboxMixin, TestCase):
    def test_the_class_is_named(self):
        tell("u1")
        assert "DjangoOutboxMixin" in failure(assert_enqueued, recipient="u1")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, code in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    return tmp_path


def test_every_transaction_counts_in_djangos_test_cases(project: Path) -> None:
    (project / "test_shop.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:wooshq", "-m", "django", "test", "--settings", "settings"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{PATHS}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Ran {TESTS.count('    def test_')} tests" in done.stderr


def test_pytest_django_has_a_fixture(project: Path, suite: Suite) -> None:
    code = """
from shopapp.views import ship
from wooshq.testing import assert_enqueued, refute_enqueued
import pytest

def test_it_tells(wooshq_django_outbox):
    ship("u1")
    with pytest.raises(RuntimeError):
        ship("u2", fails=True)
    assert_enqueued(recipient="u1", count=1)
    refute_enqueued(recipient="u2")

@pytest.mark.django_db(transaction=True)
def test_it_tells_in_a_real_transaction(wooshq_outbox):
    ship("u1")
    assert_enqueued(recipient="u1", count=1)
"""
    done = suite({"test_shop.py": code}, "-p", "pytest_django.plugin", "--ds", "settings")
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_message_that_waits_for_a_commit_is_not_nothing(project: Path, suite: Suite) -> None:
    settings = FILES["settings.py"].replace('["shopapp"]', '["shopapp", "wooshq.django"]')
    done = suite({"settings.py": settings, "test_shop.py": WAITING}, "-p", "pytest_django.plugin", "--ds", "settings")
    assert "6 passed" in done.stdout, done.stdout + done.stderr


def test_an_app_that_has_django_and_no_settings_of_it_may_fail_as_others(suite: Suite) -> None:
    code = """
import django.conf, django.db
import pytest
from wooshq.testing import assert_enqueued

def test_it_says_nothing_of_django(wooshq_outbox):
    with pytest.raises(AssertionError, match="enqueued.$"):
        assert_enqueued(recipient="u1")
"""
    done = suite({"test_shop.py": code})
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_example_of_the_docs_passes(project: Path) -> None:
    [example] = re.findall(r"```python\n# shopapp/tests\.py\n(.*?)```", PAGE, re.DOTALL)
    (project / "shopapp/tests.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "-m", "django", "test", "--settings", "settings"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{PATHS}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr
