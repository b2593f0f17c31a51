"""Celery's consumer with a door of our own: every message is looked at before Celery's code would, and none ends the worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import structlog
from celery import bootsteps
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.consumer.tasks import Tasks
from kombu import Consumer as KombuConsumer
from kombu.message import Message

from wooshq.celery_app import PREFETCH, SEND, SUBMIT, adopt_queues
from wooshq_worker.engine import Engine

log = structlog.get_logger("wooshq.consumer")

_MOST_IDS = 1000
_KEPT = 64 * 1024


class Consumer(CeleryConsumer):
    """
    Celery connects, reconnects, consumes and acknowledges; what a message means is decided here.

    Celery's own handlers would die of a malformed message, and log the whole of one that they refuse (known faults 11, F48).
    """

    engine: Engine  #: set on the class by the worker before Celery makes one

    class Blueprint(CeleryConsumer.Blueprint):
        # Of Celery's own: no remote control, no events, and no delayed delivery, which declares 28 queues for ETAs that we refuse (F26).
        default_steps = [
            "celery.worker.consumer.connection:Connection",
            "celery.worker.consumer.mingle:Mingle",
            "wooshq_worker.consumer:Queues",
            "wooshq_worker.consumer:Lanes",
            "celery.worker.consumer.consumer:Evloop",
        ]

    def create_task_handler(self, promise: Any = None) -> Callable[[Message], None]:
        return self._received

    def _received(self, message: Message) -> None:
        try:
            self._look_at(message)
        except Exception as error:
            log.error("message_not_understood", error=type(error).__name__)
            raw = message.body if isinstance(message.body, bytes) else str(message.body).encode("utf-8", "replace")
            self.engine.offer_submit(None, raw[:_KEPT], f"not understood ({type(error).__name__})", self._ack(message))

    def _look_at(self, message: Message) -> None:
        headers = message.headers if isinstance(message.headers, dict) else {}
        queue = (message.delivery_info or {}).get("routing_key")
        lane = self.app.lane_of(queue)
        task = headers.get("task")
        raw = message.body if isinstance(message.body, bytes) else str(message.body).encode("utf-8", "replace")
        args, kwargs, why = _arguments(message, raw)
        if task is None and isinstance(kwargs, dict) and "task" in kwargs:  # protocol 1 says it in the body
            task, args, kwargs = kwargs.get("task"), kwargs.get("args"), kwargs.get("kwargs")
        if task == SEND:
            ids = args[0] if isinstance(args, list) and len(args) == 1 else None
            if why is None and isinstance(ids, list) and len(ids) <= _MOST_IDS and all(isinstance(i, str) and len(i) == 36 for i in ids):
                alone = isinstance(kwargs, dict) and kwargs.get("alone") is True
                self.engine.offer(lane or "transactional", ids, self._ack(message), alone=alone)
            else:  # the ids are in the ledger, and the keeper publishes them again
                log.warning("message_malformed", task=SEND, why=why or "it must carry one list of ids")
                self.engine.rejected += 1
                self._ack(message)()
        elif task == SUBMIT or lane is not None:
            if why is None and task != SUBMIT:
                why = f"a message in this lane must be the task {SUBMIT}"
            if why is None and not (isinstance(args, list) and len(args) == 1):
                why = f"{SUBMIT} takes the intent as its one argument"
            if why is None and (headers.get("eta") or headers.get("expires")):
                why = f"{SUBMIT} takes neither eta, countdown nor expires; the intent's own fields are schedule and expires_at"
            intent = args[0] if why is None and isinstance(args, list) else None
            self.engine.offer_submit(intent, raw[:_KEPT], why, self._ack(message))
        else:
            self._not_ours(message, str(queue))

    def _not_ours(self, message: Message, queue: str) -> None:
        """Somebody else's task in a queue that we share: it goes back, and we leave that queue to them."""
        log.warning("queue_is_shared", queue=queue, hint=f"send {SUBMIT} to the queue transactional, or set WOOSHQ_SUBMIT_QUEUE")
        self.hub.call_soon(self.cancel_task_queue, queue)
        message.requeue()

    def _ack(self, message: Message) -> Callable[[], None]:
        """Acknowledges in Celery's own thread, from whichever it is called."""
        return lambda: self.hub.call_soon(message.ack_log_error, _AckLog, (Exception,)) and None

    # Celery would log the whole message in these

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        self._received(message)

    def on_unknown_message(self, body: Any, message: Message) -> None:
        self._received(message)


class Queues(Tasks):
    """Celery's step that consumes, which first takes the queues as it finds them, at every new connection."""

    def start(self, c: Consumer) -> None:
        adopt_queues(c.app, c.connection)
        super().start(c)


class Lanes(bootsteps.StartStopStep):
    """Gives the bulk lane a channel of its own: a full one is not read any further, and the transactional lane is not behind it."""

    requires = (Queues,)

    def __init__(self, c: Consumer, **kwargs: Any) -> None:
        self._channel: Any = None
        self._consumer: KombuConsumer | None = None
        super().__init__(c, **kwargs)

    def start(self, c: Consumer) -> None:
        consumed = c.app.amqp.queues.consume_from
        c.engine.lanes_consumed = frozenset(lane for lane, name in c.app.lanes.items() if name in consumed)
        queue = consumed.get(c.app.lanes["bulk"])
        if queue is None or len(consumed) == 1:
            return
        c.task_consumer.cancel_by_queue(queue.name)
        self._channel = c.connection.channel()
        self._channel.basic_qos(0, PREFETCH, False)
        self._consumer = KombuConsumer(
            self._channel, queues=[queue], on_message=c.create_task_handler(), auto_declare=True, accept=["json"]
        )
        self._consumer.consume()

    def stop(self, c: Consumer) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                consumer.cancel()
            except (*c.connection_errors, OSError):
                pass  # the connection is gone, and its consumers with it

    def shutdown(self, c: Consumer) -> None:
        self.stop(c)
        channel, self._channel = self._channel, None
        if channel is not None:
            try:
                channel.close()
            except (*c.connection_errors, OSError):
                pass


class _AckLog:
    """kombu logs an acknowledgement that fails with the message's body; this says that it failed."""

    @staticmethod
    def critical(text: str, *args: Any, **kwargs: Any) -> None:
        log.info("ack_failed")  # the broker delivers it again, and the claim refuses it


def _arguments(message: Message, raw: bytes) -> tuple[Any, Any, str | None]:
    """The task's args and kwargs, or why there are none. Decoded here: Celery's decoder runs what the headers name."""
    if message.content_type not in ("application/json", None) or message.content_encoding not in ("utf-8", "utf8", None):
        return None, None, "only JSON in UTF-8 is accepted"
    if (message.headers or {}).get("compression"):
        return None, None, "only JSON without compression is accepted"
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None, None, "its body is not JSON"
    if isinstance(body, dict) and "task" in body:
        return None, body, None
    if not (isinstance(body, list) and len(body) == 3 and isinstance(body[0], list) and isinstance(body[1], dict)):
        return None, None, "its body is not [args, kwargs, embed]"
    return body[0], body[1], None
