"""Signatures of webhooks after Standard Webhooks (standardwebhooks.com): secrets, and the headers of a delivery. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

BEGINS: Final = "whsec_"
_BYTES: Final = 32


def new_secret() -> str:
    """256 random bits in base64, after `BEGINS`."""
    return BEGINS + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def sign(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the signature. timestamp: of this delivery, seconds since the epoch."""
    key = base64.b64decode(secret.removeprefix(BEGINS))
    signed = hmac.new(key, b"%b.%d.%b" % (event_id.encode(), timestamp, body), hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def headers(keys: Sequence[str], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a delivery. keys: the secret; and the one before while it is rotated, so that a receiver may know either."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(key, event_id, timestamp, body) for key in keys),
    }
