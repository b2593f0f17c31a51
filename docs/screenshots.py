"""Pictures of every page of the console, from an installation with data that looks like a day: `python -m docs.screenshots`, or `make screenshots`."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from playwright.sync_api import Browser, sync_playwright
from pydantic import SecretStr
from sqlalchemy import MetaData, create_engine
from sqlalchemy.orm import Session

from tests.integration.console.browser import NO_BROWSER, chromium, window
from tests.integration.console.seed import Seeded, seed
from tests.integration.letters.dead_letters import letters_of, users
from tests.integration.worker.console.served import SECRET, serving
from tests.integration.worker.events.receiver import Receiver
from tests.rig import APPLICATION, Rig, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq import Wooshq
from wooshq.outbox import enqueue_in, outbox_table
from wooshq.overview.rates import MINUTE_MS, TEN_MS, Ends

FOLDER: Final = Path(__file__).parent / "console"
NARROW: Final = frozenset({"overview", "life", "causes", "replay", "recipe", "webhooks", "webhook", "settings"})
"""Pages that are also shown as on a telephone."""
_MESSAGE: Final = {"push": {"title": "Your order is on its way", "body": "Order 77 left our store."}}
_NOTHING_TO_SEE: Final = frozenset({"planning"})
"""Pages that are there for a moment."""
_MOST_HIGH: Final = 6000
_RECIPE: Final = "/replays/new?q=cause:{cause}&why=INC-7&patch=" + quote('{"message": {"push": {"title": "Your order left"}}}')
_REFUSALS: Final = (
    ("no-such-code", refusal(400, 3, "campaign: does not exist in this application")),
    ("long-title", refusal(400, 3, "message.push.title: must not be longer than 200 characters")),
    ("overloaded", refusal(503, 14, "The service is overloaded")),
    ("customer-lost-", Reply(cut=True)),
)


class TheApi:
    """What the API answers on that day. Calls to some recipients get no answer the first time."""

    def __init__(self) -> None:
        self._lost: set[str] = set()

    def __call__(self, call: Call, n: int) -> Reply | None:
        said = " ".join(call.recipients)
        if "answered-late" in said and said not in self._lost:
            self._lost.add(said)
            return Reply(cut=True)
        refused = refusal(400, 3, "to.users.0: is not a user of this application") if "refused" in said else None
        return next((reply for name, reply in _REFUSALS if name in said), refused)


def a_day(rig: Rig, api: StandIn) -> Seeded:
    """Fill an installation."""
    seeded = seed(rig, api)
    api.answer = TheApi()
    wooshq = rig.wooshq
    kinds = {"": 160, "long-title-": 14, "no-such-code-": 37, "answered-late-": 5}
    people = [f"customer-{kind}{1000 + n}" for kind, many in kinds.items() for n in range(many)]
    ids = [
        wooshq.enqueue({"to": {"users": [user]}, "message": _MESSAGE, "tags": {"order": str(7000 + n)}}) for n, user in enumerate(people)
    ]
    ids += [wooshq.enqueue({"to": {"users": [f"customer-lost-{n}"]}, "message": _MESSAGE, "on_unknown": "dead_letter"}) for n in range(3)]
    for n, campaign in enumerate(("SALE1-24NOV", "CODES-00012", "NEWS1-00048")):
        template = {"message": {"push": {"title": "Sale", "body": "Free delivery in {city}"}}, "campaign": campaign}
        rows = [
            {"user": f"{'refused' if at % 97 == n else 'reader'}-{at}", "city": ("Lyon", "Porto")[at % 2]} for at in range(400 * (n + 1))
        ]
        job = wooshq.fan_out(template, rows)
        wait_until(lambda job=job: job.show().state != "running")
        seeded.job = job.id
    wooshq.pause("CCCCC-DDDDD", lane="bulk", why="until the codes are through", by="ana@ops-1")
    wooshq.fan_out({"message": {"push": {"title": "Spring"}}, "application": "CCCCC-DDDDD"}, [{"user": f"reader-{n}"} for n in range(2400)])
    rig.ended(ids)
    a_day_before(rig)
    wooshq.open_gate("circuit", APPLICATION)  # the answers that were lost have shut it
    letters_of(wooshq, users(1204), detail="message.preset: the preset SPRING-25 does not exist")
    letters_of(wooshq, users(200) * 4, detail="message.preset: the preset WINTER-24 does not exist")
    cause = next(group.cause for group in wooshq.dead_letters.groups() if group.count == 800)
    receivers_of(rig, wooshq)
    a_replay(wooshq, f"cause:{cause}", seeded)
    for n in range(6):
        wooshq.enqueue({"to": {"users": [f"customer-overloaded-{n}"]}, "message": _MESSAGE})
    for n in range(30):
        wooshq.enqueue({"to": {"users": [f"customer-{2000 + n}"]}, "message": _MESSAGE, "application": "CCCCC-DDDDD", "lane": "bulk"})
    return seeded


def receivers_of(rig: Rig, wooshq: Wooshq) -> None:
    """Three webhooks: one is well, one is gone, one fails. They lead to this machine, and are then shown as what they might be, and left alone."""
    wooshq.webhooks.remove("shop")  # of the seed
    answers: dict[str, Any] = {"orders": None, "oncall": 410, "crm": 503}
    with contextlib.ExitStack() as open_:
        for name, answer in answers.items():
            receiver = open_.enter_context(Receiver(lambda got, n, answer=answer: answer))
            wooshq.webhooks.add(name, receiver.url, ["messages.dead"], by="ana@ops-1", why="INC-7")
        found = wooshq.webhooks
        for n in range(4):
            rig.ended([wooshq.enqueue({"to": {"users": [f"customer-long-title-{n}"]}, "message": _MESSAGE})])
            wait_until(lambda n=n: found.show("orders").delivered > n)  # an event for each of them
        wait_until(lambda: found.show("crm").failed > 2 and found.show("oncall").state == "paused")
    keys, server = wooshq.ledger.keys, rig.redis()
    for name in answers:
        row = keys.subscriber(f"webhook/{name}")
        server.hset(row, mapping={"url": f"https://{name}.example/hooks/wooshq", "quiet_till": 1 << 50})
        if name == "orders":  # it has got everything
            server.hset(row, "types", "job.ended")
            server.delete(keys.subscriber_part(f"webhook/{name}", "due"))
        else:
            server.hset(row, "failing_since", float(server.hget(row, "failing_since") or 0) - 840_000)


def a_day_before(rig: Rig) -> None:
    """What workers told in the hours before: a day that rises and falls, with a few dead."""
    keys, server, now_ms = rig.wooshq.ledger.keys, rig.redis(), int(time.time() * 1000)
    for name, slot_ms, slots, a_slot in (("minutes", MINUTE_MS, 59, 1), ("tens", TEN_MS, 143, 10)):
        for ago in range(2, slots + 2):
            slot = now_ms // slot_ms - ago
            daily = (
                1
                + 0.6 * math.sin(2 * math.pi * slot * slot_ms / 86_400_000)
                + (0.25 * math.sin(slot * 1.7) + 0.15 * math.sin(slot * 0.53)) / a_slot
            )
            for lane, usual in (("transactional", 190), ("bulk", 640)):
                ends = Ends(sent=int(a_slot * usual * daily), dead=a_slot * (slot % 11 == 3))
                server.hset(keys.fixed(name), f"{lane} {slot}", f"{slot} {ends.as_text()}")


def a_replay(wooshq: Wooshq, query: str, seeded: Seeded) -> None:
    """A replay that is in the middle of its letters while pictures are taken."""
    patch = {"message": {"preset": "SUMMER-25"}}
    plan = wooshq.dead_letters.replay(where=query, patch=patch, rate=4, first=50, why="INC-7: the preset was renamed", by="ana@ops-1")
    assert plan.id is not None
    seeded.replay, seeded.parameters["webhook"] = plan.id, {"webhook": "crm"}
    wait_until(lambda: wooshq.replays.show(seeded.replay).sent > 100, within_s=120)


def an_outbox(url: str, wooshq: Wooshq) -> None:
    """An app's database, with rows that no relay has moved yet."""
    engine = create_engine(url)
    metadata = MetaData()
    outbox_table(metadata)
    metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        for n in range(12):
            enqueue_in(session, {"to": {"users": [f"customer-{3000 + n}"]}, "message": _MESSAGE}, wooshq=wooshq)
    engine.dispose()


@contextmanager
def a_console() -> Iterator[tuple[str, Seeded]]:
    """A server of the console on such an installation."""
    with tempfile.TemporaryDirectory(prefix="wq-") as folder, StandIn(latency_s=0.02) as api:
        outbox = f"sqlite:///{folder}/app.db"
        rig = Rig(Path(folder), api.url, environment="production", webhooks_allow="127.0.0.0/8")
        try:
            seeded = a_day(rig, api)
            an_outbox(outbox, rig.wooshq)
            with serving(rig.wooshq.settings.model_copy(update={"outbox_url": SecretStr(outbox)})) as (_, url):
                yield url, seeded
        finally:
            rig.close()


def take(browser: Browser, url: str, seeded: Seeded, folder: Path, only: set[str], *, whole: bool) -> Iterator[Path]:
    """Take the pictures. whole: the whole page, not only what a window shows."""
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            with window(browser, url, SECRET, width=width, color_scheme=scheme, device_scale_factor=1) as shown:
                for name, path in {**seeded.paths(), "recipe": _RECIPE.format(cause=seeded.parameters["cause"]["cause"])}.items():
                    if (
                        (only and name not in only)
                        or (name in _NOTHING_TO_SEE and not only)
                        or (width == 390 and name not in NARROW and not only)
                    ):
                        continue
                    page = shown.open(path)
                    page.wait_for_selector('.age[data-streams][data-state="live"], .age:not([data-streams])[data-state="still"]')
                    made = folder / f"{name}-{scheme}{'' if width == 1440 else '-narrow'}.png"
                    fits = page.evaluate("document.documentElement.scrollHeight") < _MOST_HIGH
                    page.screenshot(path=made, full_page=whole and fits)
                    _reduce(made)
                    yield made


def _reduce(path: Path) -> None:
    """To a palette of 256 colours, a third of the size, where Pillow is installed (`requirements/bench.txt`)."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
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
