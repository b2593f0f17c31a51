"""The engine: one event loop in a thread of its own, to which Celery's thread hands what arrives."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from wooshq.client import Wooshq
from wooshq.ledger.keys import LANES
from wooshq_worker.intents.submit import Submitted
from wooshq_worker.keeper import broker
from wooshq_worker.keeper.history.watch import HistoryProcess
from wooshq_worker.observe.metrics.measures import Measures, off
from wooshq_worker.observe.sentry import Reporter
from wooshq_worker.process.services import Services

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.spans import Spans

try:
    import uvloop
except ImportError:  # Windows, PyPy
    uvloop = None  # type: ignore[assignment]

LOOPS: Final[Mapping[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.new_event_loop,
    **({"uvloop": uvloop.new_event_loop} if uvloop is not None else {}),
}
"""The event loops that this machine has. The engine uses the last one: uvloop costs less CPU for a call (docs/benchmarks.md)."""

_STOP_WITHIN_S = 15.0
_BEAT_S = 1.0


class Engine:
    """
    Celery's thread hands over what arrives (`offer_bell`, `offer_turn`, `offer_submit`). An `ack` may be called in any thread.

    Both threads only pass values to each other, so neither can block the other.
    """

    def __init__(
        self, wooshq: Wooshq, report_kind: Reporter, helpers: ThreadPoolExecutor, measures: Measures = off, spans: Spans | None = None
    ) -> None:
        """helpers: threads for calls that would block the event loop. They end with it. spans: None if tracing is off."""
        self.settings = wooshq.settings
        self._wooshq = wooshq
        self._report_kind = report_kind
        self._measures = measures
        self._spans = spans
        self._loop = list(LOOPS.values())[-1]()
        self._loop.set_default_executor(helpers)
        self._helpers = helpers
        self._thread = threading.Thread(target=self._run, name="wooshq-engine", daemon=True)
        self._started: Future[Services] = Future()
        self.received_at = time.monotonic()  #: when a lane last gave something to this process
        self.lanes_consumed: frozenset[str] = frozenset(LANES)
        self.deaf_s = 0.0  #: for how long its lanes have had work, and it has received none of it, as the watchdog saw it last
        self.looped_at = time.monotonic()  #: when the event loop last had a turn
        self.broker_lost_at: float | None = time.monotonic()  #: None while the queues are consumed

    def start(self) -> None:
        """Start the loop; returns when it takes work. Raises what its start raised."""
        self._thread.start()
        self._started.result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            services = self._loop.run_until_complete(self._open())
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(services)
        self._beat()
        self._loop.run_forever()

    def _beat(self) -> None:
        self.looped_at = time.monotonic()
        self._loop.call_later(_BEAT_S, self._beat)

    async def _open(self) -> Services:
        return Services(self._wooshq, self._report_kind, self._measures, self._spans)

    @property
    def _services(self) -> Services:
        return self._started.result()

    # Called in Celery's thread

    def call_soon(self, call: Callable[[], object]) -> None:
        """Have `call` run in the engine's thread."""
        self._loop.call_soon_threadsafe(call)

    def offer_bell(self, lane: str, hops: int) -> None:
        """The bell of a lane was rung: intents wait there. hops: how many workers that were full passed it on."""
        self.received_at = time.monotonic()
        self._loop.call_soon_threadsafe(self._services.dispatcher.hear_bell, lane, hops)

    def offer_turn(self, ack: Callable[[], None]) -> None:
        """A chunk of a job waits in the ledger."""
        self.received_at = time.monotonic()
        self._loop.call_soon_threadsafe(self._services.runner.turn, ack)

    def offer_submit(self, submitted: Submitted, ack: Callable[[], None]) -> None:
        """An intent that came through the broker, or a message that is to become a dead letter."""
        self._loop.call_soon_threadsafe(self._services.submit, submitted, ack)

    @property
    def is_started(self) -> bool:
        """Whether it takes work."""
        return self._started.done() and self._started.exception() is None

    @property
    def ledger_lost_at(self) -> float | None:
        """Monotonic: since when the ledger is unavailable; None if it is available."""
        return self._services.ledger_lost_at

    @property
    def is_busy(self) -> bool:
        """Whether it has work. If so, receiving nothing new does not mean that it is deaf."""
        return self._services.is_busy

    @property
    def is_keeper(self) -> bool:
        """Whether this worker is the keeper now."""
        return self._services.keeper.is_keeper

    @property
    def history(self) -> HistoryProcess | None:
        """This worker's process that writes the history; None without a history."""
        return self._services.history

    @property
    def unsettled(self) -> int:
        """Ends that the ledger does not know yet."""
        return self._services.unsettled

    def slots(self) -> dict[str, tuple[int, int]]:
        """Lane → slots in use, and slots that it may use."""
        return self._services.slots()

    def depth(self, lane: str) -> int | None:
        """Messages of a lane that no worker has taken; asks the broker. None if it does not say."""
        return broker.depth(self._wooshq.installation.app, lane)

    def stop(self, within_s: float) -> bool:
        """Drain and end: see `Services.drain`. False if it took longer than `within_s`; leases then hand over what is left."""
        drained = asyncio.run_coroutine_threadsafe(self._services.drain(within_s), self._loop).result(within_s + _STOP_WITHIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._helpers.shutdown(wait=False, cancel_futures=True)
        return drained
