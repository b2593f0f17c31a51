"""Server-sent events: an answer that goes on until the client has left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class ServerSent(Response):
    """
    run: sends the body; it gets a task that is done when the client has left. left: called at the end, however it comes.

    Starlette's own streaming answer would wait for its next piece before it sees that the client has left.
    """

    def __init__(
        self,
        run: Callable[[asyncio.Task[None], Send], Awaitable[None]],
        headers: Mapping[str, str] | None = None,
        left: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(None, 200, {**(headers or {}), "X-Accel-Buffering": "no"}, "text/event-stream")
        del self.headers["content-length"]
        self._run = run
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_wait_until_gone(receive))
        try:
            with contextlib.suppress(OSError):  # the client has left
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await self._run(gone, send)
        finally:
            gone.cancel()
            self._left()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
