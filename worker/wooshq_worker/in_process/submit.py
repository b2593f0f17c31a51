"""The task `wooshq.submit`, taken in the process that sends it: through the same bytes, checks and dead letters as in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Celery
from kombu.message import Message
from kombu.serialization import dumps

from wooshq.client import Wooshq
from wooshq.installation.celery_app import SUBMIT
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq_worker.in_process.memory_client import MemoryClient, at_once
from wooshq_worker.intents.submit import Submit, Submitted
from wooshq_worker.process.broker_message import meaning_of


def take_submit(wooshq: Wooshq, ledger: MemoryLedger, app: Celery, task_id: str, options: Mapping[str, Any]) -> None:
    """
    Take what `app.send_task("wooshq.submit", …)` would send. options: the other arguments of `send_task`.

    Raises LedgerUnavailable while the ledger is away, and what Celery raises if it cannot serialize the arguments.
    """
    meaning = meaning_of(_message(app, task_id, options), lane=None)
    assert isinstance(meaning, Submitted)
    at_once(Submit(wooshq, MemoryClient(ledger)).take(meaning))


def _message(app: Celery, task_id: str, options: Mapping[str, Any]) -> Message:
    """The message as a worker would receive it."""
    names = {"link": "callbacks", "link_error": "errbacks"}
    times = {name: options.get(name) for name in ("countdown", "eta", "expires", "chain", "chord")}
    followers = {inner: _as_list(options.get(outer)) for outer, inner in names.items()}
    made = app.amqp.create_task_message(task_id, SUBMIT, options.get("args"), options.get("kwargs"), **times, **followers)
    kind, encoding, body = dumps(made.body, serializer=options.get("serializer") or app.conf.task_serializer)
    headers = dict(made.headers)
    if compression := options.get("compression") or app.conf.task_compression:
        headers["compression"] = compression
    raw = body.encode() if isinstance(body, str) else body
    return Message(
        body=raw, content_type=kind, content_encoding=encoding, headers=headers, properties=dict(made.properties), delivery_tag=task_id
    )


def _as_list(value: Any) -> list[Any] | None:
    return value if value is None or isinstance(value, list) else [value]
