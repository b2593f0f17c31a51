"""Celery's consumer with a door of our own: each message is understood here before Celery's code sees it, and none ends the worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, assert_never

import structlog
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import Consumer as KombuConsumer
from kombu.message import Message

from wooshq.installation.celery_app import SUBMIT
from wooshq_worker.intents.submit import Submitted
from wooshq_worker.process.broker_message import Bell, NotOurs, Turn, meaning_of, not_understood
from wooshq_worker.process.engine import Engine

log = structlog.get_logger("wooshq.consumer")


class Consumer(CeleryConsumer):
    """
    Celery connects, reconnects, consumes and acknowledges. What a message means is decided here.

    Celery's own handlers would end the worker over a malformed message, and log the whole of one that they refuse (known faults 11, F48).
    """

    connection: Any  #: Celery's, to the broker; None between two connections
    others: dict[str, KombuConsumer]  #: queue → its consumer, of all queues but that of `task_consumer`; see `queues.py`

    def __init__(self, *args: Any, controller: Any, **kwargs: Any) -> None:
        self.engine: Engine = controller.engine  # set by `EngineStep`
        self.others = {}
        self._done: deque[Message] = deque()
        self._is_woken = False
        super().__init__(*args, controller=controller, **kwargs)

    class Blueprint(CeleryConsumer.Blueprint):
        # Celery's own, without remote control and events, and without delayed delivery, which declares 28 queues for ETAs (F26).
        default_steps = [
            "celery.worker.consumer.connection:Connection",
            "celery.worker.consumer.mingle:Mingle",
            "wooshq_worker.process.queues:Queues",
            "wooshq_worker.process.queues:QueueChannels",
            "celery.worker.consumer.consumer:Evloop",
        ]

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """
        For Celery: drop a connection that is lost. Never raises, so every loss ends in a new connection.

        Celery closes it twice. The second time, kombu's channels have no connection, and those with unacknowledged messages fail.
        """
        try:
            super().on_connection_error_after_connected(exc)
        except Exception as error:
            log.info("lost_connection_not_closed", error=type(error).__name__)
            self.connection = None
        if self.hub is not None:
            self.hub.on_tick.clear()  # kombu puts each new connection there, and takes none out; nothing else uses it

    def create_task_handler(self, promise: Any = None) -> Callable[[Message], None]:
        """For Celery: what its own consumer, which has one queue left, does with a message."""
        return partial(self.received, self._first_queue)

    def received(self, queue: str, message: Message) -> None:
        """A message that was read from `queue`; what it says of its own queue is not believed. Never raises."""
        try:
            self._receive(queue, message)
        except Exception as error:
            log.error("message_not_understood", error=type(error).__name__)
            self.engine.offer_submit(not_understood(message, error), self._ack(message))

    def _receive(self, queue: str, message: Message) -> None:
        lane = self.app.lane_of(queue)
        meaning = meaning_of(message, lane)
        match meaning:
            case Bell(hops):
                self.engine.offer_bell(lane, hops)
                self._ack(message)()
            case Turn():
                self.engine.offer_turn(self._ack(message))
            case Submitted():
                self.engine.offer_submit(meaning, self._ack(message))
            case NotOurs():
                log.warning("queue_is_shared", queue=queue, hint=f"send {SUBMIT} to a lane's queue, or set WOOSHQ_SUBMIT_QUEUE")
                self.hub.call_soon(self.leave_queue, queue)
                message.requeue()
            case _:
                assert_never(meaning)

    def _ack(self, message: Message) -> Callable[[], None]:
        """Acknowledges in Celery's own thread, whichever thread calls it."""
        return partial(self._acknowledge, message)

    def _acknowledge(self, message: Message) -> None:
        self._done.append(message)
        if not self._is_woken:  # one wake-up for all that are done before Celery's loop runs
            self._is_woken = True
            self.hub.call_soon(self._acknowledge_all)

    def _acknowledge_all(self) -> None:
        self._is_woken = False
        while self._done:
            self._done.popleft().ack_log_error(_AckLog, (Exception,))

    def leave_queue(self, queue: str) -> None:
        """Read this queue no more, at least until the next connection."""
        if (consumer := self.others.get(queue)) is not None:
            consumer.cancel()
        else:
            self.task_consumer.cancel_by_queue(queue)

    @property
    def _first_queue(self) -> str:
        return str(self.task_consumer.queues[0].name)

    # In these two Celery would log the whole message.

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        self.received(self._first_queue, message)

    def on_unknown_message(self, body: Any, message: Message) -> None:
        self.received(self._first_queue, message)


class _AckLog:
    """kombu logs an acknowledgement that fails with the message's body; this only logs that it failed."""

    @staticmethod
    def critical(text: str, *args: Any, **kwargs: Any) -> None:
        log.info("ack_failed")  # the broker delivers it again, and the claim refuses it
