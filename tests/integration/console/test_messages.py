"""Messages, the life of one, jobs, doubles and the outbox: what the pages show, and what their buttons do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from tests.databases import a_database, make_table
from tests.integration.console.browser import window
from tests.integration.console.conftest import Console, logged_in
from tests.integration.worker.console.served import SECRET, served
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Reply, StandIn
from wooshq import Wooshq
from wooshq.outbox import enqueue_in


def landed(answer: httpx.Response, visitor: httpx.Client) -> str:
    """Where an act leads, and the page there."""
    assert answer.status_code == 303, answer.text
    said = answer.headers.get("set-cookie", "").partition(";")[0]  # secure: httpx does not send it over plain HTTP by itself
    return visitor.get(answer.headers["location"], headers={"Cookie": f"{visitor.headers['Cookie']}; {said}"}).text


@pytest.fixture(autouse=True)
def held(console: Console) -> Iterator[str]:
    """A message that waits behind a pause of its own application, whatever other tests do with gates."""
    wooshq = console.rig.wooshq
    wooshq.pause("HELDA-XXXXX", why="the codes come first", by="ana@ops-1")
    made = wooshq.enqueue(an_intent("held", application="HELDA-XXXXX", lane="bulk"))
    yield made
    wooshq.cancel(made)


class WhenNothingIsAsked:
    def test_what_waits_is_listed_with_what_it_waits_for(self, visitor: httpx.Client, held: str) -> None:
        page = visitor.get("/messages").text
        assert f'href="/messages/{held}"' in page
        assert "paused by ana@ops-1: the codes come first" in page

    def test_a_shelf_that_is_not_there_is_the_first_one(self, visitor: httpx.Client) -> None:
        assert visitor.get("/messages?view=nowhere").status_code == 200

    def test_a_list_that_is_open_follows_what_happens(self, browser: Browser, console: Console) -> None:
        with window(browser, console.url, console.secret) as shown:
            page = shown.open("/messages")
            made = console.rig.wooshq.enqueue(an_intent("late", application="HELDA-XXXXX", lane="bulk"))
            expect(page.locator(f'a[href="/messages/{made}"]')).to_have_count(1)
            console.rig.wooshq.cancel(made)
            expect(page.locator(f'a[href="/messages/{made}"]')).to_have_count(0)
            assert shown.faults() == []


class WhenAQueryIsAsked:
    def test_what_fits_leads_to_its_life(self, console: Console, visitor: httpx.Client) -> None:
        page = visitor.get("/messages", params={"q": f"id:{console.seeded.sent}"}).text
        assert f'href="/messages/{console.seeded.sent}"' in page

    def test_a_mistake_is_shown_at_its_column(self, visitor: httpx.Client) -> None:
        answer = visitor.get("/messages", params={"q": "lane:bulk lnae:bulk"})
        assert answer.status_code == 422
        assert "Did you mean lane?" in answer.text
        assert f"lane:bulk lnae:bulk\n{' ' * 10}^" in answer.text

    def test_a_search_stays_as_it_is_while_the_page_is_live(self, browser: Browser, console: Console) -> None:
        with window(browser, console.url, console.secret) as shown:
            page = shown.open(f"/messages?q=id:{console.seeded.sent}")
            expect(page.locator(".age")).to_have_attribute("data-state", "live")
            expect(page.locator("tr[data-row]")).to_have_count(1)
            assert shown.faults() == []

    def test_a_long_list_has_pages(self, console: Console, visitor: httpx.Client) -> None:
        ids = [console.rig.wooshq.enqueue(an_intent(f"many{n}", application="HELDA-XXXXX", lane="bulk")) for n in range(60)]
        first = visitor.get("/messages", params={"q": "app:HELDA-XXXXX lane:bulk state:held"}).text
        older = re.search(r'href="(/messages\?[^"]*after=[^"]*)"', first)
        assert older is not None
        second = visitor.get(older[1].replace("&amp;", "&")).text
        shown = set(re.findall(r'href="/messages/([0-9a-f-]{36})"', first + second))
        assert set(ids) <= shown
        assert visitor.get("/messages", params={"q": "lane:bulk", "after": "nowhere"}).status_code == 422
        for intent_id in ids:
            console.rig.wooshq.cancel(intent_id)


class WhenAMessageIsLookedAt:
    def test_it_says_why_it_is_not_out_yet(self, visitor: httpx.Client, held: str) -> None:
        page = visitor.get(f"/messages/{held}").text
        assert "Why is it not out yet?" in page
        assert "Its application is paused by ana@ops-1: the codes come first." in page

    def test_a_dead_one_shows_what_the_api_said(self, console: Console, visitor: httpx.Client) -> None:
        page = visitor.get(f"/messages/{console.seeded.dead}").text
        assert "The API refused it" in page
        assert "must not be longer than 200 characters" in page
        assert "INVALID_ARGUMENT" in page

    def test_its_key_is_a_name_as_well(self, visitor: httpx.Client, console: Console) -> None:
        assert console.seeded.sent in visitor.get("/messages/order-77-shipped").text

    def test_an_unknown_one_is_a_page_that_says_so(self, visitor: httpx.Client) -> None:
        answer = visitor.get("/messages/nobody")
        assert answer.status_code == 404
        assert "No message has this id" in answer.text

    def test_what_waits_can_be_cancelled_and_the_log_says_by_whom(self, console: Console, visitor: httpx.Client) -> None:
        made = console.rig.wooshq.enqueue(an_intent("regret", application="HELDA-XXXXX", lane="bulk"))
        assert "It is cancelled." in landed(visitor.post(f"/messages/{made}/cancel", data={"why": "a typo"}), visitor)
        assert console.rig.status(made).state == "cancelled"
        act = console.rig.wooshq.audit().found[0]
        assert (act.did, act.why, act.what) == ("cancelled", "a typo", f"intent {made}")

    def test_what_was_sent_is_sent_again_only_with_a_reason(self, console: Console, visitor: httpx.Client) -> None:
        url = f"/messages/{console.seeded.sent}/resend"
        assert visitor.post(url, data={"why": ""}).status_code == 422
        page = landed(visitor.post(url, data={"why": "a new phone"}), visitor)
        assert "This is the new message." in page

    def test_a_retry_does_not_wait_if_somebody_says_so(self, tmp_path: Path, browser: Browser) -> None:
        with StandIn() as api:
            api.answer = lambda call, n: Reply(503, {"code": 14, "message": "later", "status": "UNAVAILABLE"}) if n == 1 else None
            rig = Rig(tmp_path, api.url, backoff_base_s=3600, backoff_ceiling_s=7200, short_tries=1, breaker_failures=1000)
            try:
                made = rig.wooshq.enqueue(an_intent())
                rig.start_worker()
                wait_until(lambda: rig.status(made).state == "retrying")
                with served(rig.wooshq.settings) as client, window(browser, str(client.base_url).rstrip("/"), SECRET) as shown:
                    page = shown.open(f"/messages/{made}")
                    expect(page.locator(".answer")).to_contain_text("UNAVAILABLE")
                    page.get_by_role("button", name="Try now").click()
                    expect(page.locator(".answer")).to_contain_text("It was sent", timeout=60_000)
                    assert shown.faults() == []
            finally:
                rig.close()


class WhenAJobIsLookedAt:
    def test_its_numbers_add_up(self, console: Console, visitor: httpx.Client) -> None:
        page = visitor.get(f"/jobs/{console.seeded.job}").text
        sums = re.search(r'<table class="sums">(.*?)</table>', page, re.DOTALL)
        assert sums is not None
        numbers = [int(found) for found in re.findall(r'<td class="number">(\d+)</td>', sums[1])]
        assert sum(numbers[:-1]) == numbers[-1] == 20

    def test_it_is_paused_resumed_limited_and_cancelled(self, console: Console, visitor: httpx.Client) -> None:
        made = console.rig.wooshq.fan_out(
            {"message": {"preset": "A-1"}, "application": "HELDA-XXXXX"}, [{"user": f"p{n}"} for n in range(30)]
        ).id
        show = console.rig.wooshq.bulk.show
        landed(visitor.post(f"/jobs/{made}/pause", data={"why": "noon"}), visitor)
        assert (show(made).state, show(made).why) == ("paused", "noon")
        landed(visitor.post(f"/jobs/{made}/resume", data={"why": ""}), visitor)
        assert show(made).state == "running"
        landed(visitor.post(f"/jobs/{made}/rate", data={"rate": "2.5"}), visitor)
        assert show(made).limit == 2.5
        assert visitor.post(f"/jobs/{made}/rate", data={"rate": "fast"}).status_code == 422
        assert "It is cancelled." in landed(visitor.post(f"/jobs/{made}/cancel", data={"why": "wrong list"}), visitor)
        wait_until(lambda: show(made).state == "cancelled" and not show(made).left)

        page = visitor.get(f"/jobs/{made}").text
        assert f"/jobs/{made}/files/unreached" in page
        file = visitor.get(f"/jobs/{made}/files/unreached")
        assert file.headers["content-disposition"] == f'attachment; filename="job-{made}-unreached.ndjson"'
        assert {json.loads(line)["user"] for line in file.text.splitlines()} == {f"p{n}" for n in range(30)}
        assert visitor.get(f"/jobs/{made}/files/nothing").status_code == 404

        page = landed(visitor.post(f"/jobs/{made}/continue", data={"why": "the right list"}), visitor)
        assert "This job sends to those whom the other one did not reach." in page

    def test_an_unknown_one_is_a_page_that_says_so(self, visitor: httpx.Client) -> None:
        assert visitor.get("/jobs/nobody").status_code == 404
        assert visitor.get("/jobs/nobody/files/unknown").status_code == 404


class WhenSomebodyMayHaveGotItTwice:
    def test_the_case_is_listed_with_its_cause_and_attempts(self, console: Console, visitor: httpx.Client) -> None:
        assert visitor.get("/doubles", params={"since": "nonsense"}).status_code == 200
        made = console.rig.wooshq.resend(console.seeded.sent, "for the page", by="ana")
        console.rig.ended([str(made)])
        wait_until(lambda: console.rig.wooshq.doubles().found)
        shown = visitor.get("/doubles").text
        for case in console.rig.wooshq.doubles().found:
            assert case.id in shown
            assert case.cause.splitlines()[0] in shown
        assert visitor.get("/doubles?since=1h").text.count("<tr data-row") >= 1


class WhenAnAppHasAnOutbox:
    def test_without_one_the_page_says_how_to_name_it(self, visitor: httpx.Client) -> None:
        assert "WOOSHQ_OUTBOX_URL" in visitor.get("/outbox").text

    def test_rows_are_listed_tried_again_and_discarded(self, tmp_path: Path, wooshq: Wooshq) -> None:
        with a_database("sqlite", tmp_path) as url:
            make_table(url)
            engine = create_engine(url)
            ids = []
            with Session(engine) as session, session.begin():
                ids = [enqueue_in(session, an_intent(f"u{n}"), wooshq=wooshq) for n in range(3)]
            with engine.begin() as connection:
                for row_id, state in zip(ids, ("waiting", "set_aside", "parked"), strict=True):
                    reason = None if state == "waiting" else "the ledger has this key with other content"
                    connection.execute(
                        text("UPDATE wooshq_outbox SET state = :state, reason = :reason WHERE id = :id"),
                        {"state": state, "reason": reason, "id": row_id},
                    )
            settings = wooshq.settings.model_copy(update={"outbox_url": SecretStr(url)})
            with served(settings) as client:
                client.headers["Sec-Fetch-Site"] = "same-origin"
                client = logged_in(client, SECRET)
                shown = [client.get(f"/outbox?state={state}").text for state in ("waiting", "set_aside", "parked")]
                assert [[row_id in page for row_id in ids] for page in shown] == [
                    [True, False, False],
                    [False, True, False],
                    [False, False, True],
                ]
                assert "the ledger has this key with other content" in shown[1]
                landed(client.post("/outbox/retry", data={"id": ids[1], "state": "set_aside"}), client)
                refused = client.post("/outbox/retry", data={"id": ids[2], "state": "parked"})
                assert refused.status_code == 422, "it may have been sent, and nobody said that it may go twice"
                landed(client.post("/outbox/discard", data={"id": ids[2], "state": "parked"}), client)
                assert client.post("/outbox/discard", data={"id": ids[0], "state": "waiting"}).status_code == 422
            with engine.begin() as connection:
                left = dict(connection.execute(text("SELECT id, state FROM wooshq_outbox")).tuples().all())
            engine.dispose()
        assert left == {ids[0]: "waiting", ids[1]: "waiting"}
