"""The broker as the keeper uses it: ring bells, call turns, ask how many messages a lane has."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from wooshq.installation.celery_app import WooshqApp
from wooshq.installation.publish import BrokerConnection
from wooshq_worker.observe.few import few

log = structlog.get_logger("wooshq.keeper")

_MOST_TURNS: Final = 50
"""Turns that are called at a time. A worker that takes a chunk needs one turn, and holds few chunks."""


def depth(app: WooshqApp, lane: str) -> int | None:
    """Messages of a lane that no worker has taken yet. None if the broker does not say. It blocks."""
    try:
        # A connection of its own, because one that met a missing queue cannot be used again. It is opened once a second at most.
        with app.connection_for_write() as connection, connection.channel() as channel:
            return int(channel.queue_declare(queue=app.lanes[lane], passive=True).message_count)
    except Exception as error:  # of any transport
        is_missing = "NOT_FOUND" in str(error) or "404" in str(error)
        return 0 if is_missing else None


class LaneBroker:
    """Its methods do not raise if the broker is away: the ledger has everything, and the keeper tries again."""

    def __init__(self, app: WooshqApp) -> None:
        self._app = app
        self._connection = BrokerConnection(app)

    async def ring(self, lane: str) -> None:
        """Ring the bell of a lane."""
        try:
            await asyncio.to_thread(self._connection.ring, lane)
        except Exception as error:  # of any transport
            few(log.warning, "bell_not_rung", {"lane": lane, "error": type(error).__name__})

    async def call_turns(self, chunks: int) -> None:
        """Tell the workers of the bulk lane that so many chunks wait."""
        if chunks <= 0:
            return
        n = min(chunks, _MOST_TURNS)
        try:
            await asyncio.to_thread(self._connection.call_turns, n)
        except Exception as error:  # of any transport
            few(log.warning, "publish_failed", {"lane": "bulk", "error": type(error).__name__}, n=n)

    async def is_empty(self, lane: str) -> bool:
        """Whether the broker has no message of a lane. False if it does not say."""
        return await asyncio.to_thread(depth, self._app, lane) == 0
