"""The Celery app that producers and workers share: its tasks, its queues, and options with which nothing hangs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import ChannelError

from wooshq.installation.broker import broker_of
from wooshq.ledger.keys import LANES
from wooshq.settings import DEFAULT_NAMESPACE, Settings
from wooshq.settings.server_url import is_amqp

SEND = "wooshq.send"
"""The bell of a lane: it wakes a worker, which takes from the ledger what waits in the lane. `kwargs = {"hops": n}` if full workers passed it on."""

SUBMIT = "wooshq.submit"
"""The task that carries one intent as its JSON argument, from producers that have only Celery."""

TURN = "wooshq.bulk"
"""The task that carries nothing: it tells a worker to take the next chunk of the job whose turn it is."""

#: The most unacknowledged messages of a lane's channel: enough that the event loop always has work, and few enough that little waits in a worker.
PREFETCH = 16


for _module in (
    "celery.app.amqp",
    "celery.app.events",
    "celery.app.task",
    "celery.backends.base",
    "celery.events.receiver",
    "celery.loaders.app",
    "celery.result",
    "encodings.idna",
    "kombu.transport.pyamqp",
    "kombu.utils.limits",
):
    # Celery, kombu and Python import these at first use. A fork in the middle of that would leave the child with half of a module, for ever.
    importlib.import_module(_module)


class WooshqApp(Celery):
    """
    An app of wooshq's own. A web app's Celery stays the current app, and its configuration is not read.

    lanes: lane → its queue at the broker.
    """

    lanes: Mapping[str, str]

    def lane_of(self, queue: object) -> str | None:
        """The lane of a queue; None if the queue belongs to no lane."""
        return next((lane for lane, name in self.lanes.items() if name == queue), None)


def make_app(settings: Settings, broker_url: str) -> WooshqApp:
    """The app for one configuration. broker_url: as the settings take it."""
    broker = broker_of(broker_url)
    app = WooshqApp("wooshq", broker=broker.url, set_as_current=False, fixups=[])
    app.lanes = {lane: queue_of(settings, lane) for lane in LANES}
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_queues=queues(settings, broker_url),
        task_default_queue=app.lanes["transactional"],
        task_default_exchange="",
        task_default_routing_key=app.lanes["transactional"],
        task_create_missing_queues=False,
        task_publish_retry=False,  # the keeper is the retry
        broker_transport=broker.transport,
        broker_transport_options=dict(broker.options),
        broker_use_ssl=broker.tls,
        broker_connection_timeout=1.0,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
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


def queue_of(settings: Settings, lane: str) -> str:
    """The name of a lane's queue: the lane's name, or `<namespace>.<lane>` if the installation has a namespace of its own."""
    return lane if settings.namespace == DEFAULT_NAMESPACE else f"{settings.namespace}.{lane}"


def queues(settings: Settings, broker_url: str) -> list[Queue]:
    """The queues of the lanes, and the extra queue from which `wooshq.submit` is read. On RabbitMQ, lanes are quorum queues."""
    durable: dict[str, Any] = {"queue_arguments": {"x-queue-type": "quorum"}} if is_amqp(broker_url) else {}
    made = [_queue(queue_of(settings, lane), **durable) for lane in LANES]
    if (submit := settings.submit_queue_name) is not None and submit not in {queue.name for queue in made}:
        made.append(_queue(submit))
    return made


def _queue(name: str, **options: Any) -> Queue:
    return Queue(name, Exchange(""), routing_key=name, durable=True, **options)


def adopt_queues(app: Celery, connection: Any) -> None:
    """
    Declare the queues. A queue that exists with another type (because a producer's own Celery declared it first), or that this user may
    not declare, is used with its present type.

    RabbitMQ answers 406 to a declaration that differs, and 403 to a user without the right to configure; then it closes the channel.
    Without this function, a worker would reconnect for ever, and nothing would be sent. Raises the transport's errors if the broker is
    out of reach or the queue does not exist.
    """
    for queue in app.amqp.queues.values():
        try:
            _declare(connection, queue)
        except ChannelError as error:
            if (code := getattr(error, "reply_code", None)) == 406:
                queue.queue_arguments = None if queue.queue_arguments else {"x-queue-type": "quorum"}
                _declare(connection, queue)
            elif code == 403:
                _declare(connection, queue, passive=True)
                queue.no_declare = True
            else:
                raise


def _declare(connection: Any, queue: Queue, *, passive: bool = False) -> None:
    with connection.channel() as channel:
        if passive:
            queue(channel).queue_declare(passive=True)
        else:
            queue(channel).declare()
