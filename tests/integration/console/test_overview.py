"""The page Overview: what goes wrong is there without a reload, the acts beside it work, and many tabs cost Redis no more than one."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.console.browser import window
from tests.integration.console.conftest import Console
from tests.rig import APPLICATION
from wooshq.aio import AsyncWooshq
from wooshq.overview.show import Overview

SOON_MS = 30_000


class WhenSomethingGoesWrong:
    def test_a_gate_that_shuts_is_there_without_a_reload_and_goes_when_it_opens(self, browser: Browser, console: Console) -> None:
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/")
            page.evaluate("window.isTheSamePage = true")
            console.rig.wooshq.shut_gate("answers", APPLICATION, "a proxy answers", by="bob@ops-2")
            row = page.locator(".finding", has_text=f"bob@ops-2 shut the gate answers for {APPLICATION}: a proxy answers.")
            expect(row).to_be_visible(timeout=SOON_MS)
            expect(page.locator("#gates tr", has_text="answers: shut")).to_be_visible(timeout=SOON_MS)
            console.rig.wooshq.open_gate("answers", APPLICATION)
            expect(row).to_have_count(0, timeout=SOON_MS)
            assert page.evaluate("window.isTheSamePage"), "nothing was loaded again"
            assert shown.faults() == []

    def test_what_somebody_types_stays_while_the_page_goes_on(self, browser: Browser, console: Console) -> None:
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/")
            row = page.locator(".finding", has_text="shut the gate circuit")
            row.get_by_text("Open the gate circuit…").click()
            row.get_by_label("Why").fill("INC-7 is over")
            console.rig.wooshq.pause("EEEEE-FFFFF", why="a change on the page", by="bob@ops-2")
            expect(page.locator(".finding", has_text="a change on the page")).to_be_visible(timeout=SOON_MS)
            expect(row.get_by_label("Why")).to_have_value("INC-7 is over")
            console.rig.wooshq.resume("EEEEE-FFFFF")


class WhenAnActIsPressed:
    def test_a_gate_opens_with_a_reason_that_the_audit_log_keeps(self, browser: Browser, console: Console) -> None:
        console.rig.wooshq.shut_gate("token", "GGGGG-HHHHH", "a drill", by="bob@ops-2")
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/")
            row = page.locator(".finding", has_text="GGGGG-HHHHH")
            row.get_by_text("Open the gate token…").click()
            row.get_by_label("Why").fill("the drill is over")
            row.get_by_role("button", name="Open it").click()
            expect(page.get_by_role("status")).to_have_text("The gate is open. The API's next answers may shut it again.")
            expect(page.locator(".finding", has_text="GGGGG-HHHHH")).to_have_count(0)
        act = console.rig.wooshq.audit(most=1).found[0]
        assert (act.did, act.by, act.why) == ("opened", "ana", "the drill is over")
        assert "GGGGG-HHHHH" in act.what

    def test_a_pause_is_taken_back(self, browser: Browser, console: Console) -> None:
        console.rig.wooshq.pause("GGGGG-HHHHH", lane="bulk", why="a drill", by="bob@ops-2")
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/")
            page.get_by_role("button", name="Resume the bulk lane of GGGGG-HHHHH").click()
            expect(page.get_by_role("status")).to_have_text("It goes on.")
        assert not [gate for gate in console.rig.wooshq.gates() if gate.application == "GGGGG-HHHHH"]

    def test_a_job_goes_on(self, browser: Browser, console: Console) -> None:
        console.rig.wooshq.pause("IIIII-JJJJJ", why="so that the job does not end", by="bob@ops-2")
        template = {"message": {"push": {"title": "Hi"}}, "application": "IIIII-JJJJJ"}
        job = console.rig.wooshq.fan_out(template, [{"user": "u1"}])
        job.pause("a drill", by="bob@ops-2")
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/")
            row = page.locator(".finding", has_text="paused the job")
            row.get_by_role("button", name="Resume the job").click()
            expect(page.get_by_role("status")).to_contain_text(f"The job {job.id[:13]} is ")
        assert job.show().state != "paused"
        console.rig.wooshq.resume("IIIII-JJJJJ")

    @pytest.mark.parametrize("scripts", [True, False])
    def test_a_gate_is_shut_by_hand(self, browser: Browser, console: Console, scripts: bool) -> None:
        with window(browser, console.url, console.secret, java_script_enabled=scripts) as shown:
            page = shown.open("/")
            page.get_by_text("Shut a gate…").click()
            form = page.locator("form", has_text="Every worker holds these messages back at once")
            form.locator("select").select_option("answers")
            form.locator("[name=application]").fill("KKKKK-LLLLL")
            form.locator("[name=why]").fill("INC-8")
            form.get_by_role("button", name="Shut it").click()
            expect(page.locator("#gates tr", has_text="KKKKK-LLLLL")).to_contain_text("INC-8 by ana")
        assert console.rig.wooshq.open_gate("answers", "KKKKK-LLLLL")


class WhenManyLook:
    def test_eight_tabs_are_live_and_redis_is_read_once_a_second(
        self, browser: Browser, console: Console, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reads: list[float] = []
        read = AsyncWooshq.overview

        async def counted(self: AsyncWooshq) -> Overview:
            reads.append(time.monotonic())
            return await read(self)

        monkeypatch.setattr(AsyncWooshq, "overview", counted)
        with window(browser, console.url, console.secret) as shown:
            tabs = [shown.open("/"), *(shown.page.context.new_page() for _ in range(7))]
            for tab in tabs[1:]:
                tab.goto(f"{console.url}/")
            reads.clear()
            began = time.monotonic()
            console.rig.wooshq.pause("MMMMM-NNNNN", why="seen by all", by="bob@ops-2")
            for tab in tabs:
                expect(tab.locator(".finding", has_text="seen by all")).to_be_visible(timeout=SOON_MS)
            shown.page.wait_for_timeout(3000)
            lasted_s = time.monotonic() - began
            assert len(reads) <= lasted_s + 2, "once a second, for all of them"
            console.rig.wooshq.resume("MMMMM-NNNNN")


class WhenAllIsWellAgain:
    def test_it_says_so_with_the_proof(self, browser: Browser, console: Console) -> None:
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/")
            expect(page.locator("h1")).to_have_text(re.compile("wrong now"))
            wooshq = console.rig.wooshq
            for gate in wooshq.gates():
                wooshq.resume(gate.application, lane=gate.lane) if gate.gate == "hand" else wooshq.open_gate(gate.gate, gate.application)
            console.rig.redis().delete(wooshq.ledger.keys.fixed("minutes"))  # the dead of the seed would be news for some minutes
            expect(page.locator("h1")).to_have_text("All is well", timeout=SOON_MS)
            expect(page.locator(".now-head")).to_contain_text("1 worker is ready.")
            expect(page.locator(".finding")).to_have_count(0)
