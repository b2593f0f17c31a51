"""Whom does a file name? CSV with header, NDJSON, gzip of either, or standard input, read row by row in little memory."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.gunzip import MAGIC, Gunzip
from wooshq.recipients.limits import Limits
from wooshq.recipients.lines import segments
from wooshq.recipients.rows import BadRow, CsvRows, NdjsonRows, Rows
from wooshq_schemas.recipients import LIST_OF, Recipient

__all__ = ["BadRow", "Fingerprint", "Limits", "RecipientsFile"]

#: Bytes from which a file's format is told.
_HEAD: Final = 1 << 16
_BLANK: Final = b" \t\r\n"
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_SAVE_AS_UTF8: Final = "Save it as UTF-8"
_UNPACK_IT: Final = "Unpack it, or pack it with gzip"

#: How a file begins that somebody may take for a list of people → what it is, and what to do. The longer before the shorter.
_OTHERS: Final = (
    (b"\xff\xfe\0\0", "is UTF-32", _SAVE_AS_UTF8),
    (b"\0\0\xfe\xff", "is UTF-32", _SAVE_AS_UTF8),
    (b"\xff\xfe", "is UTF-16", _SAVE_AS_UTF8),
    (b"\xfe\xff", "is UTF-16", _SAVE_AS_UTF8),
    (b"PK\x03\x04", "is a zip archive, as Excel's workbooks are", "Unpack it, or save the sheet as CSV in UTF-8"),
    (b"PK\x05\x06", "is an empty zip archive", _UNPACK_IT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel workbook", "Save the sheet as CSV in UTF-8"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd", _UNPACK_IT),
    (b"\xfd7zXZ\0", "is packed with xz", _UNPACK_IT),
    (b"BZh", "is packed with bzip2", _UNPACK_IT),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _UNPACK_IT),
    (b"PAR1", "is a Parquet file", "Write it as CSV or NDJSON"),
    (b"%PDF-", "is a PDF", "Right would be CSV or NDJSON"),
)
_TAR_AT: Final = 257
_TAR: Final = b"ustar"
_NULS: Final = 4
#: Which of the first bytes are NUL → what that is, where no mark says so.
_BY_NULS: Final = {
    (False, True, False, True): ("is UTF-16", _SAVE_AS_UTF8),
    (True, False, True, False): ("is UTF-16", _SAVE_AS_UTF8),
    (False, True, True, True): ("is UTF-32", _SAVE_AS_UTF8),
    (True, True, True, False): ("is UTF-32", _SAVE_AS_UTF8),
    (True, True, True, True): ("begins with NUL bytes and is no text", "A crash may leave that: write the file again"),
}
_JSON_ARRAY: Final = re.compile(rb"\[\s*(?:[\[{\"\]]|\Z)")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file was when a job began with it: a resume refuses another one. size: bytes as it lies there. mtime_ns: since the epoch."""

    size: int
    mtime_ns: int

    def as_text(self) -> str:
        return f"{self.size}:{self.mtime_ns}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises ValueError where it is none that `as_text` gave."""
        size, mtime_ns = text.split(":")
        return cls(int(size), int(mtime_ns))


class RecipientsFile:
    """
    The recipients of a file or a stream, each read once and in its order. A context manager, for the file is open from the beginning.

    The first bytes tell what it is, whatever it is called: gzip (also several in a row, never a gzip in a gzip), then NDJSON where the
    first character that is not blank is "{", else CSV, with semicolons or tabs where the header has no comma. Text is UTF-8, with or
    without a byte order mark; lines end in LF or CR LF, or in CR where no LF comes in the first 64 KiB, as old Macs write it.
    """

    fingerprint: Fingerprint | None
    """None for a stream: a pipe, or whatever standard input is. Nobody can open it again."""

    def __init__(self, path: Path | None, *, stdin: BinaryIO | None = None, limits: Limits = Limits()) -> None:  # noqa: B008 (frozen)
        """
        path: None or "-" for standard input. stdin: what is read then instead of this process's.

        A named pipe waits for its writer. Raises RecipientsUnreadable for what is not there, may not be read or is no list of people:
        folders, devices, what the kernel shows under /proc and /sys, also through a link.
        """
        self._limits = limits
        self._path = None if path is None or str(path) == "-" else path
        self._file: FileIO | None = None
        self._rows: Rows | None = None
        self._opened: os.stat_result | None = None
        self.fingerprint = None
        if self._path is None:
            self._name = "standard input"
            self._take = self._standard_input(stdin)
        else:
            self._name = _printable(str(self._path))
            self._file = self._open(self._path)
            self._take = self._file.read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; standard input stays open, for it is not ours."""
        if self._file is not None:
            self._file.close()

    @property
    def lines_read(self) -> int:
        """Lines of the unpacked text, to the end of the row that `rows` gave last; at the end, all lines."""
        return self._rows.lines_read if self._rows is not None else 0

    def rows(self) -> Iterator[Recipient | BadRow]:
        """
        The rows, as they are read: blank ones are passed over, and an empty file or a header alone has none. Can be asked for once.

        Raises RecipientsUnreadable, with the line where reading stopped, where the file as a whole is not what it should be: before the
        first row, or after those that came whole. They are not all then, nor are they where `check_unchanged`, at the end, raises.
        """
        if self._rows is not None:
            raise ValueError("the rows of a RecipientsFile can be read once; open the file again")
        try:
            self._rows = self._recognised()
            yield from self._rows
        except RecipientsUnreadable as error:
            error.source = self._name
            if error.line is None and self.lines_read:
                error.line = self.lines_read + 1
            raise

    def check_unchanged(self) -> None:
        """
        Raises RecipientsUnreadable where the regular file that was opened is another one by now, or is called otherwise.

        Nothing is known of a stream. Two writes within one tick of the file system's clock (some ms) that leave the size cannot be told.
        """
        if self._opened is None or self._file is None or self._path is None:
            return
        then, now = self._opened, os.fstat(self._file.fileno())
        if now.st_size != then.st_size:
            change = "shorter" if now.st_size < then.st_size else "longer"
            raise self._refused(f"it became {change} while it was read ({then.st_size:,} bytes, now {now.st_size:,})")
        if now.st_mtime_ns != then.st_mtime_ns:
            raise self._refused("it was written to while it was read")
        try:
            there = os.stat(self._path)
        except OSError:
            raise self._refused("it was deleted or renamed while it was read") from None
        if (there.st_dev, there.st_ino) != (then.st_dev, then.st_ino):
            raise self._refused("another file was put in its place while it was read")

    # ── Opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, path: Path) -> FileIO:
        try:
            there = os.stat(path)
            self._check_kind(path, there.st_mode)
            file = FileIO(path)
        except ValueError:
            raise self._refused("is not a path", "It has a NUL character") from None
        except FileNotFoundError:
            hint = "It is a link, and what it points to is not there" if path.is_symlink() else ""
            raise self._refused("there is no such file", hint) from None
        except PermissionError:
            raise self._refused("may not be read by this user", "Look at the rights of the file and of its folders") from None
        except OSError as error:
            raise self._refused(f"cannot be opened ({error.strerror})") from error
        opened = os.fstat(file.fileno())
        try:
            self._check_kind(path, opened.st_mode)  # again: by now the name may stand for something else
            if stat.S_ISREG(opened.st_mode) and _is_the_kernels(path, opened.st_dev):
                raise self._refused(*_KERNELS)
        except RecipientsUnreadable:
            file.close()
            raise
        if stat.S_ISREG(opened.st_mode):
            self._opened = opened
            self.fingerprint = Fingerprint(opened.st_size, opened.st_mtime_ns)
        return file

    def _check_kind(self, path: Path, mode: int) -> None:
        """Raises before anything is opened: of a device, that alone may start something."""
        if _below_kernels(os.path.abspath(path)):
            raise self._refused(*_KERNELS)
        if stat.S_ISDIR(mode):
            raise self._refused("is a folder", "Name a file in it")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise self._refused("is a device or a socket, not a file", "Right would be a file or a pipe")

    def _standard_input(self, given: BinaryIO | None) -> Callable[[int], bytes | None]:
        stdin = given if given is not None else getattr(sys.stdin, "buffer", None)
        if stdin is None or stdin.closed:
            raise self._refused("is closed", "Name a file, or pipe the recipients in")
        try:
            number = stdin.fileno()
            mode = os.fstat(number).st_mode
        except (OSError, ValueError):
            pass  # not of the operating system: a BytesIO, say
        else:
            if stat.S_ISDIR(mode) or stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not os.isatty(number)):
                raise self._refused("is a device or a folder", "Right would be a pipe, or a file after <")
        # What a pipe has now, rather than what was asked for: rows go on while the writer thinks.
        take: Callable[[int], bytes | None] = getattr(stdin, "read1", stdin.read)
        return take

    def _read(self, most: int) -> bytes:
        try:
            data = self._take(most)
        except OSError as error:
            raise RecipientsUnreadable(f"cannot be read any further ({error.strerror})") from error
        if data is None:
            raise RecipientsUnreadable("has nothing to read now, and does not wait", "Right would be a stream that blocks")
        return data

    def _refused(self, problem: str, hint: str = "") -> RecipientsUnreadable:
        return RecipientsUnreadable(problem, hint, source=self._name)

    # ── Formats ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _recognised(self) -> Rows:
        """What the first bytes say that the file is. Raises RecipientsUnreadable where that is nothing we read."""
        stream = _Peeking(self._read)
        if stream.peek(len(MAGIC)).startswith(MAGIC):
            stream = _Peeking(Gunzip(stream.read, self._limits).read)
            if stream.peek(len(MAGIC)).startswith(MAGIC):
                raise RecipientsUnreadable("is a gzip in a gzip", "Unpack it once")
        if stream.peek(len(_UTF8_BOM)).startswith(_UTF8_BOM):
            stream.read(len(_UTF8_BOM))
        stream.peek(_NULS)
        head = stream.peek_text()
        _refuse_others(head)
        text = head.lstrip(_BLANK)
        if not text and len(head) >= _HEAD:
            raise RecipientsUnreadable("has nothing but blank lines in its first 64 KiB", "Remove them")
        if _JSON_ARRAY.match(text):
            raise RecipientsUnreadable("is one JSON array", "Right would be an object on each line, as `jq -c '.[]'` writes them")
        newline = "\r" if b"\r" in head and b"\n" not in head else "\n"
        lines = segments(stream.read, newline.encode(), self._limits.longest_line)
        if text.startswith(b"{"):
            return NdjsonRows(lines, newline, self._limits)
        return CsvRows(lines, newline, _delimiter(text.partition(newline.encode())[0]), self._limits)


class _Peeking:
    """Bytes that can be looked at before they are read."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._head = b""
        self._ended = False

    def read(self, most: int) -> bytes:
        if self._head:
            data, self._head = self._head[:most], self._head[most:]
            return data
        return b"" if self._ended else self._read(most)

    def peek(self, least: int) -> bytes:
        """The next bytes: `least` of them or more, or all that there are."""
        while len(self._head) < least and self._more():
            pass
        return self._head

    def peek_text(self) -> bytes:
        """The next bytes up to 64 KiB: with the end of the first line that is not blank, where it lies among them."""
        while len(self._head) < _HEAD and b"\n" not in self._head.lstrip(_BLANK) and self._more():
            pass
        return self._head

    def _more(self) -> bool:
        data = self._read(_HEAD - len(self._head))
        self._head += data
        self._ended = not data
        return bool(data)


def _refuse_others(head: bytes) -> None:
    for begins, what, hint in _OTHERS:
        if head.startswith(begins):
            raise RecipientsUnreadable(what, hint)
    if head[_TAR_AT:].startswith(_TAR):
        raise RecipientsUnreadable("is a tar archive", "Unpack it: right would be one of the files in it")
    nuls = tuple(byte == 0 for byte in head[:_NULS])
    if nuls in _BY_NULS:
        raise RecipientsUnreadable(*_BY_NULS[nuls])


def _delimiter(header: bytes) -> str:
    """A header's delimiter: a comma, unless it has none and another one makes a column of it that is known."""
    if b"," not in header:
        for delimiter in ";\t":
            names = header.decode(errors="replace").split(delimiter)
            if len(names) > 1 and any(name.strip().strip('"') in LIST_OF for name in names):
                return delimiter
    return ","


# ── What the kernel shows as files ──────────────────────────────────────────────────────────────────────────────────────────────────

_KERNELS: Final = ("is not a file but what the kernel tells of itself", "Right would be a file or a pipe")
_KERNEL_FOLDERS: Final = ("/proc", "/sys")


def _is_the_kernels(path: Path, device: int) -> bool:
    """Also where it is linked or mounted elsewhere: such files hold environments and secrets, and have no size."""
    if _below_kernels(os.path.realpath(path)):
        return True
    return any(os.path.ismount(folder) and os.stat(folder).st_dev == device for folder in _KERNEL_FOLDERS)


def _below_kernels(path: str) -> bool:
    return path.startswith(tuple(f"{folder}/" for folder in _KERNEL_FOLDERS))


def _printable(path: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in path)
