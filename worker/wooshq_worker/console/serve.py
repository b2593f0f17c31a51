"""Runs the HTTP API and the console: which address, who may come, and the server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import uvicorn

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable, SettingsInvalid
from wooshq.settings import Settings
from wooshq.settings.model import is_loopback
from wooshq.tokens.token import Token, new_secret
from wooshq_worker.console.access.callers import fixed_token
from wooshq_worker.console.api.dispatch import Calls
from wooshq_worker.console.app import make_app
from wooshq_worker.observe.tracing import set_up as tracing

_DRAIN_S: Final = 10
"""After SIGTERM: how long requests in progress may still take."""
_MOST_AT_ONCE: Final = 2000
"""Requests at the same time. More of them get 503 at once."""


def has_token(settings: Settings) -> bool:
    """Whether any token is known. Raises LedgerUnavailable."""
    if settings.console_token is not None:
        return True
    with Wooshq(settings) as wooshq:
        return bool(wooshq.tokens.list())


def tokens_for(settings: Settings, host: str, *, tell: Callable[[str], None] | None) -> Sequence[Token]:
    """
    The tokens of this run alone: one if there are no others, and a person can be told it. tell: None if nobody can.

    Raises SettingsInvalid if there are none and the address is not this machine's own: then anyone could try.
    """
    try:
        if has_token(settings):
            return ()
    except LedgerUnavailable:
        if not is_loopback(host):
            raise
    if not is_loopback(host):
        raise SettingsInvalid(
            f"{host} can be reached from other machines, and there is no token. Make one first: wooshq tokens make NAME --scope read --scope send"
        )
    if tell is None:
        return ()
    secret = new_secret()
    tell(secret)
    return (fixed_token("this-run", secret),)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(1024)
    except BaseException:
        made.close()
        raise
    return made


class Server(uvicorn.Server):
    """It ends the streams of open pages when it stops, because it waits for every answer."""

    def __init__(self, app: Calls, **config: Any) -> None:
        """config: of uvicorn."""
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", **config))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.app.state.console.live.end()
        self._app.app.state.streams.end()
        await super().shutdown(sockets)


def run(settings: Settings, listening: socket.socket, fixed: Sequence[Token]) -> None:
    """Serve until SIGTERM or Ctrl-C. Requests in progress end before. Raises SettingsInvalid."""
    exporting = tracing.set_up(settings, "wooshq-console")
    server = Server(
        make_app(settings, fixed, None if exporting is None else exporting.of_requests()),
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_DRAIN_S,
    )
    try:
        server.run([listening])
    finally:
        if exporting is not None:
            exporting.end()
