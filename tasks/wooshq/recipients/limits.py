"""How much of a recipients file is taken before it, or a row of it, is refused?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What bounds memory and time, whoever wrote the file. Nobody's own file comes near any of these.

    Python's `csv` has one more, the same for the whole process, and it is left as it is: `csv.field_size_limit()`, 131,072 characters a cell.
    """

    longest_line: int = 1 << 20
    """Bytes of a line, and characters of a CSV row of several lines. What is longer is one bad row, and is passed over."""
    columns: int = 1_000
    """Cells of a CSV header, and keys of an NDJSON object."""
    read_again: int = 1 << 28
    """Characters, in all: a quote that is not closed is looked for up to `longest_line`, and the lines are then read again as rows."""
    unpacked: int = 64 << 30
    """Bytes that may come out of a gzip."""
    ratio: int = 1_000
    """Bytes that may come out of a gzip for each that went in (nothing packs better than 1:1,032, and only what says one thing) …"""
    ratio_from: int = 100 << 20
    """… once so many bytes have come out: what is smaller does no harm."""
