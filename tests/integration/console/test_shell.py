"""What all pages share, used as a person uses it: keys, search and its completion, theme, copying, help, and every macro on one page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser

from tests.integration.console.browser import WIDTHS, Window, window
from tests.integration.console.conftest import Console
from tests.integration.worker.console.served import SECRET, serving
from tests.rig import wait_until
from wooshq_worker.console.pages import PAGES
from wooshq_worker.console.pages.shell.registry import Page, Shown
from wooshq_worker.console.pages.shell.tones import LOOKS
from wooshq_worker.console.pages.shell.visit import Visit


async def examples(_: Visit) -> Shown:
    line = [3, 4, 8, 2, 5, 9, 12, 11, 7, 9, 14, 12, 15, 11, 8, 6, 4, 5, 3, 2, 6, 8, 9, 7]
    return Shown({"line": line, "words": list(LOOKS), "now": datetime.now(UTC)}, command="wooshq find state:dead", curl="curl")


EXAMPLES = Page("examples", "/examples", "Examples", examples, "shell/examples.html")


@pytest.fixture
def shown(browser: Browser, console: Console) -> Iterator[Window]:
    with window(browser, console.url, console.secret) as made:
        yield made
        assert made.faults() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_macro_is_accessible_and_fits(
    browser: Browser, console: Console, scheme: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wooshq_worker.console.app.PAGES", (*PAGES, EXAMPLES))
    with (
        serving(console.rig.wooshq.settings) as (_, url),
        window(browser, url, SECRET, width=width, color_scheme=scheme) as shown,
    ):
        page = shown.open("/examples")
        page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
        assert shown.axe() == []
        assert shown.faults() == []
        assert not shown.is_too_wide()


def led(visitor: httpx.Client, wanted: str) -> str:
    """Where the search box leads."""
    return visitor.get("/search", params={"q": wanted}).headers["location"]


class WhenAPersonUsesTheKeyboard:
    def test_g_and_a_letter_go_to_each_page_and_nothing_happens_in_a_field(self, shown: Window) -> None:
        page = shown.open("/settings")
        for one in PAGES:
            if one.in_navigation:
                page.keyboard.press("g")
                page.keyboard.press(str(one.letter))
                page.wait_for_url(f"{shown.base_url}{one.path}")
        page.keyboard.press("/")
        page.keyboard.type("gs?jk")
        assert page.locator("[data-find]").input_value() == "gs?jk"
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement === document.body")

    def test_j_and_k_go_through_a_list_and_enter_opens_what_is_there(self, shown: Window) -> None:
        page = shown.open("/audit")
        page.keyboard.press("j")
        first = page.evaluate("document.activeElement.textContent")
        page.keyboard.press("j")
        page.keyboard.press("k")
        assert page.evaluate("document.activeElement.textContent") == first
        page.keyboard.press("Enter")
        page.wait_for_url(f"{shown.base_url}/audit?by=*")

    def test_a_row_without_a_link_is_reached_too(self, shown: Window) -> None:
        page = shown.open("/settings")
        rows = page.locator("[data-row]").count()
        for _ in range(rows + 1):
            page.keyboard.press("j")
        assert page.locator("[data-row]").last.evaluate("(row) => row.contains(document.activeElement)")

    def test_help_opens_names_every_page_and_closes(self, shown: Window) -> None:
        page = shown.open("/audit")
        page.keyboard.press("?")
        help_ = page.get_by_role("dialog")
        assert help_.is_visible()
        for one in PAGES:
            if one.in_navigation:
                assert help_.get_by_text(one.title, exact=True).count() == 1, one.name
        assert shown.axe() == []
        page.keyboard.press("Escape")
        assert not help_.is_visible()


class WhenAPersonSearches:
    def test_fields_and_values_complete_the_query(self, shown: Window) -> None:
        page = shown.open("/audit")
        page.keyboard.press("/")
        page.keyboard.type("sta")
        page.get_by_role("option", name="state:").wait_for()
        page.keyboard.press("Tab")
        assert page.locator("[data-find]").input_value() == "state:"
        page.keyboard.type("de")
        page.get_by_role("option", name="state:dead").wait_for()
        assert shown.axe() == []
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert page.locator("[data-find]").input_value() == "state:dead "
        page.keyboard.type("lane:")
        page.get_by_role("option", name="lane:bulk").wait_for()
        page.keyboard.press("Escape")
        assert page.get_by_role("option").count() == 0 or not page.locator("#find-words").is_visible()

    def test_an_id_or_a_key_jumps_to_what_it_names(self, console: Console, visitor: httpx.Client) -> None:
        seeded = console.seeded
        for wanted, path in (
            (seeded.sent, f"/messages/{seeded.sent}"),
            (seeded.dead, f"/messages/{seeded.dead}"),
            (seeded.job, f"/jobs/{seeded.job}"),
            ("order-77-shipped", f"/messages/{seeded.sent}"),
        ):
            assert led(visitor, f" {wanted} ") == path

    def test_the_id_of_anything_that_exists_jumps_to_its_page(self, console: Console, visitor: httpx.Client) -> None:
        wooshq, seeded = console.rig.wooshq, console.seeded
        [outcome] = wooshq.replays.outcomes(seeded.replay)
        replayed = wooshq.status(outcome.letter)
        assert replayed is not None
        assert replayed.replays, "it was replayed, so a search for its id finds several things"
        cause = wooshq.dead_letters.groups()[0].cause
        job = wooshq.fan_out({"message": {"push": {"title": "Sale"}}}, [{"user": "customer-refused-in-a-job"}])
        wait_until(lambda: job.show().state == "done", saw=lambda: job.show().to_json())
        [of_job] = wooshq.dead_letters.list(where=f"job:{job.id}")
        for wanted, path in (
            (replayed.id, f"/messages/{replayed.id}"),
            (replayed.id.upper(), f"/messages/{replayed.id}"),
            (replayed.replays[0], f"/messages/{replayed.replays[0]}"),
            (seeded.replay, f"/replays/{seeded.replay}"),
            (cause, f"/causes/{cause}"),
            (job.id, f"/jobs/{job.id}"),
            (of_job.id, f"/messages/{of_job.id}"),
        ):
            assert led(visitor, wanted) == path
            assert visitor.get(path).status_code == 200

    def test_a_key_jumps_to_its_message_also_if_it_was_replayed_or_looks_like_a_query(
        self, console: Console, visitor: httpx.Client
    ) -> None:
        wooshq = console.rig.wooshq
        message = {"message": {"push": {"title": "Sale"}}}
        keys = ("order-78", "order:79", "order 80 (second)", 'state"81')
        ids = [wooshq.enqueue({"to": {"users": ["customer-refused-by-key"]}, "idempotency_key": key, **message}) for key in keys]
        console.rig.ended(ids)
        replay = wooshq.dead_letters.replay(ids[0], why="a test of keys", by="ana@ops-1")
        assert replay.id is not None
        wooshq.replays.wait(replay.id)
        for key, intent_id in zip(keys, ids, strict=True):
            assert led(visitor, key) == f"/messages/{intent_id}"

    def test_a_key_of_two_applications_leads_to_both_messages(self, console: Console, visitor: httpx.Client) -> None:
        wooshq = console.rig.wooshq
        intent = {"to": {"users": ["customer-9"]}, "idempotency_key": "shared-key", "message": {"push": {"title": "Sale"}}}
        console.rig.ended([wooshq.enqueue({**intent, "application": code}) for code in ("EEEEE-11111", "EEEEE-22222")])
        assert led(visitor, "shared-key") == "/messages?q=key%3Ashared-key"

    def test_anything_else_is_a_query_for_the_list(self, console: Console, visitor: httpx.Client) -> None:
        has_list = any(page.name == "messages" for page in PAGES)
        for wanted, query in (
            ("state:dead since:2h", "state:dead since:2h"),
            ("customer-1", "recipient:customer-1"),
            ("stat:dead", "stat:dead"),
            ("0" * 12, f"recipient:{'0' * 12}"),
        ):
            assert led(visitor, wanted).replace("+", "%20") == (f"/messages?q={quote(query, safe='')}" if has_list else "/")


class WhenAPersonChangesTheTheme:
    def test_the_browser_keeps_it(self, shown: Window) -> None:
        page = shown.open("/audit")
        background = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(background)
        page.get_by_role("button", name="Theme: system").click()
        assert page.evaluate(background) == light
        page.get_by_role("button", name="Theme: light").click()
        dark = page.evaluate(background)
        assert dark != light
        assert shown.open("/settings").evaluate(background) == dark
        page.get_by_role("button", name="Theme: dark").click()
        assert page.evaluate(background) == light


class WhenAnActIsDone:
    def test_the_page_says_what_came_of_it_once(self, shown: Window, console: Console) -> None:
        page = shown.open("/settings")
        page.get_by_text("Pause…").click()
        form = page.locator("details.sure[open]")
        form.get_by_label("Application").fill("GGGGG-HHHHH")
        form.get_by_label("Why").fill("a test of the form")
        form.get_by_role("button", name="Pause now").click()
        page.get_by_role("status").get_by_text("Sending is paused for application GGGGG-HHHHH").wait_for()
        (gate,) = [one for one in console.rig.wooshq.gates() if one.application == "GGGGG-HHHHH"]
        assert (gate.why, gate.by) == ("a test of the form", "ana")
        row = page.get_by_role("row").filter(has_text="GGGGG-HHHHH")
        row.get_by_role("button", name="Resume").click()
        page.get_by_role("status").get_by_text("Sending goes on").wait_for()
        wait_until(lambda: all(one.application != "GGGGG-HHHHH" for one in console.rig.wooshq.gates()))
        assert shown.open("/audit").get_by_role("status").count() == 0

    def test_what_cannot_be_done_is_a_page_that_says_why(self, visitor: httpx.Client) -> None:
        answer = visitor.post("/settings/set-limit", data={"limit": "rate", "value": "-1"})
        assert answer.status_code == 422
        assert "rate: is not a number above 0" in answer.text
        assert "Nothing was changed" in answer.text
        assert visitor.post("/settings/set-limit", content="{}", headers={"Content-Type": "application/json"}).status_code == 415
        assert visitor.post("/settings/pause", data={"why": "x" * 9_000_000}).status_code == 413
        assert (
            visitor.post("/settings/pause", content=b"why=%ff", headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code
            == 422
        )


class WhenSomethingIsWrong:
    def test_the_address_of_every_act_leads_to_its_page(self, console: Console, visitor: httpx.Client) -> None:
        paths = console.seeded.paths()
        for page in PAGES:
            for act in page.acts:
                answer = visitor.get(f"{paths[page.name].rstrip('/')}/{act.name}?back=here", headers={"Accept": "text/html"})
                assert answer.status_code == 303, (page.name, act.name)
                assert answer.headers["location"] == f"{paths[page.name]}?back=here"

    def test_an_address_that_only_takes_forms_is_a_page_for_a_browser(self, visitor: httpx.Client) -> None:
        answer = visitor.get("/logout", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (405, "text/html")
        assert "This address is not a page" in answer.text
        assert visitor.get("/logout", headers={"Accept": "*/*"}).json()["status"] == 405

    def test_an_address_that_is_none_is_a_page_for_a_browser_and_a_problem_for_a_program(self, visitor: httpx.Client) -> None:
        answer = visitor.get("/nowhere", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (404, "text/html")
        assert visitor.get("/nowhere", headers={"Accept": "*/*"}).json()["type"] == "urn:wooshq:no-such-call"
        assert visitor.get("/v1/nowhere", headers={"Accept": "text/html"}).json()["status"] == 404

    def test_a_ledger_that_is_away_is_a_page_that_tries_again(self, console: Console, browser: Browser) -> None:
        away = console.rig.wooshq.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0", "broker_url": None})
        with serving(away) as (_, url), window(browser, url, None) as shown:
            page = shown.page
            page.goto(f"{url}/login")
            page.get_by_label("Token").fill(SECRET)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("heading", name="The ledger is away").wait_for()
            assert page.locator("[data-reload]").count() == 1, "it tries again by itself"
            assert "Messages that were accepted are safe" in page.locator("main").inner_text()
            assert shown.axe() == []
