"""Every registered page, whoever made it: it loads, reads well, is accessible, and works without scripts. A new page is in these tables by itself."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser

from tests.integration.console.browser import WIDTHS, window
from tests.integration.console.conftest import Console, logged_in
from wooshq_worker.console.pages import PAGES
from wooshq_worker.console.pages.shell.headers import CSP


class WhenAPageIsOpened:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", WIDTHS)
    def test_it_is_accessible_fits_and_breaks_no_policy(self, browser: Browser, console: Console, scheme: str, width: int) -> None:
        with window(browser, console.url, console.secret, width=width, color_scheme=scheme) as shown:
            found: dict[str, list[str]] = {}
            for name, path in console.seeded.paths().items():
                page = shown.open(path)
                assert page.locator("main h1").count() == 1, name
                wide = ["it must be scrolled to the side"] if shown.is_too_wide() else []
                found[name] = [*wide, *shown.axe(), *shown.faults()]
            assert {name: faults for name, faults in found.items() if faults} == {}

    def test_it_works_without_scripts(self, browser: Browser, console: Console) -> None:
        with window(browser, console.url, console.secret, java_script_enabled=False) as shown:
            for name, path in console.seeded.paths().items():
                page = shown.open(path)
                assert page.locator("main h1").inner_text(), name
                assert page.locator("nav.pages a").count() > 1, name

    def test_who_is_not_logged_in_goes_to_the_login_and_comes_back(self, console: Console, bare: httpx.Client) -> None:
        for name, path in console.seeded.paths().items():
            answer = bare.get(path)
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login"), name
        for page in PAGES:
            if page.live:
                path = console.seeded.paths()[page.name]
                assert [bare.get(f"/{way}{path}").status_code for way in ("live", "poll")] == [401, 401], page.name

    def test_every_answer_says_what_the_browser_may_do(self, console: Console, visitor: httpx.Client) -> None:
        for path in (*console.seeded.paths().values(), "/login", "/nowhere", "/"):
            answer = visitor.get(path, headers={"Accept": "text/html"})
            assert answer.headers["content-security-policy"] == CSP, path
            assert answer.headers["cache-control"] == "no-store", path
            assert answer.headers["x-content-type-options"] == "nosniff", path
        assert all(visitor.get(path).headers["server-timing"].startswith("total;dur=") for path in console.seeded.paths().values())

    def test_it_shows_its_command_and_its_call(self, console: Console, visitor: httpx.Client) -> None:
        for name, path in console.seeded.paths().items():
            text = visitor.get(path).text
            assert "As command" in text, name
            if name != "outbox":  # the outbox is in the database of an app, and no call of the HTTP API reaches it
                assert "Authorization: Bearer $TOKEN" in text, name


class WhenATokenMayOnlyRead:
    def test_no_page_shows_it_a_button_that_acts_and_every_act_is_403(self, console: Console, bare: httpx.Client) -> None:
        reader = logged_in(bare, console.readers)
        for page in PAGES:
            path = console.seeded.paths()[page.name]
            text = reader.get(path).text
            assert text.count('method="post"') == 1, f"{page.name}: only the button to log out"
            for act in page.acts:
                answer = reader.post(f"{path.rstrip('/')}/{act.name}", data={})
                assert answer.status_code == 403, (page.name, act.name)

    def test_a_form_from_elsewhere_is_403(self, console: Console, visitor: httpx.Client) -> None:
        for page in PAGES:
            for act in page.acts:
                url = f"{console.seeded.paths()[page.name].rstrip('/')}/{act.name}"
                for site in ("cross-site", "same-site", "none"):
                    assert visitor.post(url, data={}, headers={"Sec-Fetch-Site": site}).status_code == 403, url
