"""From a cause to a running replay: by mouse in five clicks, by the keyboard alone, without scripts; and what stops one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.console.browser import window
from tests.integration.console.conftest import logged_in
from tests.integration.letters.dead_letters import letters_of, of_a_wrong_preset, users
from tests.integration.worker.console.served import SECRET, served
from tests.rig import APPLICATION, Rig, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq.ledger.states import Reason
from wooshq.letters.causes import CauseState
from wooshq.letters.filter import cause_of
from wooshq.letters.replays.rules import TYPED_ABOVE
from wooshq_worker.console.pages.letters import recipe, replay

DETAIL = "payload.preset: the preset WRONG is not known"
CAUSE = cause_of("rejected", DETAIL, APPLICATION)
PATCH = '{"message": {"preset": "SALE-2"}}'
_COUNT = (
    "addEventListener('click', (event) => { if (event.isTrusted) sessionStorage.clicks = Number(sessionStorage.clicks ?? 0) + 1; }, true)"
)
"""Every click of a person, over all pages of the window."""


def _clicks(page: Page) -> int:
    found: int = page.evaluate("Number(sessionStorage.clicks ?? 0)")
    return found


@dataclass
class Desk:
    """A console on an installation of its own, in which letters have one cause. The API takes what has another preset."""

    rig: Rig
    api: StandIn
    url: str

    def letters(self, n: int, detail: str = DETAIL) -> list[str]:
        return letters_of(self.rig.wooshq, users(n), detail=detail)

    @property
    def newest(self) -> Any:
        return self.rig.wooshq.replays.list(most=1)[0]

    def ended(self, state: str = "done") -> None:
        wait_until(lambda: self.newest.state == state, saw=lambda: self.newest.to_json())


@pytest.fixture
def desk(rig: Rig, api: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(recipe, "_SOON_S", 60.0)  # a plan leads straight to its page, also on a slow machine

    def answer(call: Call, n: int) -> Reply | None:
        return refusal(400, 3, DETAIL) if "WRONG" in str(call.body) else None

    api.answer = answer
    while rig.wooshq.do(rig.wooshq.ledger.letters.count(50)):
        pass
    rig.start_worker()
    with served(rig.wooshq.settings) as client:
        yield Desk(rig, api, str(client.base_url))


@pytest.fixture
def visitor(desk: Desk) -> Iterator[httpx.Client]:
    """A browser without scripts: forms and links alone."""
    with httpx.Client(base_url=desk.url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60) as client:
        yield logged_in(client, SECRET)


class WhenAPersonReplaysACause:
    def test_five_clicks_lead_from_an_incident_on_the_overview_to_a_running_replay_and_one_pauses_it(
        self, browser: Browser, desk: Desk
    ) -> None:
        wrong = [of_a_wrong_preset(user) for user in users(150)]
        desk.rig.ended([i for i in desk.rig.wooshq.enqueue_many(wrong).ids if i])
        wait_until(lambda: desk.rig.wooshq.dead_letters.count() == 150)
        sent = len(desk.api.calls)
        with window(browser, desk.url, SECRET) as shown:
            shown.page.add_init_script(_COUNT)
            page = shown.open("/")
            incident = page.locator(".finding[data-kind=dead_rising]")
            expect(incident).to_contain_text("150 messages died in the last 5 minutes", timeout=60_000)  # live
            assert _clicks(page) == 0
            incident.get_by_role("link", name="Look at the causes").click()
            page.get_by_role("link", name="Fix and replay").click()
            expect(page.get_by_label("Recipe")).to_be_focused()
            page.keyboard.type(PATCH)
            page.get_by_label("Why").click()
            page.keyboard.type("INC-7: wrong preset")
            page.get_by_role("button", name="Plan it").click()
            expect(page.locator("main")).to_contain_text("Nothing is sent yet")
            expect(page.locator(".diff-line[data-sign='+']").first).to_contain_text("SALE-2")
            assert len(desk.api.calls) == sent
            desk.rig.wooshq.limits.set("rate", 20, why="so that it can be stopped in the middle")
            page.get_by_role("button", name="Start").click()
            expect(page.locator("main")).to_contain_text("running")
            assert _clicks(page) == 5
            page.get_by_role("button", name="Pause").click()
            expect(page.locator("main")).to_contain_text("Paused: paused in the console")
            assert _clicks(page) == 6
            assert desk.newest.state == "paused"
            page.get_by_role("button", name="Resume").click()
            expect(page.locator("main")).to_contain_text("done", timeout=60_000)  # live
            assert shown.faults() == []
        assert (desk.newest.sent, desk.newest.why, desk.newest.by) == (150, "INC-7: wrong preset", "ana")

    def test_the_keyboard_alone_is_enough(self, browser: Browser, desk: Desk) -> None:
        desk.letters(3)
        with window(browser, desk.url, SECRET) as shown:
            page = shown.open("/audit")
            keys = page.keyboard
            for key in ("g", "c"):
                keys.press(key)
            page.wait_for_url("**/causes")
            for key in ("j", "Enter"):
                keys.press(key)
            page.wait_for_url(f"**/causes/{CAUSE}")
            for key in ("j", "x", "j", "x"):
                keys.press(key)
            assert page.locator("input[name=id]:checked").count() == 2
            keys.press("f")
            page.wait_for_url("**/replays/new?*")
            self._tab_to(page, "textarea[name=patch]")
            keys.type(PATCH)
            self._tab_to(page, "input[name=why]")
            keys.type("INC-7")
            keys.press("Enter")
            page.wait_for_url(re.compile(r"/replays/[0-9a-f-]{36}\?"))
            self._tab_to(page, "form.start button")
            keys.press("Enter")
            expect(page.locator("main")).to_contain_text("done", timeout=60_000)
            assert shown.faults() == []
        assert (desk.newest.sent, desk.newest.total) == (2, 2)

    def test_it_works_without_scripts(self, browser: Browser, desk: Desk) -> None:
        desk.letters(4)
        with window(browser, desk.url, SECRET, java_script_enabled=False) as shown:
            page = shown.open(f"/causes/{CAUSE}")
            page.get_by_label("All 4 that match").check()
            page.get_by_role("button", name="Fix and replay").click()
            page.get_by_label("Recipe").fill(PATCH)
            page.get_by_role("button", name="Show what changes").click()
            expect(page.locator(".diff-line[data-sign='+']").first).to_contain_text("SALE-2")
            page.get_by_label("Why").fill("INC-7")
            page.get_by_role("button", name="Plan it").click()
            page.get_by_role("button", name="Start").click()
            desk.ended()
            page.reload()
            expect(page.locator("main")).to_contain_text("done")

    @staticmethod
    def _tab_to(page: Page, selector: str) -> None:
        for _ in range(60):
            if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")


class WhenAPlanIsMade:
    def test_a_recipe_is_undone_before_anything_is_sent(self, visitor: httpx.Client, desk: Desk) -> None:
        desk.letters(2)
        form = {"q": f"cause:{CAUSE}", "patch": PATCH, "why": "INC-7", "rate": "5"}
        plan = visitor.post("/replays/new/plan", data=form).headers["location"]
        text = visitor.get(plan).text
        assert "Start: send 2 letters" in text
        back = re.search(r'name="back" value="([^"]*)"', text)
        assert back is not None
        answer = visitor.post(f"{plan.partition('?')[0]}/undo", data={"back": back[1].replace("&amp;", "&")})
        again = visitor.get(answer.headers["location"])
        assert all(word in again.text for word in ("SALE-2", "INC-7", f"cause:{CAUSE}", 'value="5"'))
        assert (desk.newest.state, desk.api.calls) == ("cancelled", [])

    def test_letters_that_come_or_go_meanwhile_change_nothing_of_what_was_planned(self, visitor: httpx.Client, desk: Desk) -> None:
        ids = desk.letters(5)
        form = {"q": f"cause:{CAUSE}", "patch": PATCH, "why": "INC-7"}
        plan = visitor.post("/replays/new/plan", data=form).headers["location"].partition("?")[0]
        desk.letters(3)
        desk.rig.wooshq.dead_letters.discard(ids[0], why="a test")
        assert visitor.post(f"{plan}/start", data={"typed": ""}).status_code == 303
        desk.ended()
        assert (desk.newest.sent, desk.newest.left_out, desk.newest.total) == (4, 1, 5)
        left_out = visitor.get(f"{plan}/letters?outcome=left_out").text
        assert "it is discarded by now" in left_out
        assert "discarded" in visitor.get(f"/letters/{ids[0]}").text

    def test_letters_that_are_left_out_are_listed_by_one_reason_or_several(self, visitor: httpx.Client, desk: Desk) -> None:
        wooshq = desk.rig.wooshq
        fine = desk.letters(1)
        expired = letters_of(
            wooshq, users(3), lambda user: {**of_a_wrong_preset(user), "expires_at": "2020-01-01T00:00:00Z"}, detail=DETAIL
        )
        invalid = letters_of(wooshq, users(2), lambda user: {**of_a_wrong_preset(user), "message": {"titel": "x"}}, detail=DETAIL)
        doubtful = letters_of(wooshq, users(1), reason=Reason.UNKNOWN, detail=DETAIL)
        form = {"q": f"app:{APPLICATION}", "why": "INC-7"}
        plan = visitor.post("/replays/new/plan", data=form).headers["location"].partition("?")[0]
        replay_id = plan.rpartition("/")[2]

        def listed(address: str) -> set[str]:
            text = visitor.get(address).text
            return {one for one in (*fine, *expired, *invalid, *doubtful) if one in text}

        left_out = f"{plan}/letters?outcome=left_out"
        assert f'href="{left_out}&amp;why=expired"' in visitor.get(plan).text
        assert listed(left_out) == {*expired, *invalid, *doubtful}
        assert listed(f"{left_out}&why=expired") == {*expired}
        assert listed(f"{left_out}&why=expired&why=in_doubt&why=nonsense") == {*expired, *doubtful}
        chips = dict(re.findall(r'<a class="chip"[^>]*>([^<]*) <span class="count">(\d+)</span>', visitor.get(left_out).text))
        assert chips == {"expired": "3", "not valid today": "2", "in doubt: would perhaps arrive twice": "1"}
        assert {one.letter for one in wooshq.replays.outcomes(replay_id, left_out_for=["invalid", "in_doubt"])} == {*invalid, *doubtful}
        with pytest.raises(ValueError, match="must be of invalid, expired"):
            next(wooshq.replays.outcomes(replay_id, left_out_for=["nonsense"]))
        api = {"Authorization": f"Bearer {SECRET}"}
        lines = visitor.get(f"/v1/replays/{replay_id}/outcomes?left_out_for=expired,invalid", headers=api).text
        assert {one for one in (*fine, *expired, *invalid, *doubtful) if one in lines} == {*expired, *invalid}
        said = desk.rig.cli("replays", "show", replay_id, "--letters", "--left-out-for", "expired", "--left-out-for", "in_doubt").stdout
        assert {one for one in (*fine, *expired, *invalid, *doubtful) if one.encode() in said} == {*expired, *doubtful}

    def test_above_a_thousand_the_number_is_typed(self, visitor: httpx.Client, desk: Desk) -> None:
        desk.letters(TYPED_ABOVE + 1)
        desk.rig.wooshq.pause(APPLICATION, why="a test")  # nothing needs to be sent here
        form = {"q": f"cause:{CAUSE}", "patch": PATCH, "why": "INC-7"}
        plan = visitor.post("/replays/new/plan", data=form).headers["location"].partition("?")[0]
        for typed in ("", "1000"):
            refused = visitor.post(f"{plan}/start", data={"typed": typed})
            assert (refused.status_code, "Type 1001" in refused.text) == (422, True)
        assert desk.newest.state == "planned"
        assert visitor.post(f"{plan}/start", data={"typed": "1 001"}).status_code == 303
        assert desk.newest.state == "running"

    def test_a_wrong_number_is_said_and_stays_while_the_page_is_live(
        self, browser: Browser, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replay, "TYPED_ABOVE", 1)
        desk.letters(2)
        with window(browser, desk.url, SECRET) as shown:
            page = shown.open(f"/replays/new?q=cause:{CAUSE}")
            page.get_by_label("Recipe").fill(PATCH)
            page.get_by_label("Why").fill("INC-7")
            page.get_by_role("button", name="Plan it").click()
            page.get_by_label("Type 2").fill("20")
            page.get_by_role("button", name="Start: send 2 letters").click()
            page.wait_for_url("**/start?back=*")
            page.wait_for_selector('.age[data-state="live"]')  # the stream has sent the live part
            expect(page.locator("main")).to_contain_text("Type 2: this many letters would be sent. Nothing was started.")
            page.goto(page.url)
            page.wait_for_url(re.compile(r"/replays/[0-9a-f-]{36}\?back="))
            expect(page.get_by_label("Type 2")).to_be_visible()
            page.get_by_role("button", name="Change the recipe").click()
            expect(page.get_by_label("Recipe")).to_have_value(PATCH)
        assert desk.api.calls == []

    def test_what_is_wrong_is_said_at_its_field_and_nothing_is_planned(self, visitor: httpx.Client, desk: Desk) -> None:
        desk.letters(1)
        good = {"q": f"cause:{CAUSE}", "why": "INC-7"}
        for wrong, says in (
            ({"why": ""}, "Say why"),
            ({"patch": "{"}, "It is not JSON"),
            ({"patch": '{"id": "x"}'}, "cannot be changed by a recipe"),
            ({"rate": "many"}, "It is not a number"),
            ({"rate": "-1"}, "must be more than 0"),
            ({"stop_at": "200"}, "must be between 0 and 1"),
            ({"to_lane": "fast"}, "must be one of"),
            ({"q": "nonsense"}, "column 1"),
            ({"q": ""}, "Say which letters"),
            ({"patch": '{"message": {"push": {"titel": "x"}}}'}, "none would be sent"),
            ({"q": "reason:poison"}, "none would be sent"),
            ({"q": "state:discarded"}, "an empty filter"),
        ):
            answer = visitor.post("/replays/new/plan", data={**good, **wrong})
            assert (answer.status_code, says in answer.text) == (422, True), wrong
        assert desk.rig.wooshq.replays.list() == []


class WhenAPlanTakesLong:
    @pytest.fixture(autouse=True)
    def at_once(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """No request waits for a plan."""
        monkeypatch.setattr(recipe, "_SOON_S", 0.0)

    def test_the_browser_sees_how_far_it_is_and_comes_to_the_plan_by_itself(self, browser: Browser, desk: Desk) -> None:
        desk.letters(900)
        with window(browser, desk.url, SECRET) as shown:
            page = shown.open(f"/replays/new?q=cause:{CAUSE}")
            page.get_by_label("Recipe").fill(PATCH)
            page.get_by_label("Why").fill("INC-7")
            page.get_by_role("button", name="Plan it").click()
            page.wait_for_url(re.compile(r"/replays/[0-9a-f-]{36}\?back="))
            expect(page.get_by_role("button", name="Start: send 900 letters")).to_be_visible()
            page.get_by_role("button", name="Change the recipe").click()
            expect(page.get_by_label("Recipe")).to_have_value(PATCH)
            assert shown.faults() == []
        assert desk.api.calls == []

    def test_without_scripts_its_page_leads_to_the_plan(self, visitor: httpx.Client, desk: Desk) -> None:
        desk.letters(900)
        form = {"q": f"cause:{CAUSE}", "patch": PATCH, "why": "INC-7"}
        planning = visitor.post("/replays/new/plan", data=form).headers["location"]
        assert planning.startswith("/replays/planning/")
        live = visitor.get(f"/poll{planning}").text
        assert re.search(r"of about 900|data-go", live)
        wait_until(lambda: visitor.get(planning).status_code == 303)
        assert "Start: send 900 letters" in visitor.get(visitor.get(planning).headers["location"]).text
        assert "data-go=" in visitor.get(f"/poll{planning}").text

    def test_what_is_wrong_is_said_there_with_the_way_back_to_the_form(self, visitor: httpx.Client, desk: Desk) -> None:
        desk.letters(2)
        wrong = {"q": f"cause:{CAUSE}", "why": "INC-7", "patch": '{"message": {"push": {"titel": "x"}}}'}
        planning = visitor.post("/replays/new/plan", data=wrong).headers["location"]
        wait_until(lambda: "none would be sent: 2 not valid today." in visitor.get(planning).text)
        assert "/replays/new?q=cause" in visitor.get(planning).text
        assert desk.rig.wooshq.replays.list() == []

    def test_nobody_knows_a_plan_that_this_server_does_not_make(self, visitor: httpx.Client) -> None:
        assert "This server makes no such plan" in visitor.get("/replays/planning/0123456789abcdef").text


class WhenTheApiStillRefuses:
    def test_the_replay_stops_after_its_first_slice_and_the_page_says_so(self, browser: Browser, desk: Desk) -> None:
        desk.letters(60)
        with window(browser, desk.url, SECRET) as shown:
            page = shown.open(f"/replays/new?q=cause:{CAUSE}")
            page.get_by_label("First slice").fill("10")
            page.get_by_label("Why").fill("INC-7")
            page.get_by_role("button", name="Plan it").click()
            page.get_by_role("button", name="Start").click()
            expect(page.locator("main")).to_contain_text("It has stopped itself", timeout=60_000)
            expect(page.locator("main")).to_contain_text("50 letters spared")
            assert page.get_by_role("button", name="Resume").is_visible()
            assert shown.axe() == []
        assert len(desk.api.calls) == 10


class WhenACauseIsLookedAt:
    def test_it_is_ignored_and_comes_back(self, visitor: httpx.Client, desk: Desk) -> None:
        ids = desk.letters(2)
        data = {"cause": CAUSE, "until": "12h", "why": "known", "stay": "1"}
        assert visitor.post("/causes/ignore", data=data).headers["location"] == f"/causes/{CAUSE}"
        assert "known" in visitor.get(f"/causes/{CAUSE}").text
        assert DETAIL not in visitor.get("/causes").text
        assert DETAIL in visitor.get(f"/causes?state={CauseState.IGNORED}").text
        assert visitor.post("/causes/reopen", data={"cause": CAUSE}).headers["location"] == "/causes"
        desk.rig.wooshq.dead_letters.discard(*ids)
        desk.letters(1)
        assert "back again" in visitor.get("/causes").text

    def test_its_row_fits_on_a_telephone_also_when_it_is_back_again(self, browser: Browser, desk: Desk) -> None:
        ids = desk.letters(2)
        desk.rig.wooshq.dead_letters.discard(*ids)
        desk.letters(1)
        with window(browser, desk.url, SECRET, width=390) as shown:
            page = shown.open("/causes")
            expect(page.locator("main")).to_contain_text("back again")
            assert not shown.is_too_wide()
            right = page.evaluate("document.documentElement.clientWidth")
            boxes = [one.bounding_box() for one in page.locator(".act-cell .actions > *").all()]
            assert len(boxes) > 1
            assert all(box["x"] + box["width"] <= right for box in boxes if box is not None)

    def test_all_that_match_means_the_query_and_not_the_page(self, visitor: httpx.Client, desk: Desk) -> None:
        desk.letters(55)
        page = visitor.get(f"/causes/{CAUSE}").text
        assert page.count('name="id"') == 50
        assert "All 55 that match" in page
        older = re.search(r'href="([^"]*after=[^"]*)"', page)
        assert older is not None
        assert visitor.get(older[1].replace("&amp;", "&")).text.count('name="id"') == 5
        to = f"/replays/new?q=cause%3A{CAUSE}&all=1&id={desk.rig.wooshq.dead_letters.list(most=1)[0].id}"
        assert "55 open letters match now" in visitor.get(to).text
        answer = visitor.post("/letters/discard", data={"q": f"cause:{CAUSE}", "all": "1", "why": "a test"})
        assert answer.status_code == 303
        assert desk.rig.wooshq.dead_letters.count() == 0

    def test_one_letter_is_edited_and_discarded(self, visitor: httpx.Client, desk: Desk) -> None:
        (letter,) = desk.letters(1)
        for patch, says in (("{", "It is not JSON"), ("[]", "is an object"), ('{"message": {"titel": "x"}}', "titel")):
            answer = visitor.post(f"/letters/{letter}/edit", data={"patch": patch})
            assert (answer.status_code, says in answer.text) == (422, True)
        assert visitor.post(f"/letters/{letter}/edit", data={"patch": PATCH, "why": "INC-7"}).status_code == 303
        assert "SALE-2" in visitor.get(f"/letters/{letter}").text
        assert visitor.post(f"/letters/{letter}/discard", data={"why": "INC-7"}).status_code == 303
        assert desk.rig.wooshq.dead_letters.show(letter).state == "discarded"

    def test_who_may_only_read_sees_everything_and_no_button(self, desk: Desk) -> None:
        (letter,) = desk.letters(1)
        secret = desk.rig.wooshq.tokens.make("reader", ["read"]).secret
        with httpx.Client(base_url=desk.url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60) as client:
            reader = logged_in(client, secret)
            for path in ("/causes", f"/causes/{CAUSE}", f"/letters/{letter}", "/letters", f"/replays/new?q=cause:{CAUSE}", "/replays"):
                text = reader.get(path).text
                assert text.count('method="post"') == 1, path
                assert 'formmethod="post"' not in text, path
            for act in ("/causes/ignore", "/letters/discard", "/replays/new/plan", f"/letters/{letter}/edit"):
                assert reader.post(act, data={"cause": CAUSE}).status_code == 403, act
