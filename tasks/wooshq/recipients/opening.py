"""Which paths and streams may be read? Regular files and pipes. Folders, devices and kernel files are refused."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from wooshq.errors import RecipientsUnreadable

_USE_A_FILE: Final = "Use a file or a pipe"
_KERNEL_FOLDERS: Final = ("/proc", "/sys")


def open_file(path: Path) -> FileIO:
    """
    Open a regular file or a named pipe (this waits for the pipe's writer).

    Raises RecipientsUnreadable if the path does not exist, cannot be read, or is not a file or a pipe.
    """
    try:
        # Checked before it is opened: opening a device may already start something.
        _check_kind(path, os.stat(path).st_mode)
        file = FileIO(path)
    except ValueError:
        raise RecipientsUnreadable("is not a valid path", "Remove the NUL character from it") from None
    except FileNotFoundError:
        hint = "It is a link to a file that does not exist" if path.is_symlink() else "Check the path"
        raise RecipientsUnreadable("does not exist", hint) from None
    except PermissionError:
        raise RecipientsUnreadable("cannot be read by this user", "Check the permissions of the file and of its folders") from None
    except OSError as error:
        raise RecipientsUnreadable(f"cannot be opened ({error.strerror})", "Check the path") from error
    try:
        opened = os.fstat(file.fileno())
        _check_kind(path, opened.st_mode)  # again: meanwhile, the path may lead to another file
        if stat.S_ISREG(opened.st_mode) and _is_of_the_kernel(path, opened.st_dev):
            raise _kernel_file()
    except RecipientsUnreadable:
        file.close()
        raise
    return file


def standard_input(given: BinaryIO | None) -> Callable[[int], bytes | None]:
    """
    The read function of standard input. given: read instead of this process's own standard input.

    Raises RecipientsUnreadable if it is closed, a device or a folder.
    """
    stdin = given if given is not None else getattr(sys.stdin, "buffer", None)
    if stdin is None or stdin.closed:
        raise RecipientsUnreadable("is closed", "Name a file, or pipe the recipients in")
    try:
        number = stdin.fileno()
        mode = os.fstat(number).st_mode
    except (OSError, ValueError):
        pass  # not a stream of the operating system; for example, a BytesIO
    else:
        if stat.S_ISDIR(mode) or stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not os.isatty(number)):
            raise RecipientsUnreadable("is a device or a folder", "Use a pipe, or a file after <")
    # read1 returns what a pipe has now, and does not wait until all bytes are there: rows are given while the writer still writes.
    take: Callable[[int], bytes | None] = getattr(stdin, "read1", stdin.read)
    return take


def _check_kind(path: Path, mode: int) -> None:
    if _is_below_kernel_folder(os.path.abspath(path)):
        raise _kernel_file()
    if stat.S_ISDIR(mode):
        raise RecipientsUnreadable("is a folder", "Name a file in it")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise RecipientsUnreadable("is a device or a socket, not a file", _USE_A_FILE)


def _kernel_file() -> RecipientsUnreadable:
    return RecipientsUnreadable("is a kernel file (/proc or /sys), not a list of recipients", _USE_A_FILE)


def _is_of_the_kernel(path: Path, device: int) -> bool:
    """Also if it is linked or mounted at another place. Such files hold environments and secrets, and they have no size."""
    if _is_below_kernel_folder(os.path.realpath(path)):
        return True
    return any(os.path.ismount(folder) and os.stat(folder).st_dev == device for folder in _KERNEL_FOLDERS)


def _is_below_kernel_folder(path: str) -> bool:
    return path.startswith(tuple(f"{folder}/" for folder in _KERNEL_FOLDERS))
