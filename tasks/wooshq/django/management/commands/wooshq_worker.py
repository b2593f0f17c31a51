"""`manage.py wooshq_worker`: run a worker with the settings of Django."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from wooshq.django import conf
from wooshq.errors import SettingsInvalid


class Command(BaseCommand):
    """See `help`."""

    help = "Run `wooshq worker` with settings.WOOSHQ as its environment. It takes the options of `wooshq worker`, after `--`."
    requires_system_checks: Any = []

    def add_arguments(self, parser: Any) -> None:
        """What is passed on."""
        parser.add_argument("options", nargs="*", metavar="OPTION", help="Options of `wooshq worker`, such as: -- -Q transactional")

    def handle(self, *_: Any, **options: Any) -> NoReturn:
        """Becomes the worker: signals reach it, and nothing of Django stays in its memory."""
        if importlib.util.find_spec("wooshq_worker.__main__") is None or importlib.util.find_spec("structlog") is None:
            raise CommandError("The worker is not installed here. Install it with: pip install 'wooshq[worker]'")
        try:
            given = conf.environment()
        except SettingsInvalid as error:
            raise CommandError(str(error)) from None
        environment = {**given, **os.environ}
        command = [sys.executable, "-m", "wooshq_worker", "worker", *options["options"]]
        os.execve(sys.executable, command, environment)
