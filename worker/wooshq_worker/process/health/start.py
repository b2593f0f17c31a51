"""What a worker says at its start: who it is, what it uses, what it may do, and where it can be seen."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog

from wooshq.history.contract import History
from wooshq.installation.places import NAME_IT, NOT_NAMED, Places
from wooshq.settings import Settings
from wooshq_worker.observe.terminal import START
from wooshq_worker.observe.tracing.endpoint import endpoint, is_off
from wooshq_worker.observe.version import version

log = structlog.get_logger("wooshq.worker")


def log_start(settings: Settings, queues: Sequence[str], places: Places, history: History | None, metrics: str | None) -> None:
    """settings: before the embedded Redis was filled in. metrics: the address where they are served; None if nowhere."""
    log.info(
        START,
        version=version(),
        environment=settings.environment,
        host=socket.gethostname(),
        pid=os.getpid(),
        queues=list(queues),
        concurrency=settings.concurrency,
        api=settings.base_url,
        application=settings.application,
        rate=settings.rate_per_s,
        rates=dict(settings.rates),
        redis=places.where,
        broker=_shown(places),
        history="off" if history is None else history.where,
        push_platforms=[row.name for row in settings.platform_table.defaults["push"]],
        metrics=f"http://{metrics}/metrics" if metrics else "off",
        tracing="off" if is_off(settings) else endpoint(),
        sentry="off" if settings.sentry_dsn is None else "on",
    )
    if places.embedded is not None and settings.redis_url is None:
        log.warning("redis_not_named", hint=f"{NOT_NAMED}. {NAME_IT}", folder=str(places.embedded.folder))
    if not settings.has_token:
        log.warning("no_token", hint="all messages are held until PUSHWOOSH_API_TOKEN is set and the worker is restarted")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        log.warning("worker_is_root", hint="a worker needs no rights of root: start it as another user")


def _shown(places: Places) -> str:
    """The broker, without user, password and query."""
    if places.broker_url == places.redis_url:
        return "the same Redis"
    if places.embedded is not None and places.broker_url == places.embedded.broker_url:
        return "the same Redis, another database"
    url = urlsplit(places.broker_url)
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
