"""The pages of webhooks: added with a secret that is shown once, tested, paused, resumed and removed; and what the overview says of one that is paused."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.integration.console.browser import window
from tests.integration.console.conftest import logged_in
from tests.integration.worker.console.served import SECRET, serving
from tests.integration.worker.events.receiver import Receiver
from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn

SOON_MS = 1000 * GENEROUS_S


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory, api: StandIn) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("webhooks"), api.url, webhooks_allow="127.0.0.0/8")
    yield made
    made.close()


@pytest.fixture
def url(rig: Rig) -> Iterator[str]:
    with serving(rig.wooshq.settings) as (_, url):
        yield url


@pytest.fixture
def visitor(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60) as client:
        yield logged_in(client, SECRET)


class WhenAWebhookIsAdded:
    def test_its_secret_is_shown_once_and_it_gets_a_test_event(self, browser: Browser, rig: Rig, url: str) -> None:
        rig.start_worker()
        with Receiver() as receiver, window(browser, url, SECRET) as shown:
            page = shown.open("/webhooks")
            expect(page.locator("main")).to_contain_text("Nobody is told")
            page.get_by_text("Add a webhook…").click()
            page.get_by_role("textbox", name="Name").fill("shop")
            page.get_by_role("textbox", name="URL").fill(receiver.url)
            page.get_by_label("job.ended").check()
            page.get_by_role("button", name="Add it").click()
            receiver.secret = page.get_by_role("status").locator("code").inner_text()
            assert receiver.secret.startswith("whsec_")
            page.get_by_role("link", name="shop", exact=True).click()
            assert receiver.secret not in page.content()
            page.get_by_role("button", name="Send a test event").click()
            expect(page.get_by_role("status")).to_contain_text("is on its way")
            expect(page.locator("#deliveries tbody tr")).to_contain_text("delivered", timeout=SOON_MS)  # live
            page.get_by_role("button", name="Send again").click()
            expect(page.locator("#deliveries tbody tr")).to_have_count(2, timeout=SOON_MS)
            assert (shown.faults(), shown.axe()) == ([], [])
        assert [one.event["type"] for one in receiver.got] == ["webhook.test"] * 2
        assert all(one.is_genuine for one in receiver.got)
        assert rig.wooshq.webhooks.show("shop").types == ["job.ended"]

    def test_what_is_wrong_is_said_and_what_was_typed_stays(self, visitor: httpx.Client, rig: Rig) -> None:
        answer = visitor.post("/webhooks/add", data={"name": "shop", "url": "http://10.0.0.1/x", "type": "job.ended", "why": "INC-7"})
        assert answer.status_code == 422
        assert "Plain http goes only to what WOOSHQ_WEBHOOKS_ALLOW names" in answer.text
        assert all(said in answer.text for said in ('value="http://10.0.0.1/x"', 'value="INC-7"', 'value="job.ended" checked'))
        assert rig.wooshq.webhooks.list() == []


class WhenAReceiverWantsNoMore:
    def test_the_overview_says_that_it_is_paused_and_one_press_resumes_it(self, browser: Browser, rig: Rig, url: str) -> None:
        rig.start_worker()
        with Receiver(lambda got, n: 410 if n == 1 else None) as receiver, window(browser, url, SECRET) as shown:
            rig.wooshq.webhooks.add("shop", receiver.url, ["messages.sent"])
            page = shown.open("/")
            rig.ended([rig.wooshq.enqueue(an_intent())])
            row = page.locator(".finding[data-kind=webhook_paused]")
            expect(row).to_contain_text("The webhook shop is paused: the receiver answered HTTP 410", timeout=SOON_MS)  # live
            row.get_by_role("link", name="Look at its deliveries").click()
            expect(page.locator("main")).to_contain_text("Paused by itself")
            page.go_back()
            row.get_by_role("button", name="Resume shop").click()
            expect(page.get_by_role("status")).to_have_text("The webhook shop goes on.")
            expect(row).to_have_count(0)
            assert shown.faults() == []
        assert rig.wooshq.audit(most=1).found[0].by == "ana"


class WhenAPersonOperatesOne:
    def test_it_is_paused_resumed_given_a_new_secret_and_removed(self, visitor: httpx.Client, rig: Rig) -> None:
        first = rig.wooshq.webhooks.add("shop", "https://shop.example/hook").secret
        assert visitor.post("/webhooks/shop/pause", data={"why": "it moves"}).headers["location"] == "/webhooks/shop"
        for path in ("/webhooks", "/webhooks/shop"):
            text = visitor.get(path).text
            assert "it moves" in text
            assert "by ana" in text
        assert "ana paused the webhook shop: it moves." in visitor.get("/").text
        assert visitor.post("/webhooks/shop/test", data={"why": ""}).status_code == 422
        visitor.post("/webhooks/shop/resume", data={"why": ""})
        assert rig.wooshq.webhooks.show("shop").state == "active"
        second = re.search(r"whsec_[^<\s]+", visitor.post("/webhooks/shop/rotate", data={"why": "it was in a log"}).text)
        assert second is not None
        assert second[0] != first
        assert visitor.post("/webhooks/shop/remove", data={"why": "over"}).headers["location"] == "/webhooks"
        assert rig.wooshq.webhooks.list() == []
        assert visitor.get("/webhooks/shop").status_code == 404
        wait_until(lambda: "Nobody is told" in visitor.get("/webhooks").text)
