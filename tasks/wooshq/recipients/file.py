"""A file or a stream of recipients: read row by row, once, with a check that the file did not change meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.limits import Limits
from wooshq.recipients.opening import open_file, standard_input
from wooshq.recipients.recognise import rows_in
from wooshq.recipients.rows import BadRow, Rows
from wooshq.recipients.sample import Sample
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.recipient import Recipient
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules

__all__ = ["BadRow", "Fingerprint", "Limits", "RecipientsFile"]

_LEAVE_IT: Final = "Use a file that nothing changes while it is read"
_CHECK_IT: Final = "Check the disk or the pipe, and start again"
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """How a file was when its job began: the same tells that it is the same file. size: bytes on the disk. mtime_ns: since the epoch."""

    size: int
    mtime_ns: int

    def as_text(self) -> str:
        return f"{self.size}:{self.mtime_ns}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises ValueError if `as_text` did not make the text."""
        size, mtime_ns = text.split(":")
        return cls(int(size), int(mtime_ns))


class RecipientsFile:
    """
    The recipients of a file or a stream, in order, each read once. A context manager, because the file is open from the beginning.

    The first bytes tell the format; the name does not matter. gzip is decompressed (several members, but no gzip inside a gzip). If the
    first character that is not blank is "{", the text is NDJSON; otherwise it is CSV, with semicolons or tabs if the header has no comma.
    Text is UTF-8 or UTF-16, with or without a byte order mark. Lines end in LF or CR LF; or in CR, as old Macs write it, if the first 64 KiB have no LF.
    """

    fingerprint: Fingerprint | None
    """None for a stream (a pipe, or any standard input): it cannot be opened again."""

    def __init__(self, path: Path | str | None, *, stdin: BinaryIO | None = None, limits: Limits = Limits()) -> None:  # noqa: B008 (frozen)
        """
        path: None or "-" for standard input. stdin: read instead of this process's own standard input.

        A named pipe waits for its writer. Raises RecipientsUnreadable if there is no such file, if it cannot be read, or if it is a
        folder, a device or a kernel file (below /proc or /sys, also through a link).
        """
        self._limits = limits
        self._path = None if path is None or str(path) == "-" else Path(path)
        self.name = "standard input" if self._path is None else _printable(str(self._path))
        """What errors call it."""
        self._file: FileIO | None = None
        self._rows: Rows | None = None
        self._opened: os.stat_result | None = None
        self._digest: str | None = None
        self.fingerprint = None
        self.read_as = ALL_COLUMNS
        """The rules for `iter`. `fan_out` sets them before it begins to read."""
        self.notes = Notes()
        """What was noted about the rows that `rows` gave so far."""
        try:
            self._take = self._open(self._path, stdin)
        except RecipientsUnreadable as error:
            error.source = self.name
            raise

    def _open(self, path: Path | None, stdin: BinaryIO | None) -> Callable[[int], bytes | None]:
        if path is None:
            return standard_input(stdin)
        self._file = open_file(path)
        opened = os.fstat(self._file.fileno())
        if stat.S_ISREG(opened.st_mode):
            self._opened = opened
            self.fingerprint = Fingerprint(opened.st_size, opened.st_mtime_ns)
        return self._file.read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Standard input stays open: the caller owns it."""
        if self._file is not None:
            self._file.close()

    @property
    def lines_read(self) -> int:
        """Lines of the decompressed text, up to the end of the row that `rows` gave last. At the end: all lines."""
        return self._rows.lines_read if self._rows is not None else 0

    @property
    def digest(self) -> str | None:
        """
        What the file contains (BLAKE2b of its bytes, 128 bits). None for a stream. The first call reads the whole file, about 1 s a GB.

        `check_unchanged` then compares contents too. Raises RecipientsUnreadable if reading fails, or if the file changed since it was opened.
        """
        if self._digest is None and self._opened is not None and self._file is not None:
            digest = self._digest_of(self._file.fileno())
            now = os.fstat(self._file.fileno())
            if (now.st_size, now.st_mtime_ns) != (self._opened.st_size, self._opened.st_mtime_ns):
                raise self._changed("it was written to while it was read")
            self._digest = digest
        return self._digest

    def __iter__(self) -> Iterator[Recipient | BadRow]:
        """`rows` by `read_as`, and `check_unchanged` at their end."""
        yield from self.rows(self.read_as)
        self.check_unchanged()

    def rows(self, rules: RowRules = ALL_COLUMNS) -> Iterator[Recipient | BadRow]:
        """
        The rows, as they are read. Blank rows are skipped; an empty file, or a header alone, has no rows. Can be called once.

        rules: how a row becomes a recipient.

        Raises RecipientsUnreadable, with the line where reading stopped, if the file as a whole cannot be used: before the first row, or
        after the rows that were complete. After this error, and after an error of `check_unchanged`, the rows given are not all rows.
        """
        if self._rows is not None:
            raise ValueError("the rows of a RecipientsFile can be read once; open the file again")
        try:
            self._rows = rows_in(self._read, self._limits, rules, self.notes)
            yield from self._rows
        except RecipientsUnreadable as error:
            error.source = self.name
            if error.line is None and self.lines_read:
                error.line = self.lines_read + 1
            raise

    def sampled(self, sample: Sample, rules: RowRules = ALL_COLUMNS, notes: Notes | None = None) -> Iterator[Recipient | BadRow]:
        """
        The rows of a sample of a regular file, to look at it before it is used. `rows` gives all of them afterwards.

        The line of a bad row is 0 if a part of the text before it was left out. The whole file is read, so a damaged one is noticed. Raises
        ValueError for a stream, otherwise as `rows` does.
        """
        if self._file is None or self._opened is None:
            raise ValueError("a stream cannot be looked at before it is read")
        rows: Rows | None = None
        try:
            rows = rows_in(self._from_the_beginning(self._file.fileno()), self._limits, rules, notes or Notes(), sample)
            for row in rows:
                yield replace(row, line=0) if isinstance(row, BadRow) and not sample.is_whole else row
        except RecipientsUnreadable as error:
            error.source = self.name
            if error.line is None and rows is not None and rows.lines_read and sample.is_whole:
                error.line = rows.lines_read + 1
            raise

    def _from_the_beginning(self, number: int) -> Callable[[int], bytes]:
        """Reads an open file without moving its position."""
        at = 0

        def read(most: int) -> bytes:
            nonlocal at
            try:
                data = os.pread(number, most, at)
            except OSError as error:
                raise RecipientsUnreadable(f"reading failed ({error.strerror})", _CHECK_IT) from error
            at += len(data)
            return data

        return read

    def check_unchanged(self) -> None:
        """
        Raises RecipientsUnreadable if the regular file changed since it was opened, or if its path leads to another file now.

        If `digest` was read before, a file with the same content has not changed, whatever its time and its place on the disk. A stream
        cannot be checked. Two writes within one tick of the file system's clock (some ms), with the same size, are not noticed.
        """
        if self._opened is None or self._file is None or self._path is None:
            return
        then, now = self._opened, os.fstat(self._file.fileno())
        if now.st_size != then.st_size:
            change = "shorter" if now.st_size < then.st_size else "longer"
            raise self._changed(f"it became {change} while it was read ({then.st_size:,} bytes, now {now.st_size:,})")
        if now.st_mtime_ns != then.st_mtime_ns and not self._has_same_content(self._file.fileno()):
            raise self._changed("it was written to while it was read")
        try:
            there = os.stat(self._path)
        except OSError:
            raise self._changed("it was deleted or renamed while it was read") from None
        if (there.st_dev, there.st_ino) != (then.st_dev, then.st_ino) and not self._is_copy(self._path):
            raise self._changed("it was replaced by another file while it was read")

    def _is_copy(self, path: Path) -> bool:
        """Whether the file that is at the path now has the same content."""
        if self._digest is None:
            return False
        with open_file(path) as there:
            return self._has_same_content(there.fileno())

    def _has_same_content(self, number: int) -> bool:
        return self._digest is not None and self._digest_of(number) == self._digest

    def _digest_of(self, number: int) -> str:
        """number: of an open file. Its position does not move."""
        hashed = hashlib.blake2b(digest_size=16)
        read = self._from_the_beginning(number)
        try:
            while piece := read(_PIECE):
                hashed.update(piece)
        except RecipientsUnreadable as error:
            error.source = self.name
            raise
        return hashed.hexdigest()

    def _changed(self, problem: str) -> RecipientsUnreadable:
        return RecipientsUnreadable(problem, _LEAVE_IT, source=self.name)

    def _read(self, most: int) -> bytes:
        try:
            data = self._take(most)
        except OSError as error:
            raise RecipientsUnreadable(f"reading failed ({error.strerror})", _CHECK_IT) from error
        if data is None:
            raise RecipientsUnreadable("is not blocking, and has no data now", "Use a stream that blocks")
        return data


def _printable(path: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in path)
