"""Files that a command writes for its user: with personal data in them, so that only their owner reads them, and never over another."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TextIO

import typer


def opened(file: Path, *, force: bool, option: str) -> AbstractContextManager[TextIO]:
    """
    The file, to be written; `-` is standard output. What is there and is no regular file (a pipe, a device) is simply written to.

    force: a file that is there is overwritten. option: whose value it is, for errors (typer.BadParameter).
    """
    if str(file) == "-":
        return nullcontext(sys.stdout)
    overwrites = force or (file.exists() and not file.is_file())
    try:
        number = os.open(file, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if overwrites else os.O_EXCL), 0o600)
    except FileExistsError:
        raise is_there(file, option) from None
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint=option) from None
    return os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace", newline="")


def is_there(file: Path, option: str) -> typer.BadParameter:
    """What is said of a file that would be overwritten."""
    return typer.BadParameter(f"{file} is there already; --force overwrites it", param_hint=option)
