"""How the tests read recipients: files and streams with any content, and their rows in short."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.file import BadRow, Limits, RecipientsFile
from wooshq_schemas import Recipient
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules

MIB = 1 << 20
BOM = b"\xef\xbb\xbf"

NORMAL = Limits()

Row = Recipient | BadRow


def a_file(folder: Path, content: bytes, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def rows_in(path: Path, limits: Limits = NORMAL) -> list[Row]:
    with RecipientsFile(path, limits=limits) as file:
        return list(file.rows())


class Stream(io.RawIOBase):
    """Standard input that gives its pieces one by one, as a pipe does."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        data, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def a_stream(stdin: io.RawIOBase, limits: Limits = NORMAL) -> RecipientsFile:
    return RecipientsFile(None, stdin=cast(BinaryIO, stdin), limits=limits)


def until_it_breaks(
    content: bytes, limits: Limits = NORMAL, *, pieces_of: int = MIB, rules: RowRules = ALL_COLUMNS
) -> tuple[list[Row], RecipientsUnreadable | None]:
    """The rows of some content, and the error that ended them."""
    rows: list[Row] = []
    pieces = (content[at : at + pieces_of] for at in range(0, len(content), pieces_of))
    with a_stream(Stream(pieces), limits) as file:
        try:
            rows.extend(file.rows(rules))
        except RecipientsUnreadable as error:
            return rows, error
    return rows, None


def rows_of(content: bytes, limits: Limits = NORMAL, *, pieces_of: int = MIB, rules: RowRules = ALL_COLUMNS) -> list[Row]:
    rows, error = until_it_breaks(content, limits, pieces_of=pieces_of, rules=rules)
    assert error is None
    return rows


def refusal_of(content: bytes, limits: Limits = NORMAL) -> str:
    """Why some content is refused before its first row."""
    rows, error = until_it_breaks(content, limits)
    assert rows == []
    assert error is not None
    return str(error)


def in_short(rows: list[Row]) -> list[str]:
    """Each row in short: the recipient's identifier, or the bad row's line and problems."""
    return [f"{row.line}: " + " ".join(map(str, row.problems)) if isinstance(row, BadRow) else row.identifier for row in rows]


def writing(path: Path | int, *pieces: bytes, wait_for: threading.Event | None = None) -> threading.Thread:
    """A thread that writes all pieces but the last into a pipe, and the last one when the event is set."""

    def write() -> None:
        with open(path, "wb", buffering=0) as pipe:
            for piece in pieces[:-1]:
                pipe.write(piece)
            if wait_for is not None:
                assert wait_for.wait(60)
            pipe.write(pieces[-1])

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread
