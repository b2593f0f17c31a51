"""A worker process: Celery with our consumer, the engine beside it, and an orderly end."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import celery.apps.worker as celery_worker
import click
import structlog
from celery import Celery, bootsteps
from celery.bin.worker import worker as command
from celery.signals import worker_shutting_down

from wooshq.client import Wooshq
from wooshq.installation.celery_app import WooshqApp, make_app
from wooshq.intents.entry import new_id
from wooshq.settings import Settings
from wooshq_worker.intents.submit import Submitted
from wooshq_worker.observe import log as logs
from wooshq_worker.observe import sentry
from wooshq_worker.process import broken_envelopes as guard
from wooshq_worker.process.consumer import Consumer
from wooshq_worker.process.engine import Engine
from wooshq_worker.process.watchdog import Watchdog

log = structlog.get_logger("wooshq.worker")


class EngineStep(bootsteps.StartStopStep):
    """Starts the engine before Celery consumes, and drains it after Celery has stopped to."""

    requires = {"celery.worker.components:Pool"}
    engine: Engine

    def start(self, _: Any) -> None:
        self.engine.start()

    def stop(self, _: Any) -> None:
        drained = self.engine.stop(self.engine.settings.drain_s)
        log.info("worker_drained" if drained else "worker_not_drained")

    terminate = stop


def run_worker(settings: Settings, options: Sequence[str] = ()) -> int:
    """
    Run a worker until it is told to end (SIGTERM, SIGINT); its exit status. options: Celery's own for `celery worker`.

    One process is one event loop; more processes are more of these. The pool is `solo`, for no task runs in it: the consumer hands ids
    to the engine, and a pool would only add the hand-over (benchmarks/pools.py measures it).
    """
    tokens = [token.get_secret_value() for token in (settings.api_token, *settings.api_tokens.values()) if token]
    given = _parsed(options)
    level = logging.getLevelName(given["loglevel"]) if isinstance(given.get("loglevel"), int) else settings.log_level
    logs.set_up(level, settings.log_format, tokens)
    report_kind = sentry.set_up(settings)
    guard.install()
    wooshq = Wooshq(settings)
    engine = Engine(wooshq, report_kind)
    try:
        app = make_app(settings, wooshq.installation.places.broker_url)
        celery_options = _followed(given, app)
        app.conf.worker_consumer = "wooshq_worker.process.consumer:Consumer"
        app.conf.worker_log_format = app.conf.worker_task_log_format = "%(message)s"
        Consumer.engine = EngineStep.engine = engine
        guard.quarantine[:] = [partial(_set_aside, engine)]
        app.steps["worker"].add(EngineStep)
        Watchdog(engine, every_s=min(5.0, settings.deaf_after_s / 4))
        log.info(
            "worker_starts",
            queues=celery_options.get("queues", list(app.amqp.queues)),
            concurrency=settings.concurrency,
            redis=wooshq.installation.places.where,
        )
        if not settings.has_token:
            log.warning("no_token", hint="everything is held back until PUSHWOOSH_API_TOKEN is set and the worker started again")
        ours = {
            "pool_cls": "solo",
            "concurrency": 1,
            "without_gossip": True,
            "without_mingle": True,
            "without_heartbeat": True,
            "quiet": True,
        }
        celery_worker.safe_say = _say_nothing  # it prints a farewell beside the log, in no form that a machine reads; `_see` tells it
        worker = app.Worker(**{"loglevel": level, **celery_options, **ours})
        told = _ToldToEnd(engine, worker)
        # What was imported is never garbage; looking through it again and again would cost a tenth of the CPU (benchmarks/jobs/personal.py).
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        worker.start()
        # Celery calls every Ctrl-C a failure; one that drained is none.
        return 0 if told.interrupted and worker.exitcode == 1 else int(worker.exitcode or 0)
    finally:
        sentry.flush()
        wooshq.close()


def _set_aside(engine: Engine, raw: bytes) -> None:
    """Bytes that no message can be made of; they are gone from the broker, and kept as a dead letter."""
    engine.offer_submit(Submitted(new_id(), None, raw, "its envelope cannot be read"), lambda: None)


def _say_nothing(*_: Any, **__: Any) -> None:
    return None


class _ToldToEnd:
    """
    What SIGTERM and SIGINT do beside Celery's own handlers, which ask through their signal. interrupted: SIGINT came.

    A handler runs within the poll of Celery's loop, which then goes on (PEP 475), for up to ten seconds where nothing arrives. Only what
    another thread adds to the loop ends the wait: the engine's does.
    """

    def __init__(self, engine: Engine, worker: Any) -> None:
        self.interrupted = False
        self._engine = engine
        self._worker = worker
        worker_shutting_down.connect(self._see, weak=False)

    def _see(self, sig: str | None = None, **_: Any) -> None:
        self.interrupted = self.interrupted or "INT" in str(sig)
        self._engine.call_soon(lambda: log.info("worker_told_to_end", signal=str(sig)))
        if (hub := getattr(self._worker, "hub", None)) is not None:
            self._engine.call_soon(lambda: hub.call_soon(int))


#: Options of Celery's that this worker cannot follow, and what to do instead.
_NOT_TAKEN = {
    "pool": "the engine is one event loop; run more workers for more processes",
    "concurrency": "set WOOSHQ_CONCURRENCY",
    "autoscale": "run more workers",
    "beat": "wooshq has no periodic tasks",
    "task_events": "wooshq status and wooshq dead tell what happened",
    "detach": "let a supervisor start the worker",
}


def _parsed(options: Sequence[str]) -> dict[str, Any]:
    """Celery's command-line options as what its worker takes. Raises click.UsageError for one that it does not have."""
    if not options:
        return {}
    obj = SimpleNamespace(app=Celery(set_as_current=False), no_color=True, quiet=True)
    context = command.make_context("wooshq worker", list(options), obj=obj)
    if context.args:
        raise click.UsageError(f"unexpected argument {context.args[0]!r}; options begin with a dash, as in wooshq worker -Q transactional")
    return {name: value for name, value in context.params.items() if context.get_parameter_source(name).name == "COMMANDLINE"}


def _followed(given: dict[str, Any], app: WooshqApp) -> dict[str, Any]:
    """The options that this worker follows; a lane stands for its queue. Raises click.UsageError for a queue that there is not."""
    taken = {name: value for name, value in given.items() if name not in _NOT_TAKEN}
    for name in given.keys() & _NOT_TAKEN.keys():
        log.warning("option_not_taken", option=f"--{name.replace('_', '-')}", hint=_NOT_TAKEN[name])
    if "queues" in taken:
        known = {name: name for name in app.amqp.queues} | dict(app.lanes)
        for name in taken["queues"]:
            if name not in known:
                raise click.UsageError(f"no queue is called {name!r}; there are {', '.join(dict.fromkeys((*app.lanes, *app.amqp.queues)))}")
        taken["queues"] = [known[name] for name in taken["queues"]]
    return taken
