"""How is the text encoded? UTF-8 is read as it is. Others are converted to UTF-8, so that all that follows reads only one encoding."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Final

from wooshq.errors import Problem

NOT_TEXT: Final = re.compile("[\udc80-\udcff]")
"""The characters into which `lines` turns a byte that is not UTF-8 (Python's `surrogateescape`)."""

IS_NOT_UTF8: Final = Problem(
    "", "is not UTF-8", "Name the encoding of the file, such as --encoding cp1252 for a CSV of Excel, or save it as UTF-8"
)
IS_NOT_UTF16: Final = Problem("", "is not valid UTF-16", "The file is damaged or cut off: copy it again, or save it as UTF-8")

#: What stands for half of a 16-bit unit at the end. Like the UTF-8 form of a lone surrogate, it is not UTF-8, so the row is refused.
_HALF_A_UNIT: Final = b"\xff"


_KEEP_BYTES: Final = "wooshq.keep_bytes"


def _keep_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """
    Python's `surrogateescape`, but for every error. That one raises for an ASCII byte (such as the second of UTF-7's `+` and NUL) and for a
    lone surrogate of the encoding itself. Here an ASCII byte stays as it is, so that a line break still ends its row, and a byte that is
    not UTF-8 stands before it; a surrogate becomes bytes that are not UTF-8.
    """
    if isinstance(error, UnicodeDecodeError):
        text = error.object[error.start : error.end].decode("ascii", "surrogateescape")
        return text if NOT_TEXT.search(text) else "\udcff" + text, error.end
    if isinstance(error, UnicodeEncodeError):
        character = error.object[error.start]
        return character.encode("utf-8", "surrogateescape" if NOT_TEXT.match(character) else "surrogatepass"), error.start + 1
    raise error


codecs.register_error(_KEEP_BYTES, _keep_bytes)


def is_utf8(head: bytes) -> bool:
    """
    Whether the beginning of a text is UTF-8 and has characters that are not ASCII. Then it has no other encoding: in those, such bytes make
    hardly a word, and never all words. A character may be cut off at the end.
    """
    try:
        return not head.isascii() and bool(codecs.getincrementaldecoder("utf-8")().decode(head))
    except UnicodeDecodeError:
        return False


def is_not(encoding: str) -> Problem:
    """The problem of a row with bytes that a named encoding does not have."""
    return Problem("", f"has bytes that {encoding} does not have", "Name the encoding that the file has")


class Recoded:
    """The UTF-8 bytes of a text in another encoding. What the encoding does not have becomes bytes that are not UTF-8: then its row is bad, and no other."""

    def __init__(self, read: Callable[[int], bytes], codec: str) -> None:
        """read: gives at most so many bytes of the text, and none only at the end. codec: Python's name of the encoding."""
        self._read = read
        self._decoder = codecs.getincrementaldecoder(codec)(_KEEP_BYTES)
        self._ready = b""
        self._ended = False

    def read(self, most: int) -> bytes:
        """The next 1 to `most` bytes; none at the end."""
        while not self._ready and not self._ended:
            data = self._read(most)
            # One byte can become three, so what is more than `most` waits for the next call.
            self._ready = self._converted(data)
            if not data:
                self._ended = True
                self._ready += self._last()
        given, self._ready = self._ready[:most], self._ready[most:]
        return given

    def _converted(self, data: bytes) -> bytes:
        return self._decoder.decode(data).encode("utf-8", _KEEP_BYTES)

    def _last(self) -> bytes:
        """What the decoder still holds at the end: the beginning of a character."""
        return self._decoder.decode(b"", True).encode("utf-8", _KEEP_BYTES)


class Utf16(Recoded):
    """
    The UTF-8 bytes of a UTF-16 text. What is not valid UTF-16 (a lone surrogate, half a unit at the end) becomes bytes that are not UTF-8:
    then its row is bad, and no other.
    """

    def __init__(self, read: Callable[[int], bytes], codec: str) -> None:
        """read: gives at most so many bytes of the text, without its byte order mark, and none only at the end. codec: `utf-16-le` or `utf-16-be`."""
        super().__init__(read, codec)
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder(codec)("surrogatepass")

    def _converted(self, data: bytes) -> bytes:
        return _utf8(self._decoder.decode(data))

    def _last(self) -> bytes:
        """What the decoder still holds at the end: the first half of a surrogate pair, half a unit, or both."""
        pending, _ = self._decoder.getstate()
        whole = len(pending) // 2 * 2
        return _utf8(pending[:whole].decode(self._codec, "surrogatepass")) + (_HALF_A_UNIT if whole < len(pending) else b"")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
