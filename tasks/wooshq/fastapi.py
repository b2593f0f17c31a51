"""
wooshq in a FastAPI app: a lifespan, a dependency, and problem details. It needs the extra `wooshq[fastapi]`.

    from fastapi import FastAPI
    from wooshq.fastapi import WooshqClient, answer_with_problem_details, lifespan

    app = FastAPI(lifespan=lifespan)
    answer_with_problem_details(app)

    @app.post("/orders/{order}/shipped", status_code=202)
    async def shipped(order: int, user: str, wooshq: WooshqClient) -> dict[str, str]:
        return {"id": await wooshq.enqueue({"to": {"users": [user]}, "message": {"push": {"title": "Shipped"}}})}
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, TypedDict

from fastapi import Depends, FastAPI, Request, Response
from starlette.requests import HTTPConnection

from wooshq.aio import AsyncWooshq
from wooshq.problem_details import EXPLAINED, MEDIA_TYPE, problem_details
from wooshq.settings import Settings

__all__ = ["State", "WooshqClient", "answer_with_problem_details", "lifespan", "wooshq_client"]

_NOT_OPENED: Final = (
    "wooshq is not open in this app. Make the app with FastAPI(lifespan=wooshq.fastapi.lifespan); inside a lifespan of your own, use "
    "`async with wooshq.fastapi.lifespan(app) as state: yield state`. In a test, open the client: `with TestClient(app) as client`"
)


class State(TypedDict):
    """What the lifespan gives to every request of the app, and of the apps mounted in it."""

    wooshq: AsyncWooshq


@asynccontextmanager
async def lifespan(app: FastAPI, *, settings: Settings | None = None) -> AsyncIterator[State]:
    """
    Open the async client when the app starts, and close it when the app ends; what waits is published before.

    A Redis that is down does not stop the start. settings: default, those of the environment; give others with
    `functools.partial(lifespan, settings=…)`. Raises SettingsInvalid, EmbeddedRedisError: the app does not start.
    """
    async with AsyncWooshq(settings) as client:
        app.state.wooshq = client
        yield {"wooshq": client}


def wooshq_client(connection: HTTPConnection) -> AsyncWooshq:
    """The dependency: the client that the lifespan opened. Tests may override it. Raises RuntimeError if no lifespan ran."""
    found = getattr(connection.state, "wooshq", None) or getattr(connection.app.state, "wooshq", None)
    if not isinstance(found, AsyncWooshq):
        raise RuntimeError(_NOT_OPENED)
    return found


WooshqClient = Annotated[AsyncWooshq, Depends(wooshq_client)]
"""For a parameter of a path operation: `async def shipped(wooshq: WooshqClient)`."""


def answer_with_problem_details(app: FastAPI) -> None:
    """
    Answer wooshq's errors with problem details (RFC 9457) instead of a 500, as `wooshq.problem_details` says.

    Call it when the app is made. A handler of your own for one of these errors, registered later, replaces this one.
    """
    for kind in EXPLAINED:
        app.add_exception_handler(kind, _answer)


async def _answer(_: Request, error: Exception) -> Response:
    told = problem_details(error)
    headers: dict[str, Any] = dict(told.headers)
    return Response(told.body, told.status, headers, MEDIA_TYPE)
