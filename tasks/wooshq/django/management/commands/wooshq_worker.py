"""`manage.py wooshq_worker`: run a worker with the settings of Django."""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.management.base import BaseCommand

from wooshq.django.command_line import become_worker


class Command(BaseCommand):
    """See `help`."""

    help = "Run `wooshq worker` with settings.WOOSHQ as its environment. It takes the options of `wooshq worker`, after `--`."
    requires_system_checks: Any = []

    def add_arguments(self, parser: Any) -> None:
        """What is passed on."""
        parser.add_argument("options", nargs="*", metavar="OPTION", help="Options of `wooshq worker`, such as: -- -Q transactional")

    def handle(self, *_: Any, **options: Any) -> NoReturn:
        """Becomes the worker."""
        become_worker(options["options"])
