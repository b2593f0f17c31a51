"""A worker in a thread of an app's process, for development: it sends what is in a ledger in memory, as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Final

import structlog
from pydantic import SecretStr

from wooshq.client import Wooshq
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.ledger.steps import Request, RunScript, Together
from wooshq.settings import Settings
from wooshq.settings.server_url import SANDBOX
from wooshq_worker.in_process.loop import LoopWithoutThreads
from wooshq_worker.in_process.sandbox import SandboxOfTest
from wooshq_worker.in_process.work import WorkHere

log = structlog.get_logger("wooshq.memory")

_LOOK_AGAIN_S: Final = 1.0
"""How long it sleeps at most while something waits for a moment."""
_AFTER_A_BUG_S: Final = 1.0


class WorkerThread:
    """Starts at once. where: the API that it calls, in words."""

    def __init__(self, settings: Settings, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self.where = settings.base_url
        if settings.base_url == SANDBOX:
            self._sandbox = SandboxOfTest()
            url = self._sandbox.url
            self.where = f"a sandbox in it ({url}/sandbox/calls shows them)"
            token = settings.api_token or SecretStr("sandbox")
            settings = settings.model_copy(update={"base_url": url, "api_token": token})
        self._wooshq = Wooshq(settings)
        self._loop = LoopWithoutThreads()
        self._wake = asyncio.Event()
        self._changed = threading.Condition()
        self._asked = 0  #: how often another thread wrote to the ledger
        self._done = 0  #: up to which of these times everything is done
        self._thread = threading.Thread(target=self._run, name="wooshq-memory", daemon=True)
        self._thread.start()
        ledger.listen(self._heard)

    def _heard(self, request: Request) -> None:
        if isinstance(request, RunScript | Together) and threading.get_ident() != self._thread.ident:
            with self._changed:
                self._asked += 1
            self._loop.call_soon_threadsafe(self._wake.set)

    def flush(self, within_s: float) -> bool:
        """Wait until everything that may be sent now has been sent. False if the time was not enough."""
        with self._changed:
            asked = self._asked
            return self._changed.wait_for(lambda: self._done >= asked, within_s)

    def unsent(self) -> int:
        """How many intents and jobs have not ended."""
        counts = self._wooshq.counts()
        waiting = sum(number for name, number in counts.items() if name.startswith("now_"))
        return waiting + sum(job.ended_at is None for job in self._wooshq.bulk.list())

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._work())

    async def _work(self) -> None:
        work = WorkHere(self._wooshq, self._ledger)
        while True:
            self._wake.clear()
            asked, looked_at = self._asked, time.time()
            try:
                while await work.round():
                    pass
                next_at_ms = await work.next_at_ms(looked_at * 1000)
            except Exception:
                log.error("memory_worker_failed", exc_info=True)
                await asyncio.sleep(_AFTER_A_BUG_S)
                continue
            with self._changed:
                self._done = asked
                self._changed.notify_all()
            wait_s = None if next_at_ms is None else min(_LOOK_AGAIN_S, max(0.0, next_at_ms / 1000 - time.time()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
