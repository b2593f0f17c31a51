"""The command `wooshq` with the settings of Django."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from django.core.management.base import CommandError

from wooshq.django import conf
from wooshq.errors import SettingsInvalid


def become(arguments: Sequence[str]) -> NoReturn:
    """
    This process becomes `wooshq ARGUMENTS`, with settings.WOOSHQ in its environment: signals reach it, and nothing of Django stays in its
    memory. What the environment sets already wins. Raises CommandError if the command line is not installed, or a setting has no name.
    """
    if importlib.util.find_spec("wooshq_worker.__main__") is None or importlib.util.find_spec("structlog") is None:
        raise CommandError("The command wooshq is not installed here. Install it with: pip install 'wooshq[worker]'")
    try:
        environment = {**conf.environment(), **os.environ}
    except SettingsInvalid as error:
        raise CommandError(str(error)) from None
    os.execve(sys.executable, [sys.executable, "-m", "wooshq_worker", *arguments], environment)
