"""An intent on its way into the ledger."""

from __future__ import annotations

import string
import zlib
from dataclasses import dataclass
from typing import Final

from wooshq_schemas import MODEL_VERSION

_MOST_PACKED: Final = 2048
"""A longer body has a row with fields, see row.lua: a text is copied at each step."""
_LETTERS: Final = string.ascii_letters
"""A row that is one text has one of them behind its body, see row.lua."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger must know of an intent, and the intent's body, which it only keeps."""

    intent_id: str
    body: str
    lane: str
    application: str
    digest: str = ""
    """Of the body without its id. "" if the caller gave neither an id nor an idempotency key: then it cannot clash."""
    idempotency_key: str | None = None
    expires_at_ms: int | None = None
    ttl_ms: int | None = None
    trace: str = ""
    """The context of the producer's span, see `wooshq.tracing`; "" for none."""

    def as_text(self) -> str:
        """As accept.lua reads it."""
        ends = f"t{self.ttl_ms}" if self.ttl_ms is not None else "" if self.expires_at_ms is None else f"e{self.expires_at_ms}"
        is_line = self.body[-1:] == "}" and "\n" not in self.body
        fits = is_line and len(self.body) <= _MOST_PACKED and not self.trace
        flags = f"{ends}{'' if fits else 'h'}{'' if self.idempotency_key is None else 'i'}{self.trace and ' '}{self.trace}"
        return f"{flags}\n{self.lane}\n{self.application}\n{MODEL_VERSION}\n{self.digest}\n{self.body}{self._letter() if is_line else ''}"

    def _letter(self) -> str:
        """The same one each time that the intent is accepted."""
        return _LETTERS[zlib.crc32(self.intent_id.encode()) % len(_LETTERS)]
