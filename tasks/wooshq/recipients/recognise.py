"""Which format does a file have? Its first bytes tell, never its name: gzip or not, UTF-8 or UTF-16, NDJSON or CSV with its delimiter."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from typing import Final

from wooshq.errors import Problem, RecipientsUnreadable
from wooshq.recipients.csv import SEPARATOR_LINE, CsvRows
from wooshq.recipients.encoding import IS_NOT_UTF8, IS_NOT_UTF16, Recoded, Utf16, is_not, is_utf8
from wooshq.recipients.gunzip import MAGIC, Gunzip
from wooshq.recipients.limits import Limits
from wooshq.recipients.lines import Text, segments
from wooshq.recipients.ndjson import NdjsonRows
from wooshq.recipients.rows import Rows
from wooshq.recipients.sample import Sample
from wooshq_schemas.recipients.encoding import UTF8, UTF16, codec_of
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.rules import RowRules

#: The most bytes that are looked at to recognise a format.
_HEAD: Final = 1 << 16
_BLANK: Final = b" \t\r\n"
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_SAVE_AS_UTF8: Final = "Save it as UTF-8"
_DECOMPRESS_IT: Final = "Decompress it, or compress it with gzip instead"

#: How a file begins that cannot be read → what it is, and what to do. A longer beginning stands before a shorter one.
_OTHERS: Final = (
    (b"\xff\xfe\0\0", "is UTF-32", _SAVE_AS_UTF8),
    (b"\0\0\xfe\xff", "is UTF-32", _SAVE_AS_UTF8),
    (b"PK\x03\x04", "is a zip archive (an Excel workbook is one, too)", "Unpack it, or save the sheet as CSV (UTF-8)"),
    (b"PK\x05\x06", "is an empty zip archive", "Use a CSV or NDJSON file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel workbook", "Save the sheet as CSV (UTF-8)"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", _DECOMPRESS_IT),
    (b"\xfd7zXZ\0", "is compressed with xz", _DECOMPRESS_IT),
    (b"BZh", "is compressed with bzip2", _DECOMPRESS_IT),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _DECOMPRESS_IT),
    (b"PAR1", "is a Parquet file", "Export it as CSV or NDJSON"),
    (b"%PDF-", "is a PDF", "Use a CSV or NDJSON file"),
)
#: The bytes that tell the encoding.
_FIRST: Final = 4
_TAR_AT: Final = 257
_TAR: Final = b"ustar"
_DELIMITERS: Final = ",;\t|"
#: Which of the first four bytes are NUL → the codec of a UTF-16 text without a byte order mark. This guess is safe. As UTF-8, and in the
#: other byte order, no CSV header would have a known column and no NDJSON line would begin with "{": a wrong guess reads no recipient.
_UTF16_BY_NULS: Final[Mapping[tuple[bool, ...], str]] = {(False, True, False, True): "utf-16-le", (True, False, True, False): "utf-16-be"}
#: The same → what else it is, and what to do.
_OTHERS_BY_NULS: Final[Mapping[tuple[bool, ...], tuple[str, str]]] = {
    (False, True, True, True): ("is UTF-32", _SAVE_AS_UTF8),
    (True, True, True, False): ("is UTF-32", _SAVE_AS_UTF8),
    (True, True, True, True): ("begins with NUL bytes, so it is not text", "A crash may leave such a file: write it again"),
}
#: A UTF-16 that is named → its codec if nothing tells the order of its bytes.
_WITHOUT_MARK: Final[Mapping[str, str]] = {"utf-16": "utf-16-le", "utf-16-le": "utf-16-le", "utf-16-be": "utf-16-be"}
_JSON_ARRAY: Final = re.compile(rb"\[\s*(?:[\[{\"\]]|\Z)")


def rows_in(read: Callable[[int], bytes], limits: Limits, rules: RowRules, notes: Notes, sample: Sample | None = None) -> Rows:
    """
    The rows of a file, whatever its format is.

    read: gives at most so many bytes of the file, and none only at its end. notes: counts what is noted about rows. sample: chooses
    the lines that are read; None for all. Raises RecipientsUnreadable if the format cannot be read.
    """
    stream = _Peeking(read)
    if stream.peek(len(MAGIC)).startswith(MAGIC):
        stream = _Peeking(Gunzip(stream.read, limits).read)
        if stream.peek(len(MAGIC)).startswith(MAGIC):
            raise RecipientsUnreadable("is a gzip inside a gzip", "Decompress it once")
    _refuse_others(stream.peek_text())
    stream, is_not_text = _as_utf8(stream, codec_of(rules.encoding))
    head = stream.peek_text()
    begins = head.lstrip(_BLANK)
    if not begins and len(head) >= _HEAD:
        raise RecipientsUnreadable("has only blank lines in its first 64 KiB", "Remove them")
    if _JSON_ARRAY.match(begins):
        raise RecipientsUnreadable("is one JSON array", "Write one object on each line, as `jq -c '.[]'` does")
    newline = "\r" if b"\r" in head and b"\n" not in head else "\n"
    lines = segments(stream.read, newline.encode(), limits.longest_line)
    text = Text(lines if sample is None else sample.of(lines, newline), newline, is_not_text)
    if begins.startswith(b"{"):
        return NdjsonRows(text, limits, rules, notes)
    return CsvRows(text, _delimiter(begins.partition(newline.encode())[0], rules.known), limits, rules, notes)


class _Peeking:
    """A stream of bytes that can be looked at before they are read."""

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
        """The next bytes: at least `least`, or all that are left."""
        while len(self._head) < least and self._more():
            pass
        return self._head

    def peek_text(self) -> bytes:
        """The next bytes, up to the end of the first line that is not blank, but at most 64 KiB of them."""
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
        raise RecipientsUnreadable("is a tar archive", "Unpack it, and use one of the files in it")


def _as_utf8(stream: _Peeking, named: str | None) -> tuple[_Peeking, Problem]:
    """
    The text as UTF-8, without its byte order mark, and the problem of a row with bytes that its encoding does not allow.

    named: the codec that the user named; None if none was. Raises RecipientsUnreadable for a byte order mark of another one.
    """
    head = stream.peek(_FIRST)
    if head.startswith(_UTF8_MARK):
        _check(named, UTF8, "UTF-8")
        stream.read(len(_UTF8_MARK))
        return stream, IS_NOT_UTF8
    if codec := _UTF16_MARKS.get(head[:2]):
        _check(named, UTF16, "UTF-16")
        stream.read(2)
        return _Peeking(Utf16(stream.read, codec).read), IS_NOT_UTF16
    if named is not None and named not in UTF16:
        if named in UTF8:
            return stream, IS_NOT_UTF8
        if is_utf8(stream.peek(_HEAD)):
            raise RecipientsUnreadable(f"is UTF-8, so it is not {named}", f"Name no encoding. If it is {named}, convert it to UTF-8")
        return _Peeking(Recoded(stream.read, named).read), is_not(named)
    nuls = tuple(byte == 0 for byte in head[:_FIRST])
    if nuls in _OTHERS_BY_NULS:
        raise RecipientsUnreadable(*_OTHERS_BY_NULS[nuls])
    codec = _UTF16_BY_NULS.get(nuls, _WITHOUT_MARK.get(named or ""))
    return (stream, IS_NOT_UTF8) if codec is None else (_Peeking(Utf16(stream.read, codec).read), IS_NOT_UTF16)


def _check(named: str | None, those: frozenset[str], mark: str) -> None:
    if named is not None and named not in those:
        raise RecipientsUnreadable(f"begins with the byte order mark of {mark}, so it is not {named}", "Name no encoding")


def _delimiter(header: bytes, known: frozenset[str]) -> str:
    """
    The delimiter of a file: what its separator line says, otherwise the first that makes a known column of the header, otherwise the one
    that makes most columns.
    """
    line = header.decode(errors="replace")
    if separator := SEPARATOR_LINE.fullmatch(line):
        return separator[1]
    by_delimiter = {delimiter: _names(line, delimiter) for delimiter in _DELIMITERS}
    with_known = (delimiter for delimiter, names in by_delimiter.items() if not known.isdisjoint(names))
    return next(with_known, max(by_delimiter, key=lambda delimiter: len(by_delimiter[delimiter])))


def _names(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), ())]
    except csv.Error:
        return []  # the reader of the rows says what is wrong
