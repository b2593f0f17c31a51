"""One answer while it is read: bytes in, an outcome as soon as there is one. No I/O; `httptools` (llhttp) parses."""

from __future__ import annotations

from typing import Final

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from wooshq_worker.api.http1.body import Body
from wooshq_worker.api.outcome import HEADERS, Answer, Break, Broke, Cut

_HEAD_LIMIT: Final = 64 * 1024
"""Bytes of the head of an answer, with the interim answers before it."""
_HEADERS: Final = {name.encode(): name for name in HEADERS}


class _Stop(Exception):
    """Raised in a callback: the parser must not go on."""


class AnswerReader:
    """Made for each call, so that nothing of one answer can get into the next. The methods `on_…` are for the parser."""

    def __init__(self, limit_bytes: int) -> None:
        """limit_bytes: of the body, inflated."""
        self._limit = limit_bytes
        self._parser = HttpResponseParser(self)
        self._head_bytes = 0
        self._headers: dict[str, list[str]] = {}
        self._encodings: list[str] = []
        self._has_length = False
        self._status = 0
        self._is_interim = False
        self._is_complete = False
        self._body: Body | None = None  #: None until the head is complete
        self.may_be_kept = False  #: the answer is complete, nothing came after it, and its server keeps the connection open

    def feed(self, data: bytes) -> Answer | Break | None:
        """The next bytes. Returns the outcome; None if more must come. Not called again after an outcome."""
        fed_before = self._head_bytes
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:  # wooshq never asks for another protocol; the status shows it
            self.may_be_kept = False
        except HttpParserError as error:
            self.may_be_kept = False
            is_ours = isinstance(error, HttpParserCallbackError)
            if is_ours and not isinstance(error.__context__, _Stop):
                raise
            if not is_ours and not self._is_complete:
                return Break(Broke.MALFORMED, f"{type(error).__name__}: {error}") if self._body is None else self._so_far(Cut.BROKEN)
        if self._body is None:
            self._head_bytes = max(self._head_bytes, fed_before + len(data))  # also of a header that has not ended
            return Break(Broke.MALFORMED, f"a head of more than {_HEAD_LIMIT:,} bytes") if self._head_bytes > _HEAD_LIMIT else None
        return self._so_far(self._body.cut) if self._is_complete or self._body.cut else None

    def end(self, otherwise: Break) -> Answer | Break:
        """The outcome if the server closes the connection now, in good order. otherwise: if nothing of an answer counts yet."""
        if self._body is None:
            return otherwise
        if self._has_length:
            return self._so_far(Cut.BROKEN)
        self._body.end()  # a body without a length ends with the connection (RFC 9112, 6.3)
        return self._so_far(self._body.cut)

    def break_off(self, cut: Cut, otherwise: Break) -> Answer | Break:
        """The outcome if nothing more can come, or is waited for. otherwise: as above."""
        return otherwise if self._body is None else self._so_far(cut)

    def let_go(self) -> None:
        """Nothing more is fed. The parser holds its reader: otherwise only the garbage collector could free the two."""
        del self._parser

    def _so_far(self, cut: Cut | None) -> Answer:
        assert self._body is not None
        return Answer(self._status, self._headers, self._body.so_far(), cut)

    def on_message_begin(self) -> None:
        if self._is_complete:  # a second answer to one request
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._body is not None:  # a trailer
            return
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > _HEAD_LIMIT:
            raise _Stop
        name = name.lower()
        if name in _HEADERS:
            self._headers.setdefault(_HEADERS[name], []).append(value.decode("utf-8", "replace"))
        elif name == b"content-length" or (name == b"transfer-encoding" and value.lower().endswith(b"chunked")):
            self._has_length = True
        elif name == b"content-encoding":
            self._encodings += value.decode("ascii", "replace").lower().replace(",", " ").split()

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._is_interim = 100 <= self._status <= 199 and self._status != 101
        if not self._is_interim:
            self._body = Body([one for one in self._encodings if one != "identity"], self._limit)

    def on_body(self, part: bytes) -> None:
        assert self._body is not None
        self._body.add(part)
        if self._body.cut is not None:
            raise _Stop

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._headers.clear()
            self._encodings.clear()
            self._has_length = False
            return
        assert self._body is not None
        self._body.end()
        self._is_complete = True
        self.may_be_kept = self._body.cut is None and self._parser.should_keep_alive()
