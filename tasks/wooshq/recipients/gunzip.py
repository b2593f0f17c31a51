"""Decompresses gzip in small pieces, with an error if the data is not complete or is a bomb."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.limits import Limits

MAGIC: Final = b"\x1f\x8b"

#: Compressed bytes read at once. Each new member copies the rest of them, and some gzips have very small members.
_PIECE: Final = 1 << 16
_GZIP_ONLY: Final = 31


class Gunzip:
    """
    The decompressed bytes of one or several gzip members, as `cat a.gz b.gz` makes them. Zeros after a member are the padding of a tape.

    Python's own gzip module does not say how many bytes went in. Without that, a bomb cannot be recognised by its ratio.
    """

    def __init__(self, read: Callable[[int], bytes], limits: Limits) -> None:
        """read: gives at most so many compressed bytes, and none only at their end."""
        self._read = read
        self._limits = limits
        self._member = zlib.decompressobj(_GZIP_ONLY)
        self._packed = b""
        self._taken = 0
        self._given = 0

    def read(self, most: int) -> bytes:
        """
        The next 1 to `most` bytes; none at the end.

        Raises RecipientsUnreadable if the gzip is cut off, damaged, followed by other data, or expands beyond the limits. The bytes given
        before are correct, but they are not all.
        """
        while True:
            if self._member.eof and not self._begin_next():
                return b""
            try:
                # Called even without new input: the decompressor may still hold output of earlier input.
                data = self._member.decompress(self._packed, most)
            except zlib.error as error:
                raise RecipientsUnreadable("the gzip is damaged here", "Compress the file again") from error
            self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if data:
                self._count(len(data))
                return data
            if not self._member.eof and not self._packed and not self._fill():
                hint = "It was not written or copied to its end: copy it or compress it again"
                raise RecipientsUnreadable("the gzip is cut off here", hint)

    def _begin_next(self) -> bool:
        """Begin the next member. False if there is none."""
        while not (rest := self._packed.lstrip(b"\0")):
            if not self._fill():
                return False
        self._packed = rest
        if len(rest) < len(MAGIC) and self._fill():
            self._packed = rest + self._packed
        if not self._packed.startswith(MAGIC):
            # It may be the rest of a member that lost its beginning. Its recipients must not be skipped silently.
            raise RecipientsUnreadable("data that is not gzip follows the gzip here", "Compress the file again")
        self._member = zlib.decompressobj(_GZIP_ONLY)
        return True

    def _fill(self) -> bool:
        self._packed = self._read(_PIECE)
        self._taken += len(self._packed)
        return bool(self._packed)

    def _count(self, given: int) -> None:
        self._given += given
        limits = self._limits
        if self._given > limits.unpacked:
            raise RecipientsUnreadable(f"the gzip expands to more than {limits.unpacked:,} bytes", "Split it into several files")
        if self._given > limits.ratio_from and self._given > limits.ratio * (self._taken - len(self._packed)):
            hint = "No list of recipients compresses so well. If this one does, decompress it first"
            raise RecipientsUnreadable(f"the gzip expands to more than {limits.ratio:,} times its size", hint)
