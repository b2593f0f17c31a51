"""Celery's command-line options: which of them a wooshq worker follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

import click
import structlog
from celery import Celery
from celery.bin.worker import worker as command

from wooshq.installation.celery_app import WooshqApp

log = structlog.get_logger("wooshq.worker")

_NOT_FOLLOWED: Final[Mapping[str, str]] = {
    "pool": "a worker is one event loop; run more workers for more processes",
    "concurrency": "set WOOSHQ_CONCURRENCY",
    "autoscale": "run more workers",
    "beat": "wooshq has no periodic tasks",
    "task_events": "use wooshq status and wooshq dead to see what happened",
    "detach": "let a supervisor start the worker",
}
"""Options of Celery's that a worker cannot follow, and what to do instead."""


def parsed(options: Sequence[str]) -> dict[str, Any]:
    """The options that were given, as Celery's worker takes them. Raises click.UsageError for an option that Celery does not have."""
    if not options:
        return {}
    obj = SimpleNamespace(app=Celery(set_as_current=False), no_color=True, quiet=True)
    context = command.make_context("wooshq worker", list(options), obj=obj)
    if context.args:
        raise click.UsageError(f"unexpected argument {context.args[0]!r}; options begin with a dash, as in wooshq worker -Q transactional")
    return {name: value for name, value in context.params.items() if context.get_parameter_source(name).name == "COMMANDLINE"}


def followed(given: Mapping[str, Any], app: WooshqApp) -> dict[str, Any]:
    """The options that this worker follows, with each lane replaced by its queue. Raises click.UsageError for an unknown queue."""
    taken = {name: value for name, value in given.items() if name not in _NOT_FOLLOWED}
    for name in given.keys() & _NOT_FOLLOWED.keys():
        log.warning("option_not_taken", option=f"--{name.replace('_', '-')}", hint=_NOT_FOLLOWED[name])
    if "queues" in taken:
        known = {name: name for name in app.amqp.queues} | dict(app.lanes)
        for name in taken["queues"]:
            if name not in known:
                raise click.UsageError(f"unknown queue {name!r}; use one of {', '.join(dict.fromkeys((*app.lanes, *app.amqp.queues)))}")
        taken["queues"] = [known[name] for name in taken["queues"]]
    return taken
