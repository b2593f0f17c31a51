"""The metrics of the ledger, as Prometheus reads them."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.responses import Response

from wooshq.client import Wooshq
from wooshq.settings import Settings
from wooshq.tokens.token import Scope
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.observe.metrics.families import exposition
from wooshq_worker.observe.metrics.truths import Truths

room = Room("metrics", "What the ledger says, for Prometheus.")

_TEXT: Final = {"type": "string", "description": "Prometheus's text format; OpenMetrics where `Accept` asks for it. See docs/metrics.md."}


class LedgerMetrics:
    """Reads the ledger in a thread, with a client of its own that is made at the first request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._truths: Truths | None = None
        self._wooshq: Wooshq | None = None

    async def read(self, accept: str) -> tuple[bytes, str]:
        """(the page, its media type). Raises Refused (503) while the ledger is away: no metrics would look well."""
        if self._truths is None:
            self._wooshq = Wooshq(self._settings)
            self._truths = Truths(self._wooshq)
        families = await asyncio.to_thread(self._truths)
        if not families:
            detail = "The record of messages does not answer."
            raise Refused(503, "unavailable", "Try again later", detail, headers={"Retry-After": "5"})
        return exposition(families, accept)

    def close(self) -> None:
        """Close the connections."""
        if self._wooshq is not None:
            self._wooshq.close()


@room.call("GET", "/metrics", "getMetrics", Scope.READ, answers={200: {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}})
async def metrics(call: Call) -> Response:
    """
    The metrics of the ledger: what waits and why, gates, dead letters, jobs.

    Read at most once in five seconds, however many ask. Workers serve their own.
    """
    made: LedgerMetrics = call.request.app.state.metrics
    body, content_type = await made.read(call.request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})
