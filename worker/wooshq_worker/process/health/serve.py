"""What a worker serves: `/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Protocol, TypeAlias

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric as Family

from wooshq_worker.observe.metrics import names
from wooshq_worker.observe.metrics.families import exposition, one, values
from wooshq_worker.observe.metrics.measures import Recorder
from wooshq_worker.observe.version import version
from wooshq_worker.process.health.heartbeat import Heartbeat
from wooshq_worker.process.health.state import Health, health_of

Truths: TypeAlias = Callable[[], Iterable[Family]]
"""What the ledger says now."""


class SpanCounts(Protocol):
    """What became of the spans of this process, as `observe.tracing.exporting` counts them."""

    @property
    def exported(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def dropped(self) -> int: ...


def _nothing() -> Iterable[Family]:
    return ()


class WorkerPage:
    """`engine` of the heartbeat may come later: a worker that starts is already asked whether it lives."""

    def __init__(self, heartbeat: Heartbeat, recorder: Recorder, truths: Truths = _nothing, spans: SpanCounts | None = None) -> None:
        """truths: asked while this worker is the keeper. spans: None if tracing is off."""
        self._heartbeat = heartbeat
        self._recorder = recorder
        self._truths = truths
        self._spans = spans
        self._process = ProcessCollector(registry=None)

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """Status, Content-Type and body."""
        match path.partition("?")[0]:
            case "/metrics":
                body, content_type = exposition(list(self._families()), accept)
                return 200, content_type, body
            case "/healthz":
                health = self._health()
                return _as_json(200 if health.live else 503, health)
            case "/readyz":
                health = self._health()
                return _as_json(200 if health.ready else 503, health)
            case _:
                return 404, "text/plain; charset=utf-8", b"There are /metrics, /healthz and /readyz.\n"

    def _health(self) -> Health:
        return health_of(self._heartbeat.state(), time.monotonic())

    def _families(self) -> Iterator[Family]:
        yield values(names.WORKER, {(version(),): 1})
        yield one(names.WORKER_READY, self._health().ready)
        yield from self._recorder.families()
        yield from self._process.collect()
        if self._spans is not None:
            counts = {"exported": self._spans.exported, "failed": self._spans.failed, "dropped": self._spans.dropped}
            yield values(names.SPANS, {(outcome,): n for outcome, n in counts.items()})
        engine = self._heartbeat.engine
        if engine is None or not engine.is_started:
            return
        slots = engine.slots()
        yield one(names.IS_KEEPER, engine.is_keeper)
        yield one(names.LOOP_AGE, max(0.0, time.monotonic() - engine.looped_at))
        yield values(names.SLOTS, {(lane,): most for lane, (_, most) in slots.items()})
        yield values(names.SLOTS_BUSY, {(lane,): busy for lane, (busy, _) in slots.items()})
        yield one(names.UNSETTLED, engine.unsettled)
        if engine.history is not None:
            yield one(names.HISTORY_PROCESS, engine.history.pid is not None)
            yield one(names.HISTORY_STARTS, engine.history.starts)
        if engine.is_keeper:
            yield from self._truths()


def _as_json(status: int, health: Health) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(asdict(health)).encode() + b"\n"
