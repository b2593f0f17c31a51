"""The plain version, which anyone would write first: one Celery task per message, the default pool (prefork), tenacity around httpx.post."""

from __future__ import annotations

import os

import httpx
import tenacity
from celery import Celery

from benchmarks.baselines.request import HEADERS, URL, body


@tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_random_exponential(max=5), reraise=True)
def send(user: str) -> None:
    httpx.post(URL, json=body(user), headers=HEADERS).raise_for_status()


def empty() -> None:
    """An empty task: shows what Celery alone costs."""


def app_on(broker: str) -> Celery:
    """A new app on this broker. An app keeps its connections, so each installation needs its own."""
    app = Celery("plain", broker=broker, set_as_current=False)
    app.conf.update(task_ignore_result=True, task_acks_late=True, broker_connection_retry_on_startup=True, task_default_queue="plain")
    for name, work in (("send", send), ("empty", empty)):
        app.task(name=name)(work)
    return app


app = app_on(os.environ.get("BENCH_BROKER", "memory://"))
