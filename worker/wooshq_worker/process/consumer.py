"""Celery's consumer with a door of our own: every message is looked at before Celery's code would, and none ends the worker."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog
from celery import bootsteps
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.consumer.tasks import Tasks
from kombu import Consumer as KombuConsumer
from kombu.message import Message

from wooshq.installation.celery_app import PREFETCH, SEND, SUBMIT, TURN, adopt_queues
from wooshq_worker.intents.submit import Submitted
from wooshq_worker.process.engine import Engine

log = structlog.get_logger("wooshq.consumer")

_MOST_IDS = 1000
_KEPT = 64 * 1024
#: Reading a larger body as JSON would hold the loop up for everybody.
_MOST_BYTES = 8 * 1024 * 1024


class Consumer(CeleryConsumer):
    """
    Celery connects, reconnects, consumes and acknowledges; what a message means is decided here.

    Celery's own handlers would die of a malformed message, and log the whole of one that they refuse (known faults 11, F48).
    """

    engine: Engine  #: set on the class by the worker before Celery makes one
    others: dict[str, KombuConsumer]  #: queue → its consumer, for all queues but the one of `task_consumer`

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._done: deque[Message] = deque()
        self._told = False
        super().__init__(*args, **kwargs)

    class Blueprint(CeleryConsumer.Blueprint):
        # Of Celery's own: no remote control, no events, and no delayed delivery, which declares 28 queues for ETAs that we refuse (F26).
        default_steps = [
            "celery.worker.consumer.connection:Connection",
            "celery.worker.consumer.mingle:Mingle",
            "wooshq_worker.process.consumer:Queues",
            "wooshq_worker.process.consumer:Lanes",
            "celery.worker.consumer.consumer:Evloop",
        ]

    def create_task_handler(self, promise: Any = None) -> Callable[[Message], None]:
        """Celery's: what its own consumer, which has one queue left, does with a message."""
        return partial(self.received, self.task_consumer.queues[0].name)

    def received(self, queue: str, message: Message) -> None:
        """A message of `queue`: of the one that it was read from, whatever the message says of itself. Never raises."""
        try:
            self._look_at(queue, message)
        except Exception as error:
            log.error("message_not_understood", error=type(error).__name__)
            self._reject(_Arrived(_bytes_of(message)), f"not understood ({type(error).__name__})", self._ack(message))

    def _look_at(self, queue: str, message: Message) -> None:
        lane = self.app.lane_of(queue)
        arrived = _arrived(message)
        if arrived.task == SEND and lane is not None:
            ids = arrived.args[0] if isinstance(arrived.args, list) and len(arrived.args) == 1 else None
            if arrived.why is None and isinstance(ids, list) and len(ids) <= _MOST_IDS and all(map(_is_id, ids)):
                alone = isinstance(arrived.kwargs, dict) and arrived.kwargs.get("alone") is True
                self.engine.offer(lane, ids, self._ack(message), alone=alone)
            else:  # the ids are in the ledger, and the keeper publishes them again
                log.warning("message_malformed", task=SEND, why=arrived.why or "it must carry one list of ids")
                self.engine.rejected += 1
                self._ack(message)()
        elif arrived.task == TURN and lane == "bulk":
            self.engine.offer_turn(self._ack(message))
        elif arrived.task == SUBMIT or lane is not None:
            why = arrived.why or _why_no_submit(arrived)
            if why is not None:
                self._reject(arrived, why, self._ack(message))
            else:
                self.engine.offer_submit(Submitted(arrived.intent_id, arrived.args[0], arrived.raw), self._ack(message))
        else:
            self._not_ours(message, queue)

    def _reject(self, arrived: _Arrived, why: str, ack: Callable[[], None]) -> None:
        self.engine.rejected += 1
        self.engine.offer_submit(Submitted(arrived.intent_id, None, arrived.raw, why), ack)

    def _not_ours(self, message: Message, queue: str) -> None:
        """Somebody else's task in a queue that we share: it goes back, and we leave that queue to them."""
        log.warning("queue_is_shared", queue=queue, hint=f"send {SUBMIT} to the queue of a lane, or set WOOSHQ_SUBMIT_QUEUE")
        self.hub.call_soon(self.leave_queue, queue)
        message.requeue()

    def _ack(self, message: Message) -> Callable[[], None]:
        """Acknowledges in Celery's own thread, from whichever it is called."""
        return partial(self._acknowledge, message)

    def _acknowledge(self, message: Message) -> None:
        self._done.append(message)
        if not self._told:  # one wake-up for all that are done before it is heeded
            self._told = True
            self.hub.call_soon(self._acknowledge_all)

    def _acknowledge_all(self) -> None:
        self._told = False
        while self._done:
            self._done.popleft().ack_log_error(_AckLog, (Exception,))

    def leave_queue(self, queue: str) -> None:
        """Read this queue no more, until the next connection at least."""
        if (consumer := self.others.get(queue)) is not None:
            consumer.cancel()
        else:
            self.task_consumer.cancel_by_queue(queue)

    # Celery would log the whole message in these

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        self.received(self.task_consumer.queues[0].name, message)

    def on_unknown_message(self, body: Any, message: Message) -> None:
        self.received(self.task_consumer.queues[0].name, message)


class Queues(Tasks):
    """Celery's step that consumes, which first takes the queues as it finds them, at every new connection, and keeps one for itself."""

    def start(self, c: Consumer) -> None:
        adopt_queues(c.app, c.connection)
        c.others = {}
        super().start(c)


class Lanes(bootsteps.StartStopStep):
    """
    Gives each queue a channel of its own: a full one is not read any further, and the transactional lane is not behind it. It is also
    the only way to know which queue a message came from; what it says of itself is its sender's.
    """

    requires = (Queues,)

    def __init__(self, c: Consumer, **kwargs: Any) -> None:
        self._channels: list[Any] = []
        super().__init__(c, **kwargs)

    def start(self, c: Consumer) -> None:
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

    def stop(self, c: Consumer) -> None:
        for consumer in c.others.values():
            _let_go(c, consumer.cancel)
        c.others = {}

    def shutdown(self, c: Consumer) -> None:
        self.stop(c)
        for channel in self._channels:
            _let_go(c, channel.close)
        self._channels = []


def _let_go(c: Consumer, call: Callable[[], Any]) -> None:
    try:
        call()
    except (*c.connection_errors, *c.channel_errors, OSError):
        pass  # the connection is gone, and its consumers with it


class _AckLog:
    """kombu logs an acknowledgement that fails with the message's body; this says that it failed."""

    @staticmethod
    def critical(text: str, *args: Any, **kwargs: Any) -> None:
        log.info("ack_failed")  # the broker delivers it again, and the claim refuses it


@dataclass(frozen=True, slots=True)
class _Arrived:
    """What a message says. why: there are no arguments to be had. intent_id: the same whenever the broker delivers this message."""

    raw: bytes
    task: object = None
    args: Any = None
    kwargs: Any = None
    times: Mapping[str, Any] = field(default_factory=dict)
    intent_id: str = ""
    why: str | None = None


#: Of the ids that submits get: a message that is delivered again becomes the same intent, and no second one.
_SUBMITS: Final = uuid.UUID("5f0c2f1e-8f0b-5d7b-9a53-6b1b7b0c6f52")


def _arrived(message: Message) -> _Arrived:
    """A message as values. Decoded here: Celery's decoder runs what the headers name."""
    raw = _bytes_of(message)
    headers = message.headers if isinstance(message.headers, dict) else {}
    args, kwargs, why = _arguments(message, headers, raw)
    said: Mapping[str, Any] = headers
    if headers.get("task") is None and isinstance(kwargs, dict) and "task" in kwargs:  # protocol 1 says it in the body
        said, args, kwargs = kwargs, kwargs.get("args"), kwargs.get("kwargs")
    name = said.get("id") or (message.properties or {}).get("correlation_id")
    if not (isinstance(name, str) and name):
        # No task of Celery's. Redis gives each message a tag for life, RabbitMQ a number a channel: with its bytes it will do.
        name = f"{message.delivery_tag} {hashlib.blake2b(raw).hexdigest()}"
    return _Arrived(
        raw[:_KEPT],
        said.get("task"),
        args,
        kwargs,
        {name: said[name] for name in ("eta", "expires") if said.get(name)},
        str(uuid.uuid5(_SUBMITS, name.encode("utf-8", "replace").decode())),
        why,
    )


def _why_no_submit(arrived: _Arrived) -> str | None:
    if arrived.task != SUBMIT:
        return f"a message in this lane must be the task {SUBMIT}"
    if not (isinstance(arrived.args, list) and len(arrived.args) == 1):
        return f"{SUBMIT} takes the intent as its one argument"
    if arrived.times:
        return f"{SUBMIT} takes neither eta, countdown nor expires; the intent's own fields are schedule and expires_at"
    return None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _bytes_of(message: Message) -> bytes:
    return message.body if isinstance(message.body, bytes) else str(message.body).encode("utf-8", "replace")


def _arguments(message: Message, headers: Mapping[str, Any], raw: bytes) -> tuple[Any, Any, str | None]:
    """The task's args and kwargs, or why there are none."""
    if message.content_type not in ("application/json", None) or message.content_encoding not in ("utf-8", "utf8", None):
        return None, None, "only JSON in UTF-8 is accepted"
    if headers.get("compression"):
        return None, None, "only JSON without compression is accepted"
    if len(raw) > _MOST_BYTES:
        return None, None, f"{len(raw)} bytes are more than any message may have"
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None, None, "its body is not JSON"
    if isinstance(body, dict) and "task" in body:
        return None, body, None
    if not (isinstance(body, list) and len(body) == 3 and isinstance(body[0], list) and isinstance(body[1], dict)):
        return None, None, "its body is not [args, kwargs, embed]"
    return body[0], body[1], None
