"""An intent on its way into the ledger."""

from __future__ import annotations

from dataclasses import dataclass


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
