"""The limits of a recipients file: how large it, and a row of it, may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """
    These bound memory and time for any file. An honest file does not come near them.

    Python's `csv` has one more limit, `csv.field_size_limit()`: 131,072 characters a cell. It holds for the whole process, so it is not changed.
    """

    longest_line: int = 1 << 20
    """Bytes of a line as UTF-8, whatever the encoding of the file, and characters of a CSV row of several lines. A longer one is one bad row, and is skipped."""
    columns: int = 1_000
    """Cells of a CSV header, and keys of an NDJSON object."""
    read_again: int = 1 << 28
    """Characters, in all, that may be read again. The end of an open quote is searched for up to `longest_line`; then the lines are read as rows."""
    unpacked: int = 64 << 30
    """Bytes to which a gzip may expand."""
    ratio: int = 1_000
    """How many times its size a gzip may expand. (The most that gzip can do is 1,032, for one repeated byte.) It counts …"""
    ratio_from: int = 100 << 20
    """… once so many bytes have come out: a smaller gzip does no harm."""
