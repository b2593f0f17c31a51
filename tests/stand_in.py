"""A stand-in for the API, of a few lines: not our sandbox, so that our own code does not judge what we send."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

_BACKLOG = 1024
"""Connections that wait to be accepted: a worker opens 256 at once, and the kernel drops those that find no place, for a second or more."""


@dataclass
class Call:
    """One call as it arrived. at: monotonic."""

    at: float
    path: str
    authorization: str
    content_type: str
    body: Any

    @property
    def recipients(self) -> list[str]:
        inner = next(iter(self.body.values()))
        return next((inner[k]["list"] for k in ("users", "hwids", "push_tokens", "test_devices") if k in inner), [])


@dataclass
class Reply:
    """What the stand-in answers. cut: it closes the connection instead, after it has counted the call."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    cut: bool = False


class StandIn:
    """
    Runs in a thread. `answer(call, n)` decides what the n-th call gets (n is 1 for the first); by default every call is accepted.

    accepted: how often each recipient was. under_way: calls that have no answer yet.
    """

    def __init__(self, answer: Callable[[Call, int], Reply | None] = lambda call, n: None, latency_s: float = 0.0) -> None:
        self.answer = answer
        self.latency_s = latency_s
        self.calls: list[Call] = []
        self.accepted: Counter[str] = Counter()
        self.under_way = 0
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def go_away(self) -> None:
        """Refuse every new connection, as a host does whose server is down. Calls that are in progress get their answer first."""
        self._do(self._close())

    def come_back(self) -> None:
        """Listen again, at the same address."""
        self._do(self._open(int(self.url.rpartition(":")[2])))

    async def _close(self) -> None:
        await self._site.stop()
        while self.under_way:
            await asyncio.sleep(0.01)
        await self._runner.cleanup()

    async def _open(self, port: int = 0) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._called)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True, backlog=_BACKLOG)
        await self._site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _called(self, request: web.Request) -> web.StreamResponse:
        self.under_way += 1
        try:
            return await self._answered(request)
        finally:
            self.under_way -= 1

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        call = Call(
            time.monotonic(),
            request.path,
            request.headers.get("Authorization", ""),
            request.headers.get("Content-Type", ""),
            json.loads(await request.read()),
        )
        self.calls.append(call)
        n = len(self.calls)
        reply = self.answer(call, n) or Reply()
        await asyncio.sleep(reply.after_s or self.latency_s)
        if reply.status == 200 and reply.body is None:
            self.accepted.update(call.recipients or ["*"])
        if reply.cut:
            assert request.transport is not None
            request.transport.close()
        body = {"result": {"message_code": f"AAAA-{n:08X}-BBBBBBBB"}} if reply.body is None else reply.body
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=reply.status, text=text, content_type="application/json", headers=reply.headers)


def refusal(status: int, code: int, message: str, **headers: str) -> Reply:
    """An error as the API's gateway answers it. headers: with `_` for `-`."""
    return Reply(status, {"code": code, "message": message, "details": []}, {k.replace("_", "-"): v for k, v in headers.items()})


def assert_rate_was_kept(calls: Sequence[Call], rate: float) -> None:
    """
    All callers together made `rate` calls a second, and wasted little of it.

    A machine that is busy makes calls late, so that some come together: a window of a second may hold twice the rate. The whole may take
    up to five times as long, and never much less than it must.
    """
    at = sorted(call.at for call in calls)
    took, fair = at[-1] - at[0], len(at) / rate
    assert max(sum(start <= other < start + 1.0 for other in at) for start in at) <= 2 * rate
    assert 0.7 * fair <= took <= 5 * fair, (took, fair)
