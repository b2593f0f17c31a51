"""Read NDJSON: one intent per line, each with its line number and its size, in bounded memory."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from wooshq_schemas import Problem

File = Annotated[Path | None, typer.Argument(metavar="FILE", help="NDJSON file, one intent per line. Default, or -: standard input.")]

#: Most bytes of lines to hold at once.
_MOST_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class InputLine:
    """One line that is not blank. raw: without the line end; None if it is longer than an intent may be. size: its length in bytes."""

    number: int
    raw: bytes | None
    size: int


class PrettyPrinted(Exception):
    """The input is one JSON text on several lines, not one intent per line. number: its first line."""

    def __init__(self, number: int, *, is_list: bool) -> None:
        self.number = number
        self.problem = Problem(
            "",
            "is a JSON text on several lines",
            f"Write one intent per line: {'jq -c .[] FILE' if is_list else 'jq -c . FILE'}",
        )
        super().__init__(str(self.problem))


def read_lines(file: Path | None, limit: int) -> Iterator[InputLine]:
    """
    The lines of a file (None or `-`: standard input). limit: the largest intent, in bytes; a longer line is read past, not held.

    Raises PrettyPrinted if the first two lines are the beginning of one JSON text.
    """
    lines = _lines(sys.stdin.buffer if file is None or str(file) == "-" else _open(file), limit)
    first = next(lines, None)
    if first is None:
        return
    if first.raw is not None and _may_continue(first.raw):
        second = next(lines, None)
        if second is not None and not _is_object(second.raw):
            raise PrettyPrinted(first.number, is_list=first.raw.lstrip().startswith(b"["))
        lines = itertools.chain([] if second is None else [second], lines)
    yield first
    yield from lines


def in_batches(lines: Iterable[InputLine], most: int) -> Iterator[list[InputLine]]:
    """Lists of at most `most` lines, and of not much more than 16 MB."""
    batch: list[InputLine] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line.raw or b"")
        if len(batch) >= most or size >= _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _lines(stream: BinaryIO, limit: int) -> Iterator[InputLine]:
    for number in itertools.count(1):
        raw = stream.readline(limit + 2)
        if not raw:
            return
        size = len(raw.rstrip(b"\r\n"))
        if not raw.endswith(b"\n") and len(raw) > limit:
            while rest := stream.readline(1 << 20):
                size += len(rest.rstrip(b"\r\n"))
                if rest.endswith(b"\n"):
                    break
        if size > limit:
            yield InputLine(number, None, size)
        elif raw.strip():
            yield InputLine(number, raw.rstrip(b"\r\n"), size)


def _open(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None


def _may_continue(raw: bytes) -> bool:
    """Whether the next line may continue the JSON text of this one."""
    text = raw.strip()
    return text[:1] in (b"{", b"[") and text[-1:] in (b"{", b"[", b",", b":")


def _is_object(raw: bytes | None) -> bool:
    try:
        return isinstance(json.loads(raw or b""), dict)
    except (ValueError, RecursionError):
        return False
