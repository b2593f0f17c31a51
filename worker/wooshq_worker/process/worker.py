"""A worker process: Celery with our consumer, the engine beside it, and an orderly end."""

from __future__ import annotations

import gc
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import celery.apps.worker as celery_worker
import structlog
from celery import bootsteps
from celery.platforms import SecurityWarning
from celery.signals import worker_ready, worker_shutting_down

from wooshq.client import Wooshq
from wooshq.history.store import open_history
from wooshq.installation.celery_app import WooshqApp, make_app
from wooshq.installation.places import or_embedded
from wooshq.intents.entry import new_id
from wooshq.settings import Settings
from wooshq.settings.under_pytest import check_may_call
from wooshq.spool.mover import moving_spool
from wooshq_worker.api.transport import NOTIFY
from wooshq_worker.intents.submit import Submitted
from wooshq_worker.observe import log as logs
from wooshq_worker.observe import sentry
from wooshq_worker.observe.metrics.http import Server
from wooshq_worker.observe.metrics.measures import Recorder
from wooshq_worker.observe.metrics.truths import Truths
from wooshq_worker.observe.tracing import set_up as tracing
from wooshq_worker.process import broken_envelopes, celery_options
from wooshq_worker.process.engine import Engine
from wooshq_worker.process.health import limits
from wooshq_worker.process.health.heartbeat import Heartbeat
from wooshq_worker.process.health.pulse import Pulse
from wooshq_worker.process.health.redis_check import REFUSES, RedisCheck
from wooshq_worker.process.health.serve import WorkerPage
from wooshq_worker.process.health.start import log_start
from wooshq_worker.process.health.waits import Waits
from wooshq_worker.process.health.warm_up import warm_up
from wooshq_worker.process.health.watchdog import Watchdog

log = structlog.get_logger("wooshq.worker")

_SPOOL_EVERY_S: Final = 1.0
"""How often a worker looks into the spool of its machine."""
_HAND_OVER_WITHIN_S: Final = 0.0005

_OURS: Final[Mapping[str, Any]] = {
    "pool_cls": "solo",
    "concurrency": 1,
    "without_gossip": True,
    "without_mingle": True,
    "without_heartbeat": True,
    "quiet": True,
}
"""Celery's options that are always set. Pool `solo`, because no task runs in it: a message is a bell, and wakes the engine."""


def run_worker(settings: Settings, options: Sequence[str] = ()) -> int:
    """
    Run a worker until SIGTERM or SIGINT; returns its exit status. options: those of `celery worker`.

    One process is one event loop; run more workers for more processes. (`benchmarks/compared/pools.py` measures what a pool would cost.)

    Raises SettingsInvalid.
    """
    check_may_call(settings.base_url)
    if (history := open_history(or_embedded(settings))) is not None:  # its driver may be missing
        history.close()
    given = celery_options.parsed(options)
    level = logging.getLevelName(given["loglevel"]) if isinstance(given.get("loglevel"), int) else settings.log_level
    tokens = [token.get_secret_value() for token in (settings.api_token, *settings.api_tokens.values()) if token]
    logs.set_up(level, settings.log_format, tokens)
    report_kind = sentry.set_up(settings)
    warm_up()
    settings = limits.fitted(settings)
    try:
        helpers = limits.helpers()
    except RuntimeError as error:
        log.critical("worker_cannot_start", why=str(error))
        return 1
    exporting = tracing.set_up(settings, "wooshq-worker")
    spans = None if exporting is None else exporting.of_a_worker(settings.base_url, NOTIFY)
    wooshq = Wooshq(or_embedded(settings))
    heartbeat = Heartbeat(settings)
    recorder = Recorder(of_calls=settings.metrics_address is not None)
    page = WorkerPage(heartbeat, recorder, Truths(wooshq), exporting)
    server = None if settings.metrics_address is None else Server(settings.metrics_address, page)
    try:
        heartbeat.engine = engine = Engine(wooshq, report_kind, helpers, recorder, spans)
        app = make_app(settings, wooshq.installation.places.broker_url)
        broken_envelopes.install(lambda raw: _keep_broken(engine, raw), app, wooshq.installation.app)
        queues_and_more = celery_options.followed(given, app)
        worker = _celery_worker(app, engine, {"loglevel": level, **queues_and_more})
        queues = queues_and_more.get("queues", list(app.amqp.queues))
        log_start(wooshq, settings, queues, history, server.address if server else None)
        end = _EndSignal(engine, worker, heartbeat)
        Watchdog(engine, every_s=min(5.0, settings.deaf_after_s / 4))
        redis_check = RedisCheck(wooshq)
        if settings.strict and not redis_check.allows():
            return REFUSES
        waits, pulse = Waits(engine, wooshq), Pulse(engine, wooshq, recorder, heartbeat)
        _freeze_garbage()
        hand_over_soon()
        with moving_spool(wooshq, every_s=_SPOOL_EVERY_S):  # of an app on this machine that ended before Redis came back
            worker.start()
            for told in (redis_check, waits, pulse):
                told.end()
        # Celery calls every Ctrl-C a failure; a worker that drained did not fail.
        return 0 if end.is_interrupt and worker.exitcode == 1 else int(worker.exitcode or 0)
    finally:
        report_kind.flush()
        if exporting is not None:
            exporting.end()
        wooshq.close()
        heartbeat.end()
        if server is not None:
            server.end()


def _celery_worker(app: WooshqApp, engine: Engine, options: Mapping[str, Any]) -> Any:
    """Celery's worker, not yet started."""
    app.conf.worker_consumer = "wooshq_worker.process.consumer:Consumer"
    app.conf.worker_log_format = app.conf.worker_task_log_format = "%(message)s"
    app.steps["worker"].add(EngineStep)
    worker_ready.connect(_log_ready, weak=False)
    warnings.simplefilter("ignore", SecurityWarning)  # nine lines about root; `log_start` says it in one
    # Celery prints a farewell beside the log, in a form that no machine reads. `_EndSignal` logs it instead.
    celery_worker.safe_say = _say_nothing
    return app.Worker(**options, **_OURS, engine=engine)


def _log_ready(**_: Any) -> None:
    """Celery consumes now."""
    log.info("worker_ready")


class EngineStep(bootsteps.StartStopStep):
    """Starts the engine before Celery consumes, and drains it when Celery has stopped consuming."""

    requires = {"celery.worker.components:Pool"}

    def __init__(self, worker: Any, *, engine: Engine, **options: Any) -> None:
        """Celery passes the worker's options to its steps. The consumer finds the engine at the worker."""
        self._engine = worker.engine = engine
        super().__init__(worker, **options)

    def start(self, _: Any) -> None:
        self._engine.start()

    def stop(self, _: Any) -> None:
        drained = self._engine.stop(self._engine.settings.drain_s)
        log.info("worker_drained" if drained else "worker_not_drained")

    terminate = stop


class _EndSignal:
    """
    Logs SIGTERM and SIGINT, and makes Celery's loop notice them at once. is_interrupt: SIGINT came.

    Celery's signal handler runs inside the poll of its loop. The poll then goes on (PEP 475), for up to ten seconds if nothing arrives.
    Only a call that another thread adds to the loop ends the wait, and the engine's thread does that.
    """

    def __init__(self, engine: Engine, worker: Any, heartbeat: Heartbeat) -> None:
        self.is_interrupt = False
        self._heartbeat = heartbeat
        self._engine = engine
        self._worker = worker
        worker_shutting_down.connect(self._on_signal, weak=False)

    def _on_signal(self, sig: str | None = None, **_: Any) -> None:
        self.is_interrupt = self.is_interrupt or "INT" in str(sig)
        self._heartbeat.is_stopping = True
        self._engine.call_soon(lambda: log.info("worker_told_to_end", signal=str(sig)))
        if (hub := getattr(self._worker, "hub", None)) is not None:
            self._engine.call_soon(lambda: hub.call_soon(int))


def _keep_broken(engine: Engine, raw: bytes) -> None:
    """Bytes that are not a message. They are gone from the broker, and kept as a dead letter."""
    engine.offer_submit(Submitted(new_id(), None, raw, "its envelope cannot be read"), lambda: None)


def _freeze_garbage() -> None:
    """Imported modules are never garbage. Looking through them again and again would cost a tenth of the CPU (benchmarks/jobs/personal.py)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def hand_over_soon() -> None:
    """
    Let a thread that waits for the interpreter have it after 0.5 ms, not after Python's 5 ms.

    A bell goes through Celery's thread, which does little, to the engine's, which is busy while a job runs. Each time Celery's thread has
    read or written something, it must get the interpreter back. This costs no CPU that can be measured (benchmarks/jobs/beside.py).
    """
    sys.setswitchinterval(_HAND_OVER_WITHIN_S)


def _say_nothing(*_: Any, **__: Any) -> None:
    return None
