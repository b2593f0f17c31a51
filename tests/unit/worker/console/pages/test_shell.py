"""The registry, the cookie, the shared values, the assets, the looks: what pages stand on."""

from __future__ import annotations

import asyncio
import hashlib
import re
from importlib.resources import files
from typing import Any

import pytest
from starlette.requests import Request

from wooshq.ledger.states import ChunkState, JobState, LetterState, Reason, ReplayState, State
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.pages import PAGES
from wooshq_worker.console.pages.shell import session
from wooshq_worker.console.pages.shell.assets import Assets
from wooshq_worker.console.pages.shell.registry import Act, Page, Shown, checked
from wooshq_worker.console.pages.shell.shared import Shared
from wooshq_worker.console.pages.shell.tones import LOOKS
from wooshq_worker.console.pages.shell.visit import Form, Visit

STATIC = files("wooshq_worker.console.pages").joinpath("static")


def a_request(**headers: str) -> Request:
    raw = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in {"Host": "127.0.0.1:8080", **headers}.items()]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": raw,
        "scheme": "http",
        "server": ("127.0.0.1", 8080),
    }
    return Request(scope)


async def nothing(*_: Any) -> Shown:
    return Shown()


def a_page(name: str, path: str, **more: Any) -> Page:
    return Page(name, path, name.title(), nothing, f"{name}.html", **more)


class WhenPagesAreRegistered:
    def test_names_paths_and_letters_are_used_once(self) -> None:
        checked(PAGES)
        one = a_page("one", "/one", letter="o")
        for other in (a_page("one", "/two"), a_page("two", "/one"), a_page("two", "/two", letter="o")):
            with pytest.raises(ValueError, match="two pages have the same"):
                checked([one, other])
        with pytest.raises(ValueError, match="path: /one/go"):
            checked([a_page("one", "/one", acts=(Act("go", nothing),)), a_page("two", "/one/go")])

    def test_paths_are_escaped_and_acts_must_be_registered(self) -> None:
        page = a_page("life", "/messages/{id}", acts=(Act("cancel", nothing),))
        assert page.act("cancel", id="a/b c") == "/messages/a%2Fb%20c/cancel"
        with pytest.raises(LookupError):
            page.act("resend", id="a")

    def test_each_says_what_it_is_in_a_sentence_and_its_letter_is_one(self) -> None:
        for page in PAGES:
            assert page.title, page.name
            assert page.letter is None or re.fullmatch("[a-z]", page.letter), page.name
            assert not page.path.startswith(("/v1/", "/live/", "/poll/", "/assets/", "/login", "/search", "/reference")), page.name


class WhenSomebodyComesBack:
    def test_the_token_is_in_the_cookie_of_this_port_until_it_is_too_old(self) -> None:
        request = a_request(Cookie="__Host-wooshq-8080=1000.wq_secret; __Host-wooshq-9090=1000.wq_other")
        assert session.secret_of(request, now=999) == "wq_secret"
        assert session.secret_of(request, now=1000) is None

    @pytest.mark.parametrize("value", ["", "wq_secret", "1000.", ".wq", "99999999999999.wq", "-1.wq", "1e9.wq", "1000.a b"])
    def test_another_cookie_is_none(self, value: str) -> None:
        assert session.secret_of(a_request(Cookie=f"__Host-wooshq-8080={value}"), now=0) is None

    @pytest.mark.parametrize("path", ["/", "/messages?q=a%20b", "/a//b"])
    def test_an_own_path(self, path: str) -> None:
        assert session.is_own_path(path)

    @pytest.mark.parametrize("path", ["", "//a", "/\\a", "https://a", "a", "/a b", "/a\n", "javascript:1", "/é"])
    def test_any_other_address(self, path: str) -> None:
        assert not session.is_own_path(path)


class WhenAFormComes:
    @pytest.mark.parametrize(
        ("headers", "comes"),
        [
            ({"Sec_Fetch_Site": "same-origin"}, True),
            ({"Sec_Fetch_Site": "same-site"}, False),
            ({"Sec_Fetch_Site": "cross-site"}, False),
            ({"Sec_Fetch_Site": "none"}, False),
            ({"Origin": "http://127.0.0.1:8080"}, True),
            ({"Origin": "http://127.0.0.1:9090"}, False),
            ({"Origin": "null"}, False),
            ({"Origin": "http://127.0.0.1:8080", "Sec_Fetch_Site": "cross-site"}, False),
            ({}, False),
        ],
    )
    def test_it_must_be_from_a_page_of_this_server(self, headers: dict[str, str], comes: bool) -> None:
        if comes:
            session.check_origin(a_request(**headers))
            return
        with pytest.raises(Refused) as refused:
            session.check_origin(a_request(**headers))
        assert refused.value.status == 403

    def test_its_fields_are_without_spaces_and_one_that_is_missing_is_empty(self) -> None:
        form = Form([("a", " x "), ("b", "1"), ("b", "2"), ("text", "one\r\ntwo"), ("on", "1"), ("off", "")])
        assert (form["a"], form["missing"], form.all("b"), form["text"]) == ("x", "", ["1", "2"], "one\ntwo")
        assert (form.is_on("on"), form.is_on("off"), form.is_on("missing")) == (True, False, False)


class WhenWrongTokensAreTried:
    def test_five_may_come_at_once_and_then_one_in_two_seconds_from_each_address(self) -> None:
        now = 0.0
        wrong = session.WrongTokens(lambda: now)
        for _ in range(5):
            wrong.check("a")
            wrong.note("a")
        with pytest.raises(Refused) as refused:
            wrong.check("a")
        assert refused.value.headers == {"Retry-After": "2"}
        wrong.check("b")
        now = 2.0
        wrong.check("a")
        wrong.check("a")
        wrong.note("a")
        with pytest.raises(Refused):
            wrong.check("a")


class WhenManyWantTheSame:
    async def test_it_is_read_once_while_it_is_fresh(self) -> None:
        now, reads = 0.0, 0

        async def read() -> int:
            nonlocal reads
            reads += 1
            await asyncio.sleep(0)
            return reads

        shared = Shared(lambda: now)
        assert await asyncio.gather(*(shared.get("counts", read, 1.0) for _ in range(50))) == [1] * 50
        now = 0.9
        assert await shared.get("counts", read, 1.0) == 1
        now = 1.0
        assert await shared.get("counts", read, 1.0) == 2
        shared.forget()
        assert await shared.get("counts", read, 1.0) == 3

    async def test_an_error_is_told_and_not_kept(self) -> None:
        fails = True

        async def read() -> str:
            if fails:
                raise ValueError("away")
            return "there"

        shared = Shared(lambda: 0.0)
        with pytest.raises(ValueError, match="away"):
            await shared.get("x", read, 60)
        fails = False
        assert await shared.get("x", read, 60) == "there"

    async def test_what_takes_long_is_read_for_who_asks_again(self) -> None:
        goes_on = asyncio.Event()

        async def read() -> str:
            await goes_on.wait()
            return "there"

        shared = Shared(lambda: 0.0)
        assert await shared.soon("x", read, 60, within_s=0) is None
        goes_on.set()
        assert await shared.soon("x", read, 60, within_s=60) == "there"

    async def test_one_that_leaves_does_not_stop_the_others(self) -> None:
        goes_on = asyncio.Event()

        async def read() -> str:
            await goes_on.wait()
            return "there"

        shared = Shared(lambda: 0.0)
        leaver, stayer = (asyncio.create_task(shared.get("x", read, 60)) for _ in range(2))
        await asyncio.sleep(0)
        leaver.cancel()
        goes_on.set()
        assert await stayer == "there"


class WhenAnAssetIsServed:
    def test_its_name_has_a_hash_of_its_content(self) -> None:
        assets = Assets({"made.json": b"{}"})
        url = assets.url("console.css")
        digest = hashlib.sha256(STATIC.joinpath("console.css").read_bytes()).hexdigest()[:12]
        assert url == f"/assets/console.{digest}.css"
        request = a_request(Accept_Encoding="gzip")
        request.scope["path_params"] = {"name": url.removeprefix("/assets/")}
        answer = assets.answer(request)
        assert answer is not None
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["content-type"].startswith("text/css")
        request = a_request(If_None_Match=answer.headers["etag"])
        request.scope["path_params"] = {"name": url.removeprefix("/assets/")}
        again = assets.answer(request)
        assert again is not None
        assert (again.status_code, again.body) == (304, b"")
        with pytest.raises(KeyError):
            assets.url("nothing.css")

    def test_the_files_of_others_are_those_of_the_table(self) -> None:
        vendor = STATIC.joinpath("vendor")
        table = dict(
            re.findall(
                r"^\| `([^`]+)` \| .* \| `([0-9a-f]{64})` \|$", vendor.joinpath("README.md").read_text(encoding="utf-8"), re.MULTILINE
            )
        )
        found = {entry.name: hashlib.sha256(entry.read_bytes()).hexdigest() for entry in vendor.iterdir() if entry.name != "README.md"}
        assert found == table

    def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(self) -> None:
        templates = files("wooshq_worker.console.pages").joinpath("templates")
        texts = {
            entry.name: entry.read_text(encoding="utf-8")
            for folder in (templates, *[one for one in templates.iterdir() if one.is_dir()])
            for entry in folder.iterdir()
            if entry.is_file()
        }
        for name, text in texts.items():
            assert re.findall(r"(?:src|href|action)=\"(?:https?:)?//", text) == [], name
            assert re.findall(r"\s(?:on\w+|style)=", text) == [], name
            assert "| safe" not in text, name
            assert "<style" not in text, name


def test_every_state_and_every_reason_has_a_look_of_its_own_word() -> None:
    for machine in (State, LetterState, JobState, ChunkState, ReplayState, Reason):
        assert {str(word) for word in machine} <= LOOKS.keys(), machine


def test_looks_differ_by_more_than_their_tone() -> None:
    by_shape: dict[str, set[str]] = {}
    for look in LOOKS.values():
        by_shape.setdefault(look.shape, set()).add(look.tone)
    assert {shape for shape, tones in by_shape.items() if {"good", "bad"} <= tones} == set()


def test_a_url_keeps_what_is_not_changed() -> None:
    request = a_request()
    request.scope["query_string"] = b"q=state%3Adead&after=x"
    visit = Visit(request, "/messages", None, None, Shared())
    assert visit.url(after=None) == "/messages?q=state%3Adead"
    assert visit.url(after="y", most=50) == "/messages?q=state%3Adead&after=y&most=50"
    assert visit.url(q=None, after=None) == "/messages"
    assert [visit.number(name, 50, most=500) for name in ("most", "q")] == [50, 50]
