"""Server-sent events: what webhooks are told, for whoever listens now. Each stream reads on from its own place, so that a slow one takes no memory."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from starlette.responses import Response
from starlette.types import Send

from wooshq.aio import AsyncWooshq
from wooshq.errors import LedgerUnavailable
from wooshq.events.ledger import SubscriberLedger
from wooshq.events.stored import Stored, entry_of
from wooshq.settings import Settings
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api.server_sent import ServerSent

BEAT_S: Final = 15.0
"""A quiet stream says so often that it is alive: proxies close one that says nothing."""
OPEN_FOR_S: Final = 600.0
"""Events are made for so long after the last stream, so that one that was cut off goes on where it was."""
_LOOK_EVERY_S: Final = 0.5
_SAY_EVERY_S: Final = 60.0
_PAGE: Final = 100
_AGAIN_MS: Final = 3000


class Streams:
    """The streams of one server. Make it inside its event loop, or before."""

    def __init__(self, settings: Settings, client: AsyncWooshq, *, beat_s: float = BEAT_S) -> None:
        self._ledger = SubscriberLedger(settings)
        self._client = client
        self._most = settings.console_streams
        self._beat_s = beat_s
        self._open = 0
        self._ends = asyncio.Event()
        self._said_at = float("-inf")
        self._looked_at = float("-inf")
        self._newest = ""
        self._looking = asyncio.Lock()

    def end(self) -> None:
        """End every stream: the server stops, and waits for its answers."""
        self._ends.set()

    async def stream(self, types: Collection[str], last_id: str | None, is_still_in: Callable[[], Awaitable[bool]]) -> Response:
        """
        A stream from now on, or after the event `last_id`. types: of its events; empty for all. is_still_in: whether the token still counts.

        Raises Refused (503) if there are too many, LedgerUnavailable.
        """
        if self._open >= self._most or self._ends.is_set():
            raise Refused(503, "too-many-streams", "No stream is free", "Try again later", headers={"Retry-After": "30"})
        self._open += 1
        try:
            tag = await self._say()
            place = entry_of(last_id, tag) if last_id else await self._client.do(self._ledger.newest())
            if place is None:
                raise ValueError("Last-Event-ID: is not the id of an event of this installation. Leave it out to begin now")
        except BaseException:
            self._open -= 1
            raise
        return ServerSent(functools.partial(self._run, frozenset(types), place, is_still_in), left=self._left)

    def _left(self) -> None:
        self._open -= 1

    async def _say(self) -> str:
        """Have events made, from now on. Returns the tag of their ids."""
        _, tag = await self._client.do(self._ledger.want(streams_for_s=OPEN_FOR_S))
        await self._client.do(self._ledger.listen())
        self._said_at = time.monotonic()
        return tag

    async def _run(
        self, types: Collection[str], place: str, is_still_in: Callable[[], Awaitable[bool]], gone: asyncio.Task[None], send: Send
    ) -> None:
        """Send events until the client leaves, the token is revoked, or the server stops."""
        ends = asyncio.ensure_future(self._ends.wait())
        beat_at = time.monotonic() + self._beat_s

        async def write(text: str, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": text.encode("utf-8", "backslashreplace"), "more_body": more})

        await write(f"retry: {_AGAIN_MS}\n: events come as they happen\n\n")
        try:
            while not gone.done() and not ends.done():
                text, place, goes_on = await self._next(types, place)
                if time.monotonic() >= beat_at:
                    beat_at = time.monotonic() + self._beat_s
                    if not await is_still_in():
                        break
                    text = text or ": beat\n\n"
                if text:
                    await write(text)
                if not goes_on:
                    await asyncio.wait((gone, ends), timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                await write("", more=False)
        finally:
            ends.cancel()

    async def _next(self, types: Collection[str], place: str) -> tuple[str, str, bool]:
        """What to send now, the place after it, and whether there is more. While Redis is away, nothing."""
        try:
            if time.monotonic() - self._said_at > _SAY_EVERY_S:
                await self._say()
            if await self._look() == place:
                return "", place, False
            found, begins = await self._client.do(self._ledger.read(place, _PAGE))
        except LedgerUnavailable:
            return "", place, False
        text = gap(place) if begins and _key(begins) > _key(place) else ""
        text += "".join(written(one) for one in found if not types or one.type in types)
        after = found[-1].entry if found else max(place, begins or place, key=_key)
        return text, after, len(found) == _PAGE

    async def _look(self) -> str:
        """The place of the newest event. All streams together ask twice a second."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= _LOOK_EVERY_S / 2:
                self._newest = await self._client.do(self._ledger.newest())
                self._looked_at = time.monotonic()
            return self._newest


def written(event: Stored) -> str:
    """An event as the stream has it."""
    return f"id: {event.id}\nevent: {event.type}\ndata: {event.text}\n\n"


def gap(place: str) -> str:
    """Events after this place are not kept any more."""
    return f'event: events.missed\ndata: {{"after_ms":{place.partition("-")[0]}}}\n\n'


def _key(place: str) -> tuple[int, int]:
    ms, _, n = place.partition("-")
    return int(ms), int(n or 0)
