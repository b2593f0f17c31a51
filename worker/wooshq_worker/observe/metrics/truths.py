"""Reads what the ledger and the outbox say, for the metrics: at most once in a few seconds, however many ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import structlog
from prometheus_client.core import Metric as Family
from redis.exceptions import ResponseError

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable, WooshqError
from wooshq.events.ledger import SubscriberLedger
from wooshq.ledger.steps import Ask, Steps
from wooshq.outbox.database import Database
from wooshq.outbox.opening import open_outbox
from wooshq.outbox.operate import OutboxRows
from wooshq.overview.facts import read_facts
from wooshq_worker.observe.metrics import names
from wooshq_worker.observe.metrics.events import event_metrics
from wooshq_worker.observe.metrics.families import exposition, one, values
from wooshq_worker.observe.metrics.ledger import ledger_metrics

log = structlog.get_logger("wooshq.metrics")

_KEEP_S: Final = 5.0
_WAIT_S: Final = 5.0


class Truths:
    """May be called in any thread, while an event loop runs in another one. It has connections of its own."""

    def __init__(self, wooshq: Wooshq, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wooshq = wooshq
        self._monotonic = monotonic
        self._one_at_a_time = threading.Lock()
        self._kept: Sequence[Family] = ()
        self._read_at: float | None = None
        self._outbox: Database | None = None
        self._outbox_is_away = False
        self._shows_memory = True

    def __call__(self) -> Sequence[Family]:
        """The metrics of `names.OF_THE_LEDGER`. None of them while the ledger is away: old values would look well."""
        if not self._one_at_a_time.acquire(timeout=_WAIT_S):  # a database that hangs must not take all threads
            return ()
        try:
            now = self._monotonic()
            if self._read_at is None or now - self._read_at >= _KEEP_S:
                try:
                    self._kept = self.read()
                except LedgerUnavailable as error:
                    log.info("ledger_not_read", why=str(error))
                    self._kept = ()
                self._read_at = now
            return self._kept
        finally:
            self._one_at_a_time.release()

    def read(self) -> list[Family]:
        """The metrics, read now. Raises LedgerUnavailable."""
        ledger = self._wooshq.do(read_facts(self._wooshq.ledger.keys))
        return [*ledger_metrics(ledger), *of_events(self._wooshq, ledger.backlog.now_ms), *self._of_redis(), *self._of_the_outbox()]

    def _of_redis(self) -> Iterator[Family]:
        """Nothing if Redis does not show it to this user, as managed ones often do not: it is asked once."""
        if not self._shows_memory:
            return
        try:
            info = self._wooshq.do(_memory())
        except (LedgerUnavailable, ResponseError):
            self._shows_memory = False
            return
        if "used_memory" in info:
            yield one(names.REDIS_MEMORY, info["used_memory"])
        if info.get("maxmemory"):
            yield one(names.REDIS_MEMORY_LIMIT, info["maxmemory"])

    def _of_the_outbox(self) -> Iterator[Family]:
        """Nothing without `WOOSHQ_OUTBOX_URL`, or while the database is away."""
        if self._wooshq.settings.outbox_url is None:
            return
        try:
            self._outbox = self._outbox or open_outbox(self._wooshq.settings)
            if self._outbox is None:
                return
            depth = OutboxRows(self._outbox, self._wooshq.settings).depth()
        except WooshqError as error:
            if not self._outbox_is_away:
                log.warning("outbox_not_read", why=str(error))
            self._outbox_is_away = True
            return
        self._outbox_is_away = False
        yield values(names.OUTBOX_ROWS, {("waiting",): depth.waiting, ("set_aside",): depth.set_aside, ("parked",): depth.parked})
        yield one(names.OUTBOX_LAG, depth.oldest_s or 0.0)


def of_events(wooshq: Wooshq, now_ms: int) -> Iterator[Family]:
    """Events for the world outside. Raises LedgerUnavailable."""
    return event_metrics(wooshq.webhooks.list(), wooshq.do(SubscriberLedger(wooshq.settings).figures()), now_ms)


def _memory() -> Steps[Mapping[str, Any]]:
    info = (yield Ask([("INFO", "memory")]))[0]
    return info if isinstance(info, Mapping) else {}


class LedgerPage:
    """The same as a page for Prometheus, without a worker."""

    def __init__(self, truths: Truths) -> None:
        self._truths = truths

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """See `Page`."""
        match path.partition("?")[0]:
            case "/metrics":
                body, content_type = exposition(self._truths(), accept)
                return 200, content_type, body
            case "/healthz":
                return 200, "application/json", b'{"live": true}\n'
            case "/readyz":
                ready = bool(self._truths())
                return 200 if ready else 503, "application/json", b'{"ready": true}\n' if ready else b'{"ready": false}\n'
            case _:
                return 404, "text/plain; charset=utf-8", b"There are /metrics, /healthz and /readyz.\n"
