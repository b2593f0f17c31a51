"""Files that a command writes. They may hold personal data: only their owner can read them, and no existing file is overwritten unasked."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TextIO

import typer


def opened(file: Path, *, force: bool, option: str) -> AbstractContextManager[TextIO]:
    """
    Open a file for writing; `-` is standard output. An existing pipe or device is written to.

    force: overwrite an existing file. option: the name to use in an error. Raises typer.BadParameter.
    """
    if str(file) == "-":
        return nullcontext(sys.stdout)
    overwrites = force or (file.exists() and not file.is_file())
    try:
        number = os.open(file, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if overwrites else os.O_EXCL), 0o600)
    except FileExistsError:
        raise file_exists(file, option) from None
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint=option) from None
    return os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace", newline="")


def file_exists(file: Path, option: str) -> typer.BadParameter:
    """The error for a file that would be overwritten."""
    return typer.BadParameter(f"{file} already exists. Use --force to overwrite it", param_hint=option)
