"""The Celery app that producers and workers share: names, queues, and settings under which nothing hangs."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from wooshq.ledger.keys import LANES
from wooshq.settings import Settings

SEND = "wooshq.send"
"""Carries ids: `args = [[id, …]]`, `kwargs = {"alone": true}` for suspects. The ledger has everything else."""

SUBMIT = "wooshq.submit"
"""Carries one intent as its JSON argument, from producers that only speak Celery."""

#: Most unacknowledged messages a lane's channel may hold: enough to keep the loop fed, few enough that little waits in a worker.
PREFETCH = 16


def make_app(settings: Settings, broker_url: str) -> Celery:
    """An app of our own: a web app's Celery stays the current one, and its configuration is not read."""
    app = Celery("wooshq", broker=broker_url, set_as_current=False, fixups=[])
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_queues=queues(settings, broker_url),
        task_default_queue="transactional",
        task_default_exchange="",
        task_default_routing_key="transactional",
        task_create_missing_queues=False,
        task_publish_retry=False,  # the keeper is the retry
        broker_transport_options=transport_options(settings, broker_url),
        broker_connection_timeout=1.0,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_pool_limit=2,
        worker_prefetch_multiplier=PREFETCH,
        worker_concurrency=1,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_prefetch_count_reduction=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_soft_shutdown_timeout=0,
        enable_utc=True,
        timezone="UTC",
    )
    return app


def queues(settings: Settings, broker_url: str) -> list[Queue]:
    """The lanes, and Celery's own default queue where `wooshq.submit` may arrive unrouted. On RabbitMQ the lanes are quorum queues."""
    durable: dict[str, Any] = {"queue_arguments": {"x-queue-type": "quorum"}} if is_amqp(broker_url) else {}
    made = [Queue(lane, Exchange(""), routing_key=lane, durable=True, **durable) for lane in LANES]
    if settings.submit_queue and settings.submit_queue not in LANES:
        made.append(Queue(settings.submit_queue, Exchange(""), routing_key=settings.submit_queue, durable=True))
    return made


def transport_options(settings: Settings, broker_url: str) -> dict[str, Any]:
    """Timeouts of the broker's connections; without them a broker that is frozen hangs whoever talks to it for minutes."""
    if is_amqp(broker_url):
        return {"confirm_publish": True, "confirm_timeout": 2.0, "read_timeout": 30.0, "write_timeout": 5.0}
    return {
        "socket_timeout": 5.0,  # above the one second for which the transport's BRPOP waits
        "socket_connect_timeout": 1.0,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "retry_on_timeout": False,
        # What a killed worker had not acknowledged comes back within seconds instead of an hour; the ledger does not need it, but
        # it empties the transport's own books.
        "visibility_timeout": 60,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "unacked_restore_limit": 1000,
        "fanout_prefix": True,
        "fanout_patterns": True,
    }


def is_amqp(broker_url: str) -> bool:
    """Whether the broker is RabbitMQ (or speaks its protocol)."""
    return broker_url.startswith(("amqp://", "amqps://", "pyamqp://"))
