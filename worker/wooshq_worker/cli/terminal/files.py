"""Files that a command writes. They may hold personal data: only their owner can read them, and no existing file is overwritten unasked."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, TextIO

import typer

_BEGINS_A_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")


def opened(file: Path, *, force: bool, option: str) -> AbstractContextManager[TextIO]:
    """
    Open a file for writing; `-` is standard output. An existing pipe or device is written to.

    force: overwrite an existing file. option: the name to use in an error. Raises typer.BadParameter.
    """
    if str(file) == "-":
        return nullcontext(sys.stdout)
    try:
        return create(file, force=force)
    except FileExistsError:
        raise file_exists(file, option) from None
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint=option) from None


def create(file: Path, *, force: bool) -> TextIO:
    """As `opened`, but not for `-`, and it raises OSError."""
    overwrites = force or (file.exists() and not file.is_file())
    number = os.open(file, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if overwrites else os.O_EXCL), 0o600)
    return os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace", newline="")


def try_to_write(file: Path) -> None:
    """
    Raises OSError if a file that does not exist yet cannot be created, or if an existing one cannot be written to. Changes nothing.

    Permissions alone do not tell: a file system may be read-only or full. A pipe or a device is not tried, because something reads it.
    """
    try:
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if file.is_file():
            os.close(os.open(file, os.O_WRONLY))
        elif file.is_dir() or not os.access(file, os.W_OK):
            raise
        return
    try:
        os.write(number, b"\n")
    finally:
        os.close(number)
        file.unlink()


def try_to_write_in(folder: Path) -> None:
    """Raises OSError if no file can be written in a folder. Leaves nothing there."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\n")


def file_exists(file: Path, option: str) -> typer.BadParameter:
    """The error for a file that would be overwritten."""
    return typer.BadParameter(f"{file} already exists. Use --force to overwrite it", param_hint=option)


def cell(value: object) -> str:
    """A value for a CSV file. A spreadsheet must not run text from outside as a formula (OWASP, CSV injection)."""
    text = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)
    return "'" + text if text.lstrip(" ")[:1] in _BEGINS_A_FORMULA else text
