"""Which path goes where: /messaging/v2/notify and /cancel to the API, /sandbox to the control."""

from __future__ import annotations

from wooshq_worker.sandbox.answers import envelope, http_answer
from wooshq_worker.sandbox.control import CONTROL, control
from wooshq_worker.sandbox.stand_in import StandIn
from wooshq_worker.sandbox.wire import Connection, Request

NOTIFY = "/messaging/v2/notify"
CANCEL = "/messaging/v2/cancel"


class Router:
    """Answers the requests of all connections."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    @property
    def body_limit(self) -> int:
        """Most bytes of a request body."""
        return self._stand_in.body_limit

    def connected(self, connection: Connection) -> None:
        """Takes a new connection."""
        self._stand_in.connected(connection)

    def answer(self, request: Request, connection: Connection) -> None:
        """Answers one request, now or later."""
        path = request.path
        if path == NOTIFY:
            self._stand_in.notify(request, connection)
        elif path == CANCEL:
            self._stand_in.cancel(request, connection)
        elif path == CONTROL or path.startswith(f"{CONTROL}/"):
            connection.reply(control(self._stand_in, request))
        else:
            connection.reply(http_answer(404, envelope(5, "Not Found")))
