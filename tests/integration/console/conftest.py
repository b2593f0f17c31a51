"""A browser, made once for a file of tests, and a console on an installation with something on every page, made once for all files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.integration.console.browser import NO_BROWSER, chromium
from tests.integration.console.seed import Seeded, seed
from tests.integration.worker.console.served import SECRET, serving
from tests.rig import Rig
from tests.stand_in import StandIn
from wooshq_worker.console.pages.shell.live import Live


@dataclass
class Console:
    """A server of the console. secret: a token with all scopes. readers: one that may only read. seeded: what it shows. live: its streams."""

    url: str
    secret: str
    readers: str
    seeded: Seeded
    rig: Rig
    live: Live


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """
    A browser. Tests that use it are not async: the driver's event loop is this thread's until the last test of the file has ended.

    Skips where no browser is installed.
    """
    with sync_playwright() as playwright:
        found = chromium(playwright)
        if found is None:
            pytest.skip(NO_BROWSER)
        with found:
            yield found


@pytest.fixture(scope="package")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console on an installation of its own. Tests may act, but must leave something on every page, and take back what holds messages."""
    with StandIn() as api:
        rig = Rig(tmp_path_factory.mktemp("console"), api.url, environment="production")
        try:
            seeded = seed(rig, api)
            readers = rig.wooshq.tokens.make("reader", ["read"], by="ana@ops-1").secret
            with serving(rig.wooshq.settings) as (app, url):
                yield Console(url, SECRET, readers, seeded, rig, app.app.state.console.live)
        finally:
            rig.close()


@pytest.fixture
def bare(console: Console) -> Iterator[httpx.Client]:
    """A client that is not logged in, and sends what a browser sends with a form."""
    with httpx.Client(base_url=console.url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60) as client:
        yield client


@pytest.fixture
def visitor(console: Console, bare: httpx.Client) -> httpx.Client:
    """The same, logged in with all scopes."""
    return logged_in(bare, console.secret)


def logged_in(client: httpx.Client, secret: str) -> httpx.Client:
    """Log in as a form does. httpx keeps no secure cookie from plain HTTP, so it is sent as a header."""
    answer = client.post("/login", data={"token": secret})
    while answer.status_code == 429:  # tests of wrong tokens came from this address, too
        time.sleep(float(answer.headers["Retry-After"]))
        answer = client.post("/login", data={"token": secret})
    assert answer.status_code == 303, answer.text
    client.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
    return client
