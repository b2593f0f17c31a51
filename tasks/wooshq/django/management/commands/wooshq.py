"""`manage.py wooshq`: the command `wooshq` with the settings of Django, such as `manage.py wooshq status ID`."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand

from wooshq.django.command_line import run


class Command(BaseCommand):
    """See `help`."""

    help = "Run the command `wooshq` with settings.WOOSHQ as its environment, such as: wooshq doctor, wooshq status ID, wooshq dead list"
    requires_system_checks: Any = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What is passed on."""
        parser.add_argument("arguments", nargs=REMAINDER, metavar="ARGUMENT", help="A command of `wooshq` with its options.")

    def handle(self, *_: Any, **options: Any) -> NoReturn:
        """Run it, and end with its exit status."""
        run(options["arguments"] or ["--help"])
