"""What comes in: a call brought an answer, or the transport broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias


class Broke(StrEnum):
    """How the transport broke. The comment says whether a byte of the request may have been sent."""

    REFUSED = "refused"  #: not sent
    DNS = "dns"  #: not sent
    CONNECT_FAILED = "connect_failed"  #: not sent
    CONNECT_TIMEOUT = "connect_timeout"  #: not sent
    TLS = "tls"  #: not sent
    NOT_WRITTEN = "not_written"  #: not sent: a kept connection closed before the first byte
    POOL = "pool"  #: not sent: a fault of this worker
    CLOSED = "closed"  #: not sent: this worker's client is closed
    DISCONNECTED = "disconnected"  #: may have been sent
    RESET = "reset"  #: may have been sent
    SILENT = "silent"  #: may have been sent
    DEADLINE = "deadline"  #: may have been sent
    MALFORMED = "malformed"  #: may have been sent
    STRANGE = "strange"  #: may have been sent


NOT_SENT: Final = frozenset(
    {Broke.REFUSED, Broke.DNS, Broke.CONNECT_FAILED, Broke.CONNECT_TIMEOUT, Broke.TLS, Broke.NOT_WRITTEN, Broke.POOL, Broke.CLOSED}
)


class Cut(StrEnum):
    """Why the body of an answer is incomplete."""

    LIMIT = "limit"  #: longer than wooshq reads
    BROKEN = "broken"  #: the connection ended inside the body
    STALLED = "stalled"  #: no further byte within the read timeout
    DEADLINE = "deadline"  #: bytes still came when the total timeout ended
    ENCODING = "encoding"  #: an unknown Content-Encoding, or the body does not match it


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer of the API, or of a server in front of it.

    headers: lower-case name → every value given, in order; only the names in `HEADERS`.
    body: decompressed, at most `answer_limit_bytes`. cut: why the body is incomplete; None if it is complete.
    """

    status: int
    headers: Mapping[str, Sequence[str]]
    body: bytes
    cut: Cut | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """No answer. text: the transport's own words, not yet scrubbed."""

    kind: Broke
    text: str = ""

    @property
    def may_have_been_sent(self) -> bool:
        """Whether a byte of the request may have reached the server."""
        return self.kind not in NOT_SENT


Outcome: TypeAlias = Answer | Break

HEADERS: Final = frozenset({"retry-after", "date", "content-type", "location"})
"""The headers of an answer that a verdict may depend on, or that its detail may show."""
