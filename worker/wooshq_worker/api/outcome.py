"""What a call brought back: an answer, or what broke instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

# ── What goes in: an answer, or what broke instead ──────────────────────────────────────────────────────────────────────────────────


class Broke(StrEnum):
    """What the transport did instead of bringing an answer. The comment says whether our bytes may have left."""

    REFUSED = "refused"  #: not left
    DNS = "dns"  #: not left
    CONNECT_FAILED = "connect_failed"  #: not left
    CONNECT_TIMEOUT = "connect_timeout"  #: not left
    TLS = "tls"  #: not left
    NOT_WRITTEN = "not_written"  #: not left: the connection out of the pool was gone before the first byte
    POOL = "pool"  #: not left: our own fault
    CLOSED = "closed"  #: not left: our own client was closed
    DISCONNECTED = "disconnected"  #: may have left
    RESET = "reset"  #: may have left
    SILENT = "silent"  #: may have left
    DEADLINE = "deadline"  #: may have left
    MALFORMED = "malformed"  #: may have left
    STRANGE = "strange"  #: may have left


NOT_LEFT: Final = frozenset(
    {Broke.REFUSED, Broke.DNS, Broke.CONNECT_FAILED, Broke.CONNECT_TIMEOUT, Broke.TLS, Broke.NOT_WRITTEN, Broke.POOL, Broke.CLOSED}
)


class Cut(StrEnum):
    """Why the body of an answer is not whole."""

    LIMIT = "limit"  #: longer than we read
    BROKEN = "broken"  #: the connection ended in the middle
    STALLED = "stalled"  #: silence in the middle
    DEADLINE = "deadline"  #: it dripped until the total deadline
    ENCODING = "encoding"  #: a Content-Encoding that is unknown to us or not what it says


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer of whoever answered: the API, or something before it.

    headers: lower-case name → every value given, in order; only the names in `HEADERS` are looked at.
    body: decompressed, at most `answer_limit_bytes`. cut: why it is not the whole body; None: it is.
    """

    status: int
    headers: Mapping[str, Sequence[str]]
    body: bytes
    cut: Cut | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """No answer. text: for a person, of the transport's own words, not yet scrubbed."""

    kind: Broke
    text: str = ""

    @property
    def may_have_left(self) -> bool:
        """Whether a byte of the request may have reached the other side."""
        return self.kind not in NOT_LEFT


Outcome: TypeAlias = Answer | Break

HEADERS: Final = frozenset({"retry-after", "date", "content-type", "location"})
