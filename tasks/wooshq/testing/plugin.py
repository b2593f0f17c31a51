"""
The pytest plugin: fixtures, and the mark that lets a test call the real API. pytest finds it by its entry point.

What a fixture needs is imported when the fixture is used.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from wooshq.settings.under_pytest import ALLOWED

if TYPE_CHECKING:
    from wooshq.testing import Outbox, SandboxOfTest

_REAL_API = "wooshq_real_api"


@pytest.fixture
def wooshq_outbox() -> Iterator[Outbox]:
    """What the test enqueues, in a ledger in memory: no Redis, no broker, no worker, nothing sent. See `wooshq.testing.Outbox`."""
    from wooshq.testing import outbox

    with outbox() as opened:
        yield opened


@pytest.fixture
def wooshq_sandbox() -> Iterator[SandboxOfTest]:
    """The stand-in for the API that `wooshq_outbox.drain()` calls. A fault that was set and never struck fails the test."""
    from wooshq.testing.sandboxes import sandbox

    with sandbox() as opened:
        yield opened


@pytest.fixture
def wooshq_django_outbox(db: None, wooshq_outbox: Outbox) -> Iterator[Outbox]:
    """`wooshq_outbox` with pytest-django's fixture `db`: `transaction.on_commit` counts as in production."""
    from wooshq.testing.django import commits_count

    with commits_count(wooshq_outbox):
        yield wooshq_outbox


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Look at the faults as a part of the test: what a fixture finds at its end is an error beside a test that passed."""
    try:
        result = yield
    except BaseException:  # the test's own failure is enough
        if (sandbox := _sandbox_of(pyfuncitem.funcargs)) is not None:
            sandbox.forgive()
        raise
    if (sandbox := _sandbox_of(pyfuncitem.funcargs)) is not None:
        from wooshq.testing.sandboxes import all_struck

        all_struck(sandbox)
    return result


def _sandbox_of(fixtures: dict[str, Any]) -> SandboxOfTest | None:
    if (sandbox := fixtures.get("wooshq_sandbox")) is not None:
        return sandbox  # type: ignore[no-any-return]
    outbox = fixtures.get("wooshq_outbox")
    return None if outbox is None else outbox.own_sandbox


# The real API


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(_REAL_API, "hosts of the real Pushwoosh API that all tests may call", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_REAL_API}(host): let the test call the real Pushwoosh API at this host")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Processes that the test starts inherit the variable."""
    hosts = [*item.config.getini(_REAL_API), *(str(host) for mark in item.iter_markers(_REAL_API) for host in mark.args)]
    before = os.environ.get(ALLOWED)
    if hosts:
        os.environ[ALLOWED] = ",".join(hosts)
    try:
        return (yield)
    finally:
        if before is None:
            os.environ.pop(ALLOWED, None)
        else:
            os.environ[ALLOWED] = before
