"""The command `wooshq` with the settings of Django, and with the outbox in its database."""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from collections.abc import Sequence
from typing import NoReturn

from django.core.management.base import CommandError
from django.db import router

import wooshq
from wooshq.django import conf
from wooshq.django.models import OutboxRow
from wooshq.django.outbox import DjangoDatabase
from wooshq.errors import SettingsInvalid
from wooshq.outbox.database import use_database_of_app


def run(arguments: Sequence[str]) -> NoReturn:
    """
    Run `wooshq ARGUMENTS` in this process, and end it. Commands that need the app's database use Django's, without an URL.

    Raises CommandError if the command line is not installed; SystemExit with the command's exit status.
    """
    _check_installed()
    if arguments[:1] == ["worker"]:
        become_worker(arguments[1:])
    use_database_of_app(lambda: DjangoDatabase(router.db_for_write(OutboxRow)))
    sys.argv = ["wooshq", *arguments]
    runpy.run_module("wooshq_worker", run_name="__main__")
    sys.exit(0)


def become_worker(options: Sequence[str]) -> NoReturn:
    """
    This process becomes `wooshq worker`, with settings.WOOSHQ in its environment: signals reach it, and nothing of Django stays in its memory.

    What the environment sets already wins. Raises CommandError if the worker is not installed, a setting has no name, or no Redis is named:
    a worker of its own Redis would wait for ever for what the site enqueues.
    """
    _check_installed()
    try:
        environment = {**conf.environment(), **os.environ}
        settings = wooshq._default.settings
    except SettingsInvalid as error:
        raise CommandError(str(error)) from None
    if settings.redis_url is None and settings.broker_url is None:
        raise CommandError(
            'No Redis is named. Set WOOSHQ = {"redis_url": "redis://…"} in the settings, or WOOSHQ_REDIS_URL in the environment'
        )
    os.execve(sys.executable, [sys.executable, "-m", "wooshq_worker", "worker", *options], environment)


def _check_installed() -> None:
    if importlib.util.find_spec("wooshq_worker.__main__") is None or importlib.util.find_spec("structlog") is None:
        raise CommandError("Workers and the command wooshq are not installed here. Install them with: pip install 'wooshq[worker]'")
