"""One Celery task per message, in a pool. It sends on the event loop of its process and waits: a task that acknowledges late must wait."""

from __future__ import annotations

import asyncio
import os
import threading
from functools import cache
from typing import Any

from celery import Celery

from wooshq import Settings
from wooshq_worker.api.transport import Api

app = Celery("pooled", broker=os.environ.get("BENCH_BROKER", "memory://"), set_as_current=False)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    broker_connection_retry_on_startup=True,
    task_default_queue="pooled",
    worker_prefetch_multiplier=4,
)


@cache
def _loop() -> tuple[asyncio.AbstractEventLoop, Api]:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def api() -> Api:
        settings = Settings(_env_file=None, base_url=os.environ["BENCH_API"])  # type: ignore[call-arg]
        return Api.from_settings(settings)

    return loop, asyncio.run_coroutine_threadsafe(api(), loop).result()


_LOCK = threading.Lock()


@app.task
def send(user: str) -> None:
    with _LOCK:
        loop, api = _loop()
    body = b'{"transactional":{"users":{"list":["%s"]}}}' % user.encode()
    answer: Any = asyncio.run_coroutine_threadsafe(api.call(body, "bench"), loop).result()
    assert answer.status == 200
