"""The live parts of a page: a stream (server-sent events) that sends those that changed, and the same as one answer for who polls."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response
from starlette.types import Send

from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api.server_sent import ServerSent
from wooshq_worker.console.pages.shell.errors import told
from wooshq_worker.console.pages.shell.headers import OF_A_PAGE
from wooshq_worker.console.pages.shell.registry import Page
from wooshq_worker.console.pages.shell.templates import Templates
from wooshq_worker.console.pages.shell.visit import Visit

MOST_STREAMS: Final = 200
"""Of one server. A browser that gets no stream polls."""
AFTER_AN_ERROR_S: Final = 5.0
"""An error of a page may be in the log each time."""


class Live:
    """The streams of one server."""

    def __init__(self, templates: Templates, most: int = MOST_STREAMS) -> None:
        self._templates = templates
        self._most = most
        self.open = 0  #: streams
        self._ends = asyncio.Event()

    def end(self) -> None:
        """End every stream: the server stops, and waits for its answers."""
        self._ends.set()

    async def parts(self, page: Page, visit: Visit) -> dict[str, str]:
        """The live parts as they are now."""
        shown = await (page.live_view or page.view)(visit)
        return dict(self._templates.live(page, visit, shown))

    async def once(self, page: Page, visit: Visit) -> Response:
        """All of them, in one answer."""
        return Response(_partials(await self.parts(page, visit)), 200, OF_A_PAGE, "text/html")

    def stream(self, page: Page, visit: Visit, is_still_in: Callable[[], Awaitable[bool]]) -> Response:
        """A stream. It ends when the token is revoked. Raises Refused (503) if there are too many."""
        if self.open >= self._most or self._ends.is_set():
            raise Refused(503, "too-many-streams", "No stream is free", "This page polls instead", headers={"Retry-After": "30"})
        return ServerSent(functools.partial(self._run, page, visit, is_still_in), OF_A_PAGE)

    async def _run(
        self, page: Page, visit: Visit, is_still_in: Callable[[], Awaitable[bool]], gone: asyncio.Task[None], send: Send
    ) -> None:
        """Send what changes until the client leaves, the token is revoked, or the server stops."""
        ends = asyncio.ensure_future(self._ends.wait())
        self.open += 1
        sent: dict[str, str] = {}
        try:
            while not gone.done() and not ends.done():
                body, wait_s = await self._round(page, visit, is_still_in, sent)
                await send({"type": "http.response.body", "body": body.encode("utf-8", "replace"), "more_body": wait_s is not None})
                if wait_s is None:
                    return
                await asyncio.wait((gone, ends), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.open -= 1
            ends.cancel()

    async def _round(
        self, page: Page, visit: Visit, is_still_in: Callable[[], Awaitable[bool]], sent: dict[str, str]
    ) -> tuple[str, float | None]:
        """What to send now, and seconds until the next round; None if there is none. sent: the parts as the client has them."""
        if not await is_still_in():
            return _event("The token was revoked.", "out"), None
        try:
            parts = await self.parts(page, visit)
        except Exception as error:
            return _event(" ".join((said := told(error)).lines) or said.title, "away"), max(page.every_s, AFTER_AN_ERROR_S)
        changed = {name: text for name, text in parts.items() if sent.get(name) != text}
        sent.update(changed)
        beat = _event(datetime.now(UTC).isoformat(timespec="seconds"), "beat")  # also keeps proxies from closing a quiet stream
        return (_event(_partials(changed)) if changed else "") + beat, page.every_s


def _partials(parts: dict[str, str]) -> str:
    return "".join(f'<hx-partial hx-target="#live-{name}" hx-swap="innerMorph">{text}</hx-partial>' for name, text in parts.items())


def _event(data: str, name: str = "") -> str:
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"{f'event: {name}' + chr(10) if name else ''}{lines}\n"
