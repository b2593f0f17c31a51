"""Whatever a text of the data says, it is only shown: in every field of every page, at once and live."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from tests.integration.console.browser import window
from tests.integration.console.payloads import PAYLOADS
from tests.integration.console.seed import Seeded, seed
from tests.integration.worker.console.served import SECRET, serving
from tests.rig import Rig
from tests.stand_in import StandIn
from wooshq_worker.console.pages import PAGES

_FOREIGN = """() => {
  const nonce = document.querySelector('script[nonce]')?.nonce ?? '';
  const texts = ['data-copy', 'title', 'value', 'content', 'aria-label', 'placeholder', 'datetime', 'd'];
  return [...document.querySelectorAll('*')].filter((element) => element.getAttribute('hx-nonce') !== nonce).flatMap((element) =>
    [...element.attributes].filter(({name, value}) => /^(on|hx-|data-hx-|sse-)/.test(name) || name === 'style'
      || (!texts.includes(name) && /^\\s*(java\\s*script|data):/i.test(value))).map(({name, value}) => `${element.tagName} ${name}=${value}`));
}"""
"""Attributes that only data could have brought in: none of ours acts, but on the stream's own element, which has the nonce of the page."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Seeded]]:
    """A console whose data is hostile, every text another payload; and its URL."""
    payloads = itertools.cycle(PAYLOADS)
    with StandIn() as api:
        rig = Rig(tmp_path_factory.mktemp("hostile"), api.url, environment="<b>prod</b>")
        try:
            seeded = seed(rig, api, lambda what: next(payloads))
            for payload in PAYLOADS:
                rig.wooshq.limits.set("rate", 50, why=payload, by="eve")
            with serving(rig.wooshq.settings) as (_, url):
                yield url, seeded
        finally:
            rig.close()


def test_each_of_fifty_payloads_is_shown_as_the_text_that_it_is(browser: Browser, hostile: tuple[str, Seeded]) -> None:
    assert len(set(PAYLOADS)) >= 50
    url, _ = hostile
    with window(browser, url, SECRET) as shown:
        seen = shown.open("/audit").locator("main").inner_text()
        seen += shown.open(shown.page.get_by_role("link", name="Older").get_attribute("href") or "").locator("main").inner_text()
        assert [payload for payload in PAYLOADS if _words_of(payload) not in _words_of(seen)] == []
        assert shown.faults() == []


def test_no_payload_does_anything_on_any_page(browser: Browser, hostile: tuple[str, Seeded]) -> None:
    url, seeded = hostile
    paths = seeded.paths()
    with window(browser, url, SECRET) as shown:
        for page in PAGES:
            opened = shown.open(paths[page.name])
            if page.live:
                opened.wait_for_selector('.age[data-state="live"]')  # its live parts were swapped in once more
            opened.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            assert opened.evaluate(_FOREIGN) == [], page.name
            assert opened.locator("h1").all_inner_texts() != ["gone"], page.name
            assert "49" not in opened.locator("h1").inner_text(), "a template's braces were evaluated"
            assert shown.faults() == [], page.name


def test_no_payload_in_an_address_does_anything(browser: Browser, hostile: tuple[str, Seeded]) -> None:
    url, seeded = hostile
    with window(browser, url, SECRET) as shown:
        for number, (page, payload) in enumerate(zip(itertools.cycle(PAGES), PAYLOADS, strict=False)):
            path = seeded.paths()[page.name]
            name = ("q", "by", "after", "next")[number % 4]
            shown.page.goto(f"{url}{path}?{name}={quote(payload)}")
            assert shown.page.evaluate(_FOREIGN) == [], (page.name, payload)
            said = [one for one in shown.faults() if "Failed to load resource" not in one]
            assert said == [], (page.name, payload)
        for payload in PAYLOADS[::10]:
            shown.page.goto(f"{url}/login?next={quote(payload)}")
            shown.page.goto(f"{url}/{quote(payload)}")
        assert [one for one in shown.faults() if "Failed to load resource" not in one] == []


def _words_of(text: str) -> str:
    return "".join(text.split())
