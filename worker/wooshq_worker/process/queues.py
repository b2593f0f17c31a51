"""Celery's steps that consume the queues: each queue has a channel of its own, so that a full one blocks no other."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from kombu import Consumer as KombuConsumer

from wooshq.installation.celery_app import PREFETCH, adopt_queues
from wooshq_worker.process.consumer import Consumer


class Queues(Tasks):
    """Celery's own step that consumes. At every new connection it first adopts the queues as they are at the broker."""

    def start(self, c: Consumer) -> None:
        adopt_queues(c.app, c.connection)
        c.others = {}
        super().start(c)


class QueueChannels(bootsteps.StartStopStep):
    """
    Leaves one queue to Celery's own consumer, and gives each other queue a consumer with a channel of its own.

    It is also the only way to know which queue a message came from: what the message says was written by its sender.
    """

    requires = (Queues,)

    def __init__(self, c: Consumer, **kwargs: Any) -> None:
        self._channels: list[Any] = []
        super().__init__(c, **kwargs)

    def start(self, c: Consumer) -> None:
        self._channels = []  # those of an earlier connection ended with it
        consumed = c.app.amqp.queues.consume_from
        c.engine.lanes_consumed = frozenset(lane for lane, name in c.app.lanes.items() if name in consumed)
        first = c.app.lanes["transactional"] if c.app.lanes["transactional"] in consumed else next(iter(consumed))
        for queue in consumed.values():
            if queue.name == first:
                continue
            c.task_consumer.cancel_by_queue(queue.name)
            channel = c.connection.channel()
            self._channels.append(channel)
            channel.basic_qos(0, PREFETCH, False)
            c.others[queue.name] = KombuConsumer(
                channel,
                queues=[queue],
                on_message=partial(c.received, queue.name),
                on_decode_error=lambda message, error, name=queue.name: c.received(name, message),
                auto_declare=False,
                accept=["json"],
            )
            c.others[queue.name].consume()
        c.engine.broker_lost_at = None

    def stop(self, c: Consumer) -> None:
        c.engine.broker_lost_at = c.engine.broker_lost_at or time.monotonic()
        for consumer in c.others.values():
            _end(c, consumer.cancel)
        c.others = {}

    def shutdown(self, c: Consumer) -> None:
        self.stop(c)
        for channel in self._channels:
            _end(c, channel.close)
        self._channels = []


def _end(c: Consumer, call: Callable[[], Any]) -> None:
    try:
        call()
    except (*c.connection_errors, *c.channel_errors, OSError):
        pass  # the connection is gone, and its consumers with it
