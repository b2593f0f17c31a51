"""A Chromium for tests: Debian's, the one that `make browser` installs, or none. And what a page must not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright

NO_BROWSER = "no browser is installed: make browser"
AXE = (Path(__file__).parents[2] / "data" / "vendor" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
WIDTHS = {1440: 900, 390: 844}
"""Width → height of a window."""

_WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
window.alert = window.confirm = window.prompt = () => { violations.push('a script of the data ran'); };
"""


def chromium(playwright: Playwright) -> Browser | None:
    """A browser that runs; None if none is installed."""
    system = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    own = playwright.chromium.executable_path
    path = system or (own if os.path.exists(own) else None)
    if path is None:
        return None
    options = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to run as root with its sandbox
    return playwright.chromium.launch(executable_path=path, args=[*options, "--disable-dev-shm-usage"])


class Window:
    """A page of the browser that remembers everything that it should not have done."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page = page
        self.base_url = base_url
        self._said: list[str] = []
        page.on("console", lambda message: self._said.append(f"console: {message.text}") if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self._said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self._said.append("a script of the data ran"), dialog.dismiss()))

    def open(self, path: str, *, status: int = 200) -> Page:
        """Go to a page of the console."""
        answer = self.page.goto(f"{self.base_url}{path}")
        assert answer is not None
        assert answer.status == status, f"{path}: {answer.status}"
        return self.page

    def faults(self) -> list[str]:
        """What is wrong so far: messages of the console, violations of the content security policy, scripts that ran."""
        try:
            found: list[str] = self.page.evaluate("window.violations ?? []")
        except Error:  # the page is just going elsewhere
            found = []
        return [*self._said, *found]

    def axe(self) -> list[str]:
        """What axe finds on the page as it is now."""
        self.page.evaluate(AXE)
        result: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:5]}" for one in result["violations"]]

    def is_too_wide(self) -> bool:
        """Whether one must scroll to the side."""
        wide: bool = self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        return wide


def log_in(page: Page, base_url: str, secret: str) -> None:
    """As a person does it."""
    page.goto(f"{base_url}/login")
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "/login" not in url)


@contextmanager
def window(browser: Browser, base_url: str, secret: str | None, *, width: int = 1440, **options: Any) -> Iterator[Window]:
    """A window of its own session, logged in with a token. options: of a browser's context, such as `color_scheme`."""
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": WIDTHS[width]}, reduced_motion="reduce", **options)
    context.add_init_script(_WATCH)
    try:
        made = Window(context.new_page(), base_url)
        if secret is not None:
            log_in(made.page, base_url, secret)
        yield made
    finally:
        context.close()
