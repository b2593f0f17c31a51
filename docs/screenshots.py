"""Pictures of every page of the console, from an installation with data that looks like a day: `python -m docs.screenshots`, or `make screenshots`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from tests.integration.console.browser import NO_BROWSER, chromium, window
from tests.integration.console.seed import Seeded, seed
from tests.integration.worker.console.served import SECRET, serving
from tests.rig import Rig
from tests.stand_in import Call, Reply, StandIn, refusal

FOLDER: Final = Path(__file__).parent / "console"
NARROW: Final = frozenset({"overview", "life", "causes", "settings"})
"""Pages that are also shown as on a telephone."""
_REFUSALS: Final = (
    ("no-such-code", refusal(400, 3, "campaign: does not exist in this application")),
    ("long-title", refusal(400, 3, "message.push.title: must not be longer than 200 characters")),
    ("overloaded", refusal(503, 14, "The service is overloaded")),
    ("lost", Reply(cut=True)),
)


def answer(call: Call, n: int) -> Reply | None:
    """What the API answers on that day."""
    said = " ".join(call.recipients)
    return next(
        (reply for name, reply in _REFUSALS if name in said), refusal(400, 3, "to.users.0: is not a user") if "refused" in said else None
    )


def a_day(rig: Rig, api: StandIn) -> Seeded:
    """Fill an installation."""
    seeded = seed(rig, api)
    api.answer = answer
    wooshq = rig.wooshq
    users = [
        *(f"customer-{1000 + n}" for n in range(160)),
        *(f"customer-long-title-{n}" for n in range(14)),
        *(f"customer-no-such-code-{n}" for n in range(37)),
    ]
    title = {"push": {"title": "Your order is on its way", "body": "Order 77 left our store."}}
    ids = [wooshq.enqueue({"to": {"users": [user]}, "message": title, "tags": {"order": str(7000 + n)}}) for n, user in enumerate(users)]
    ids += [wooshq.enqueue({"to": {"users": [f"customer-lost-{n}"]}, "message": title, "on_unknown": "dead_letter"}) for n in range(3)]
    rig.ended(ids)
    for n in range(6):
        wooshq.enqueue({"to": {"users": [f"customer-overloaded-{n}"]}, "message": title})
    for n in range(48):
        wooshq.enqueue({"to": {"users": [f"customer-{2000 + n}"]}, "message": title, "application": "CCCCC-DDDDD", "lane": "bulk"})
    return seeded


@contextmanager
def a_console() -> Iterator[tuple[str, Seeded]]:
    """A server of the console on such an installation."""
    with tempfile.TemporaryDirectory(prefix="wq-") as folder, StandIn(latency_s=0.02) as api:
        rig = Rig(Path(folder), api.url, environment="production")
        try:
            seeded = a_day(rig, api)
            with serving(rig.wooshq.settings) as (_, url):
                yield url, seeded
        finally:
            rig.close()


def take(browser: Browser, url: str, seeded: Seeded, folder: Path, only: set[str], *, whole: bool) -> Iterator[Path]:
    """Take the pictures. whole: the whole page, not only what a window shows."""
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            with window(browser, url, SECRET, width=width, color_scheme=scheme, device_scale_factor=1) as shown:
                for name, path in seeded.paths().items():
                    if (only and name not in only) or (width == 390 and name not in NARROW and not only):
                        continue
                    page = shown.open(path)
                    page.wait_for_selector('.age[data-state="live"], .age[data-state="still"]')
                    made = folder / f"{name}-{scheme}{'' if width == 1440 else '-narrow'}.png"
                    page.screenshot(path=made, full_page=whole)
                    _reduce(made)
                    yield made


def _reduce(path: Path) -> None:
    """To a palette of 256 colours, a third of the size, where Pillow is installed (`requirements/bench.txt`)."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


def main() -> int:
    """Take them, and print their names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder to write to (default: docs/console)")
    parser.add_argument("--only", action="append", default=[], metavar="PAGE", help="only this page; may be given again")
    parser.add_argument("--whole", action="store_true", help="the whole page, however long it is")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        if browser is None:
            print(NO_BROWSER, file=sys.stderr)
            return 1
        with browser, a_console() as (url, seeded):
            for path in take(browser, url, seeded, given.to, set(given.only), whole=given.whole):
                print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
