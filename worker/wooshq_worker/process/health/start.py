"""What a worker says at its start: who it is, what it uses, what it may do, and where it can be seen."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Final
from urllib.parse import urlsplit

import structlog

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.events.calls import list_webhooks
from wooshq.events.ledger import HOOKS
from wooshq.events.webhook import Webhook
from wooshq.history.contract import History
from wooshq.installation.places import NAME_IT, NOT_NAMED, Places
from wooshq.ledger.steps import Flow, Within
from wooshq.settings import Settings
from wooshq_worker.observe.terminal import START
from wooshq_worker.observe.tracing.endpoint import endpoint, is_off
from wooshq_worker.observe.version import version

log = structlog.get_logger("wooshq.worker")


_ASK_WITHIN_S: Final = 1.0
"""A worker also starts while Redis is away, and then says so: it does not wait for it here."""


def log_start(wooshq: Wooshq, settings: Settings, queues: Sequence[str], history: History | None, metrics: str | None) -> None:
    """settings: before the embedded Redis was filled in. metrics: the address where they are served; None if nowhere."""
    places = wooshq.installation.places
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
        tells=_receivers(wooshq),
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


def _receivers(wooshq: Wooshq) -> str:
    """Who is told what has ended: `2 webhooks, 1 paused; hooks billing, crm`."""

    def ask() -> Flow[list[Webhook]]:
        found: list[Webhook] = yield Within(_ASK_WITHIN_S, list_webhooks(wooshq.settings))
        return found

    hooks = sorted(point.name for point in entry_points(group=HOOKS))
    here = f"{'hook' if len(hooks) == 1 else 'hooks'} {', '.join(hooks)}" if hooks else ""
    try:
        found = [one for one in wooshq.do(ask()) if one.kind == "webhook"]
    except LedgerUnavailable:
        return "; ".join(filter(None, ("webhooks not known: Redis does not answer", here)))
    active, paused = (sum(one.state == state for one in found) for state in ("active", "paused"))
    parts = [f"{active} {'webhook' if active == 1 else 'webhooks'}"] if active else []
    parts += [f"{paused} paused" if active else f"no webhook, {paused} paused"] if paused else []
    return "; ".join(filter(None, (", ".join(parts), here))) or "nobody"


def _shown(places: Places) -> str:
    """The broker, without user, password and query."""
    if places.broker_url == places.redis_url:
        return "the same Redis"
    if places.embedded is not None and places.broker_url == places.embedded.broker_url:
        return "the same Redis, another database"
    url = urlsplit(places.broker_url)
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
