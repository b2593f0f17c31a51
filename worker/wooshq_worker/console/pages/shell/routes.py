"""The routes of the console: every page with its acts and its stream, login and logout, search, assets. Every error becomes a page."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route, Router

from wooshq.aio import AsyncWooshq
from wooshq.search.words import words
from wooshq.tokens.token import Scope
from wooshq_worker.console.access.callers import Caller, Callers
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.jump import place_of
from wooshq_worker.console.pages.shell import session
from wooshq_worker.console.pages.shell.assets import AT, Assets
from wooshq_worker.console.pages.shell.errors import NOT_A_PAGE, NOT_FOUND, Told, told
from wooshq_worker.console.pages.shell.headers import OF_A_PAGE
from wooshq_worker.console.pages.shell.live import Live
from wooshq_worker.console.pages.shell.registry import Act, File, Page, Shown, checked
from wooshq_worker.console.pages.shell.shared import Shared
from wooshq_worker.console.pages.shell.templates import Shell, Templates
from wooshq_worker.console.pages.shell.visit import Visit, read_form

_SAID: Final = "__Host-wooshq-said"
_SAID_S: Final = 30
Handler = Callable[[Request], Awaitable[Response]]


class Console:
    """The pages of one server."""

    def __init__(self, pages: Sequence[Page], client: AsyncWooshq, callers: Callers, most_bytes: int) -> None:
        settings = client.settings
        self.pages = checked(pages)
        self._client = client
        self._callers = callers
        self._most_bytes = most_bytes
        self._assets = Assets({"words.json": json.dumps([asdict(word) for word in words()]).encode()})
        self._templates = Templates(Shell(self.pages, self._assets, settings))
        self._everybody = Shared()
        self._wrong = session.WrongTokens()
        self.live = Live(self._templates)
        self._of_acts = [
            (Route(_path_of(page, act), self._guarded(self._to_page(page)), methods=["GET"]), page) for page, act in _acts(pages)
        ]

    def add_to(self, router: Router) -> None:
        """Add every route."""
        for path, handler, method in (
            ("/login", self._ask_for_token, "GET"),
            ("/login", self._log_in, "POST"),
            ("/login/done", self._logged_in, "GET"),
            ("/logout", self._log_out, "POST"),
            ("/search", self._search, "GET"),
            (f"{AT}{{name:path}}", self._asset, "GET"),
        ):
            router.add_route(path, self._guarded(handler), [method])
        for page in self.pages:
            self._add(router, page)
        for route, _ in self._of_acts:  # last, so that they hide no page
            router.routes.append(route)
        if all(page.path != "/" for page in self.pages):
            router.add_route("/", self._guarded(self._to_first), ["GET"])

    def not_found(self, request: Request) -> Response:
        """A page for an address that is none."""
        return self._error(request, NOT_FOUND)

    def not_a_page(self, request: Request) -> Response:
        """A page for an address that takes forms, or calls, and shows nothing."""
        return self._error(request, NOT_A_PAGE)

    def _page_of_act(self, request: Request) -> Response | None:
        """For the address of an act that a page with a parameter took for its own, such as `/causes/ignore`."""
        for route, page in self._of_acts:
            found, scope = route.matches(request.scope)
            if found is Match.FULL:
                return _to(page.url(**scope["path_params"]), request)
        return None

    def _to_page(self, page: Page) -> Handler:
        """From the address of an act, which a browser shows after an act that was refused, to its page."""

        async def run(request: Request) -> Response:
            return _to(page.url(**request.path_params), request)

        return run

    def _add(self, router: Router, page: Page) -> None:
        async def show(request: Request) -> Response:
            visit = await self._visit(request, page)
            shown = await page.view(visit)
            if shown.to is not None:
                return RedirectResponse(shown.to, 303, OF_A_PAGE)
            return self._page(page, visit, shown)

        async def stream(request: Request) -> Response:
            visit = await self._visit(request, page)

            async def is_still_in() -> bool:
                return await self._is_in(request, page)

            return self.live.stream(page, visit, is_still_in)

        async def poll(request: Request) -> Response:
            return await self.live.once(page, await self._visit(request, page))

        for act in page.acts:
            router.add_route(_path_of(page, act), self._guarded(self._act(page, act)), ["POST"])
        for file in page.files:
            router.add_route(f"{page.path.rstrip('/')}/files/{file.name}", self._guarded(self._file(page, file)), ["GET"])
        router.add_route(page.path, self._guarded(show), ["GET"])
        if page.live:
            router.add_route(f"/live{page.path}", self._guarded(stream), ["GET"])
            router.add_route(f"/poll{page.path}", self._guarded(poll), ["GET"])

    def _file(self, page: Page, file: File) -> Handler:
        async def run(request: Request) -> Response:
            return await file.run(await self._visit(request, page))

        return run

    def _act(self, page: Page, act: Act) -> Handler:
        async def run(request: Request) -> Response:
            session.check_origin(request)
            visit = await self._visit(request, page)
            visit.caller.may(act.scope)
            done = await act.run(visit, await read_form(request, self._most_bytes))
            self._everybody.forget()
            if isinstance(done, Shown):
                return self._page(page, visit, done)
            answer = RedirectResponse(done.to, 303, OF_A_PAGE)
            if done.says:
                value = base64.urlsafe_b64encode(done.says.encode()[:2000]).decode()
                answer.set_cookie(_SAID, value, max_age=_SAID_S, path="/", secure=True, httponly=True, samesite="strict")
            return answer

        return run

    def _page(self, page: Page, visit: Visit, shown: Shown) -> Response:
        text = self._templates.page(page, visit, shown, _said(visit.request))
        answer = Response(text, shown.status, OF_A_PAGE, "text/html")
        if _SAID in visit.request.cookies:
            answer.delete_cookie(_SAID, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    async def _visit(self, request: Request, page: Page) -> Visit:
        """Raises Refused: 401 if nobody is logged in, 403, 429."""
        caller = await self._caller(request)
        caller.may(page.scope)
        return Visit(request, page.url(**request.path_params), caller, self._client, self._everybody)

    async def _caller(self, request: Request) -> Caller:
        caller = await session.caller_of(request, self._callers)
        if caller is None:
            raise Refused(401, "unauthorized", "Log in first", "Nobody is logged in")
        return caller

    async def _is_in(self, request: Request, page: Page) -> bool:
        try:
            caller = await session.caller_of(request, self._callers)
        except Exception:  # Redis is away, or too many requests: the next round tells
            return True
        return caller is not None and page.scope in caller.scopes

    def _guarded(self, handler: Handler) -> Handler:
        """Every error is a page. Who is not logged in goes to the login, and comes back."""

        async def guarded(request: Request) -> Response:
            began = time.perf_counter()
            try:
                answer = await handler(request)
            except Exception as error:
                said = told(error)
                if isinstance(error, Refused) and error.status == 401:
                    answer = self._to_login(request)
                else:
                    answer = (self._page_of_act(request) if said.status == 404 else None) or self._error(request, said)
            answer.headers["Server-Timing"] = f"total;dur={(time.perf_counter() - began) * 1000:.1f}"
            return answer

        return guarded

    def _to_login(self, request: Request) -> Response:
        path = request.url.path
        if path.startswith(("/live/", "/poll/")):
            return Response("Log in first.\n", 401, OF_A_PAGE, "text/plain")
        if request.method != "GET":
            return RedirectResponse("/login", 303, OF_A_PAGE)
        wanted = f"{quote(path)}?{request.url.query}" if request.url.query else quote(path)
        if request.headers.get("sec-fetch-site") == "cross-site" and session.is_own_path(wanted):
            # The cookie is strict: a link from a chat comes without it. The page opens itself again, and then it comes along.
            return Response(self._templates.text("shell/again.html", to=wanted), 200, OF_A_PAGE, "text/html")
        return RedirectResponse(f"/login?{urlencode({'next': wanted})}" if wanted != "/" else "/login", 303, OF_A_PAGE)

    def _error(self, request: Request, error: Told) -> Response:
        if request.url.path.startswith(("/live/", "/poll/")):
            return Response(f"{error.title}\n", error.status, {**OF_A_PAGE, "Retry-After": error.retry_after or "5"}, "text/plain")
        headers = {**OF_A_PAGE, **({"Retry-After": error.retry_after} if error.retry_after else {})}
        return Response(self._templates.text("shell/error.html", error=error), error.status, headers, "text/html")

    async def _ask_for_token(self, request: Request) -> Response:
        return self._login_page(request, request.query_params.get("next", ""))

    def _login_page(self, request: Request, wanted: str, problem: str = "", status: int = 200, *, kept: bool = True) -> Response:
        to = wanted if session.is_own_path(wanted) else ""
        is_safe = kept and session.may_keep_cookie(request)
        text = self._templates.text("shell/login.html", to=to, problem=problem, is_safe=is_safe, kept=kept)
        return Response(text, status, OF_A_PAGE, "text/html")

    async def _log_in(self, request: Request) -> Response:
        session.check_origin(request)
        form = await read_form(request, 16 * 1024)
        wanted = form["next"] if session.is_own_path(form["next"]) else "/"
        address = request.client.host if request.client else ""
        try:
            self._wrong.check(address)
            secret = form["token"].removeprefix("Authorization:").strip().removeprefix("Bearer ").strip()
            caller = await self._callers.caller(f"Bearer {secret}")
            caller.may(Scope.READ)
        except Refused as error:
            if error.status == 401:
                self._wrong.note(address)
                return self._login_page(request, wanted, "Nobody knows this token. It may have been revoked, or copied in part.", 401)
            problem = "This token may not read, so it has nothing to show here." if error.status == 403 else error.detail
            answer = self._login_page(request, wanted, problem, error.status)
            answer.headers.update({"Retry-After": error.headers["Retry-After"]} if "Retry-After" in error.headers else {})
            return answer
        answer = RedirectResponse(f"/login/done?{urlencode({'next': wanted})}", 303, OF_A_PAGE)
        session.log_in(request, answer, secret)
        return answer

    async def _logged_in(self, request: Request) -> Response:
        """Where a login leads: did the browser keep the cookie?"""
        wanted = request.query_params.get("next", "/")
        if await session.caller_of(request, self._callers) is None:
            return self._login_page(request, wanted, "The browser did not keep the login.", 400, kept=False)
        return RedirectResponse(wanted if session.is_own_path(wanted) else "/", 303, OF_A_PAGE)

    async def _log_out(self, request: Request) -> Response:
        session.check_origin(request)
        answer = RedirectResponse("/login", 303, OF_A_PAGE)
        session.log_out(request, answer)
        return answer

    async def _to_first(self, _: Request) -> Response:
        return RedirectResponse(self.pages[0].path, 303, OF_A_PAGE)

    async def _asset(self, request: Request) -> Response:
        return self._assets.answer(request) or self._error(request, NOT_FOUND)

    async def _search(self, request: Request) -> Response:
        """The search box: an id or a key jumps to its page, a query to the list."""
        (await self._caller(request)).may(Scope.READ)
        wanted = request.query_params.get("q", "").strip()
        return RedirectResponse(await place_of(self._client, wanted), 303, OF_A_PAGE)


def _acts(pages: Sequence[Page]) -> Iterator[tuple[Page, Act]]:
    yield from ((page, act) for page in pages for act in page.acts)


def _to(path: str, request: Request) -> Response:
    return RedirectResponse(f"{path}?{request.url.query}" if request.url.query else path, 303, OF_A_PAGE)


def _path_of(page: Page, act: Act) -> str:
    return f"{page.path.rstrip('/')}/{act.name}"


def _said(request: Request) -> str:
    """What the act before said. Only this server can have written it: the cookie is a `__Host-` one."""
    try:
        return base64.urlsafe_b64decode(request.cookies.get(_SAID, "")).decode("utf-8", "ignore")
    except (ValueError, binascii.Error):
        return ""
