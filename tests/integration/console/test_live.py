"""What changes is shown as it changes: by a stream, by polling where there is none, and not at all in a tab that nobody sees."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.integration.console.browser import window
from tests.integration.console.conftest import Console, logged_in
from tests.integration.worker.console.served import SECRET, serving
from tests.rig import wait_until
from wooshq import Wooshq

_HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def state(page: Page) -> str | None:
    return page.locator(".age").get_attribute("data-state")


def is_shown(page: Page, text: str) -> bool:
    page.wait_for_timeout(50)  # runs the driver's loop; the waiting is done by `wait_until`
    return page.get_by_text(text).count() > 0


class WhenSomethingChanges:
    def test_an_open_page_shows_it_and_keeps_what_a_person_does_in_it(self, browser: Browser, console: Console) -> None:
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/settings")
            page.wait_for_selector('.age[data-state="live"]')
            page.get_by_text("Pause…").click()
            page.get_by_label("Application", exact=False).first.fill("half a w")
            console.rig.wooshq.pause("EEEEE-FFFFF", why="seen at once", by="ben")
            wait_until(lambda: is_shown(page, "seen at once"))
            assert page.get_by_label("Application", exact=False).first.input_value() == "half a w"
            console.rig.wooshq.resume("EEEEE-FFFFF", by="ben")
            wait_until(lambda: not is_shown(page, "seen at once"))
            assert shown.faults() == []

    def test_a_confirmation_that_is_open_stays_with_its_row_and_acts_on_it(self, browser: Browser, console: Console) -> None:
        wooshq = console.rig.wooshq
        wooshq.shut_gate("token", "MMMMM-NNNNN", "the one that is meant", by="ben")
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/settings")
            page.wait_for_selector('.age[data-state="live"]')
            row = page.get_by_role("row").filter(has_text="the one that is meant")
            row.get_by_text("Open…").click()
            row.get_by_label("Why").fill("half a sent")
            for application in ("LLLLL-LLLLL", "NNNNN-NNNNN"):  # before it and after it
                wooshq.shut_gate("token", application, f"another one, {application}", by="ben")
                wait_until(lambda application=application: is_shown(page, f"another one, {application}"))
            wooshq.open_gate("circuit", "CCCCC-DDDDD", by="ben")
            wait_until(lambda: not is_shown(page, "circuit: shut"))
            assert page.locator("details.sure[open]").count() == 1
            assert row.get_by_label("Why").input_value() == "half a sent"
            row.get_by_role("button", name="Open", exact=True).click()
            page.get_by_role("status").wait_for()
            shut = {gate.application for gate in wooshq.gates() if gate.gate == "token"}
            assert shut == {"LLLLL-LLLLL", "NNNNN-NNNNN"}
            assert shown.faults() == []
        for application in shut:
            wooshq.open_gate("token", application, by="ben")
        wooshq.shut_gate("circuit", "CCCCC-DDDDD", "INC-7: the API is slow", by="ben")

    def test_eight_tabs_of_a_browser_are_all_live_and_leave_it_connections(self, browser: Browser, console: Console) -> None:
        with window(browser, console.url, console.secret) as shown:
            tabs = [shown.page, *(shown.page.context.new_page() for _ in range(7))]
            for tab in tabs:
                tab.goto(f"{console.url}/settings")
            for tab in tabs:
                wait_until(lambda tab=tab: (tab.wait_for_timeout(20), state(tab))[1] in ("live", "polls"))
            assert console.live.open == 4
            console.rig.wooshq.pause("EEEEE-FFFFF", why="seen in eight tabs", by="ben")
            for tab in tabs:
                wait_until(lambda tab=tab: is_shown(tab, "seen in eight tabs"))
            console.rig.wooshq.resume("EEEEE-FFFFF", by="ben")
        wait_until(lambda: console.live.open == 0)


class WhenNobodySeesATab:
    def test_its_stream_is_closed_and_opened_again(self, browser: Browser, console: Console) -> None:
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/settings")
            page.wait_for_selector('.age[data-state="live"]')
            assert console.live.open == 1
            page.evaluate(_HIDE, True)
            wait_until(lambda: console.live.open == 0)
            assert state(page) == "asleep"
            console.rig.wooshq.pause("EEEEE-FFFFF", why="while it slept", by="ben")
            page.evaluate(_HIDE, False)
            wait_until(lambda: is_shown(page, "while it slept"))
            console.rig.wooshq.resume("EEEEE-FFFFF", by="ben")
            assert shown.faults() == []


class WhenThereIsNoStream:
    def test_the_page_polls(self, browser: Browser, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(console.live, "_most", 0)
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/settings")
            page.wait_for_selector('.age[data-state="polls"]')
            console.rig.wooshq.pause("EEEEE-FFFFF", why="seen by polling", by="ben")
            wait_until(lambda: is_shown(page, "seen by polling"))
            console.rig.wooshq.resume("EEEEE-FFFFF", by="ben")

    def test_a_server_has_a_limit_of_streams(self, console: Console, visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(console.live, "_most", 1)
        with visitor.stream("GET", "/live/settings") as first:
            lines = first.iter_lines()  # a generator that nobody keeps would close the stream
            assert next(lines)
            with visitor.stream("GET", "/live/settings") as second:
                assert (second.status_code, second.headers["retry-after"]) == (503, "30")
        wait_until(lambda: console.live.open == 0)


class WhenTheServerStops:
    def test_streams_end_as_whole_answers_and_do_not_hold_it(self, wooshq: Wooshq) -> None:
        lines: list[str] = []
        ended = threading.Event()

        def read(client: httpx.Client) -> None:
            with client.stream("GET", "/live/settings") as stream:
                lines.extend(stream.iter_lines())  # raises if the connection breaks
            ended.set()

        with ExitStack() as stack:
            with serving(wooshq.settings) as (app, url):
                client = stack.enter_context(httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60))
                reader = threading.Thread(target=read, args=(logged_in(client, SECRET),), daemon=True)
                reader.start()
                wait_until(lambda: app.app.state.console.live.open == 1)
            assert ended.wait(60)
        assert "event: beat" in lines
