"""The body of an answer while it is read: bounded, inflated if it is compressed, and of use even if it breaks off."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from wooshq_worker.api.outcome import Cut


class Body:
    """
    Add its parts as they come. `cut` says why nothing more should be read; None while all is well.

    encodings: of its Content-Encoding, lower case, without `identity`.
    """

    def __init__(self, encodings: Sequence[str], limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._received = 0
        self._inflate = None
        self.cut: Cut | None = None
        if encodings:
            if len(encodings) == 1 and encodings[0] in ("gzip", "x-gzip", "deflate"):
                self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, recognised by the first bytes
            else:
                self.cut = Cut.ENCODING  # br, zstd: wooshq never asks for them

    def add(self, part: bytes) -> None:
        """Nothing is kept beyond the limit, however large a compressed body would become."""
        if self._inflate is not None:
            self._received += len(part)
            try:
                part = self._inflate.decompress(part, self._limit + 1 - self._size)
            except zlib.error:
                self.cut = Cut.ENCODING
                return
        room = self._limit - self._size
        if len(part) > room or self._received > self._limit:
            part = part[:room]
            self.cut = Cut.LIMIT
        self._parts.append(part)
        self._size += len(part)

    def end(self) -> None:
        """The whole body was received."""
        if self._inflate is not None and not self._inflate.eof and self.cut is None:
            self.cut = Cut.ENCODING

    def so_far(self) -> bytes:
        """What was read, inflated."""
        return b"".join(self._parts)
