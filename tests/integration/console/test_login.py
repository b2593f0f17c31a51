"""Who may see the console: login, logout, a token that ends, a cookie that only this server gets."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser

from tests.integration.console.browser import window
from tests.integration.console.conftest import Console, logged_in
from tests.rig import wait_until


class WhenAPersonLogsIn:
    def test_a_browser_on_this_machine_keeps_the_cookie_and_shows_the_page_that_was_wanted(
        self, browser: Browser, console: Console
    ) -> None:
        with window(browser, console.url, None) as shown:
            page = shown.open("/audit?by=ana%40ops-1")
            assert page.url.startswith(f"{console.url}/login?next=")
            page.get_by_label("Token").fill("wq_nobody")
            page.get_by_role("button", name="Log in").click()
            assert page.get_by_text("Nobody knows this token").is_visible()
            page.get_by_label("Token").fill(console.secret)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{console.url}/audit?by=ana%40ops-1")
            (cookie,) = page.context.cookies()
            assert cookie["name"].startswith("__Host-")
            assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (True, True, "Strict", "/")
            page.locator(".account summary").click()
            page.get_by_role("button", name="Log out").click()
            page.wait_for_url(f"{console.url}/login")
            assert page.context.cookies() == []

    @pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\tevil"])
    def test_it_leads_only_to_this_server(self, console: Console, bare: httpx.Client, wanted: str) -> None:
        answer = bare.post("/login", data={"token": console.secret, "next": wanted})
        assert answer.headers["location"] == "/login/done?next=%2F"
        bare.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        assert bare.get("/login/done", params={"next": wanted}).headers["location"] == "/"

    def test_a_browser_that_does_not_keep_the_cookie_is_told_why(self, console: Console, bare: httpx.Client) -> None:
        answer = bare.get("/login/done")
        assert answer.status_code == 400
        assert "needs TLS at this address" in answer.text

    def test_at_another_address_without_tls_the_page_says_what_is_needed(self, console: Console, bare: httpx.Client) -> None:
        assert "needs TLS" in bare.get("/login", headers={"Host": "console.example.org"}).text
        assert "needs TLS" not in bare.get("/login").text

    def test_a_link_from_elsewhere_opens_itself_again_so_that_the_cookie_comes_along(self, console: Console, bare: httpx.Client) -> None:
        answer = bare.get("/audit?by=ana", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 200
        assert '<meta http-equiv="refresh" content="0;url=/audit?by=ana">' in answer.text

    def test_a_token_that_may_not_read_is_refused(self, console: Console, bare: httpx.Client) -> None:
        secret = console.rig.wooshq.tokens.make("sender", ["send"], by="ana").secret
        wait_until(lambda: bare.post("/login", data={"token": secret}).status_code == 403)
        console.rig.wooshq.tokens.revoke("sender", by="ana")

    def test_a_login_from_another_site_is_refused(self, console: Console, bare: httpx.Client) -> None:
        answer = bare.post("/login", data={"token": console.secret}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        del bare.headers["Sec-Fetch-Site"]
        assert bare.post("/login", data={"token": console.secret}).status_code == 403
        assert bare.post("/login", data={"token": console.secret}, headers={"Origin": "http://evil.example"}).status_code == 403
        assert bare.post("/login", data={"token": console.secret}, headers={"Origin": console.url}).status_code == 303


class WhenATokenIsRevoked:
    def test_its_pages_and_its_stream_end_within_seconds(self, console: Console, bare: httpx.Client) -> None:
        secret = console.rig.wooshq.tokens.make("leaver", ["read"], by="ana").secret
        wait_until(lambda: bare.post("/login", data={"token": secret}).status_code == 303)
        leaver = logged_in(bare, secret)
        with leaver.stream("GET", "/live/settings") as stream:
            lines = stream.iter_lines()
            assert any(line == "event: beat" for line in lines)
            console.rig.wooshq.tokens.revoke("leaver", by="ana")
            assert any(line == "event: out" for line in lines), "the stream says why, and ends"
            assert list(lines)[-1:] in ([], [""])
        wait_until(lambda: leaver.get("/settings").status_code == 303)


class WhenWrongTokensAreTried:
    def test_they_are_slowed_down(self, console: Console, bare: httpx.Client) -> None:
        statuses = [bare.post("/login", data={"token": f"wq_{n}"}).status_code for n in range(12)]
        assert set(statuses) == {401, 429}
        answer = bare.post("/login", data={"token": "wq_x"})
        assert (answer.status_code, int(answer.headers["retry-after"]) >= 1) == (429, True)
