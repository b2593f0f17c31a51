"""The app: every call of the HTTP API and every page on its path, the document of the API, and whether this server is alive and ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wooshq.aio import AsyncWooshq
from wooshq.errors import LedgerUnavailable
from wooshq.settings import Settings
from wooshq.tokens.token import Token
from wooshq_worker.console import reference
from wooshq_worker.console.access.callers import Callers, fixed_token
from wooshq_worker.console.api.dispatch import HEADERS, Calls
from wooshq_worker.console.api.openapi import document
from wooshq_worker.console.api.problems import of_the_framework
from wooshq_worker.console.calls import fan_out, find, gates, intents, letters, metrics, overview, people, replays
from wooshq_worker.console.calls.accept.accepting import Accepting
from wooshq_worker.console.calls.events import live, webhooks
from wooshq_worker.console.calls.events.streams import Streams
from wooshq_worker.console.pages import PAGES
from wooshq_worker.console.pages.shell.routes import Console

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.requests import RequestSpans

ROOMS: Final = (
    overview.room,
    intents.room,
    find.room,
    fan_out.room,
    letters.room,
    replays.room,
    gates.room,
    people.room,
    webhooks.room,
    live.room,
    metrics.room,
)


def make_app(settings: Settings, fixed: Sequence[Token] = (), spans: RequestSpans | None = None) -> Calls:
    """
    The app for an installation. fixed: tokens that this server takes beside those of the ledger and of WOOSHQ_CONSOLE_TOKEN. spans: None if
    tracing is off.

    The client is opened and closed with the app. The pages that FastAPI makes of its document are off: they load scripts from elsewhere.
    """
    client = AsyncWooshq(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield
        await asyncio.to_thread(app.state.metrics.close)

    app = FastAPI(title="wooshq", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    named = (fixed_token("environment", settings.console_token.get_secret_value()),) if settings.console_token is not None else ()
    callers = Callers(client, (*named, *fixed), rate_per_s=settings.console_rate_per_s)
    app.state.callers = callers
    app.state.streams = Streams(settings, client)
    app.state.accepting = Accepting(client)
    app.state.metrics = metrics.LedgerMetrics(settings)
    app.state.most_stream_bytes = settings.console_stream_bytes
    console = app.state.console = Console(PAGES, client, callers, settings.console_body_bytes)
    console.add_to(app.router)

    async def not_here(request: Request, error: Exception) -> Response:
        is_a_browser = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
        status = getattr(error, "status_code", 500)
        if is_a_browser and status in (404, 405):
            return console.not_found(request) if status == 404 else console.not_a_page(request)
        return await of_the_framework(request, error)

    app.add_exception_handler(HTTPException, not_here)
    _add_open_paths(app, client)
    return Calls(app, ROOMS, client, callers, settings.console_body_bytes, spans)


def _add_open_paths(app: FastAPI, client: AsyncWooshq) -> None:
    """The paths that need no token: they tell nothing of any message."""
    made = document(ROOMS)
    shown = reference.page(made)

    async def openapi(_: Request) -> Response:
        return JSONResponse(made, headers={**HEADERS, "Cache-Control": "no-cache"})

    async def page(_: Request) -> Response:
        return Response(shown, media_type="text/html", headers=reference.HEADERS)

    async def style(_: Request) -> Response:
        return Response(reference.STYLE, media_type="text/css", headers=reference.HEADERS)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"}, headers=HEADERS)

    async def readyz(_: Request) -> Response:
        try:
            has_worker = await client.do(client.ledger.has_keeper())
        except LedgerUnavailable:
            return JSONResponse({"status": "not ready", "redis": False, "worker": None}, 503, {**HEADERS, "Retry-After": "5"})
        return JSONResponse({"status": "ready", "redis": True, "worker": has_worker}, headers=HEADERS)

    for path, endpoint in (
        ("/openapi.json", openapi),
        ("/reference/", page),
        ("/reference/reference.css", style),
        ("/healthz", healthz),
        ("/readyz", readyz),
    ):
        app.router.add_route(path, endpoint, ["GET"])
    app.openapi = lambda: made  # type: ignore[method-assign]
