"""While an outbox is open, the task `wooshq.submit` of any Celery app goes into it, and not to the app's broker."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias
from unittest.mock import patch
from uuid import uuid4

from celery import Celery

from wooshq.installation.celery_app import SUBMIT

Take: TypeAlias = Callable[[Celery, str, Mapping[str, Any]], None]
"""Given the app, the task's id, and the arguments of `send_task` by their names."""


@contextmanager
def submits_go_to(take: Take) -> Iterator[None]:
    """Inside, `take` is given each `wooshq.submit`. Other tasks are sent as always."""
    send_task = Celery.send_task
    signature = inspect.signature(send_task)

    def instead(app: Celery, name: str, *args: Any, **options: Any) -> Any:
        if name != SUBMIT:
            return send_task(app, name, *args, **options)
        given = signature.bind(app, name, *args, **options).arguments
        given |= given.pop("options", {})
        task_id = given.get("task_id") or str(uuid4())
        take(app, task_id, given)
        return app.AsyncResult(task_id)

    with patch.object(Celery, "send_task", instead):
        yield
