"""From an intent as someone wrote it to an entry of the ledger."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from wooshq.ledger.entry import Entry
from wooshq.settings import Settings
from wooshq_schemas import Intent, IntentInvalid, Problem, parse_intent, parse_intent_json

IntentLike: TypeAlias = Intent | Mapping[str, Any] | str | bytes
"""An intent as a dict, as JSON text, or as the model."""


def intent_of(given: IntentLike, settings: Settings, *, now: datetime | None = None) -> Intent:
    """
    Check an intent.

    now: aware; a schedule must not lie before it (default: this machine's clock). Raises IntentInvalid with every problem.
    """
    if isinstance(given, Intent):
        given = json.loads(given.to_json())
    now = now or datetime.now(UTC)
    known, limit, table = settings.application, settings.list_limit, settings.platform_table
    if isinstance(given, (str, bytes)):
        if len(given) > settings.max_intent_bytes:
            raise too_large(len(given), settings)
        return parse_intent_json(given, now=now, application=known, list_limit=limit, platforms=table)
    return parse_intent(given, now=now, application=known, list_limit=limit, platforms=table)


def entry_of(intent: IntentLike, settings: Settings, *, now: datetime | None = None) -> Entry:
    """Check an intent and make it ready for the ledger; see `intent_of`."""
    return entry_of_model(intent_of(intent, settings, now=now), settings)


def entry_of_model(model: Intent, settings: Settings) -> Entry:
    """`entry_of` for an intent that is already checked."""
    body = model.to_json()
    if len(body) > settings.max_intent_bytes:
        raise too_large(len(body), settings)
    key = model.idempotency_key
    digest = _digest(body) if model.id is not None or key is not None else ""
    expires = model.expires_at_dt
    return Entry(
        intent_id=model.id or new_id(),
        body=body,
        lane=model.lane or "transactional",
        application=model.application or "",
        digest=digest,
        idempotency_key=key,
        expires_at_ms=None if expires is None else int(expires.timestamp() * 1000),
        ttl_ms=None if model.ttl_s is None else int(model.ttl_s * 1000),
    )


def too_large(size: int, settings: Settings) -> IntentInvalid:
    """The error for an intent above the size limit. size: bytes of JSON."""
    return IntentInvalid(
        (
            Problem(
                "",
                f"the intent is {size} bytes of JSON, and {settings.max_intent_bytes} are allowed",
                "Send attachments as links, use the fan-out for long lists, or raise WOOSHQ_MAX_INTENT_BYTES",
            ),
        )
    )


def _digest(body: str) -> str:
    """Digest of the intent without its id: two intents with the same digest ask for the same message."""
    fields = json.loads(body)
    fields.pop("id", None)
    return hashlib.blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=16).hexdigest()


class _Ids:
    """
    Makes UUIDs of version 7 (RFC 9562). They are ordered by time, so intents accepted together lie together.

    os.urandom is called once for 512 ids. Those made in the same ms rise, too (nearly all): then accept.lua need not give them different ranks.
    """

    def __init__(self) -> None:
        self._pool: deque[str] = deque()  # its `pop` never gives two threads the same part
        self._pid = 0

    def __call__(self) -> str:
        if self._pid != os.getpid():  # a forked child must not repeat its parent's ids
            self._pool, self._pid = deque(), os.getpid()
        try:
            rest = self._pool.pop()
        except IndexError:
            *more, rest = sorted(_random_parts(512), reverse=True)
            self._pool.extend(more)
        stamp = f"{time.time_ns() // 1_000_000:012x}"
        return f"{stamp[:8]}-{stamp[8:]}-{rest}"


def _random_parts(n: int) -> Iterator[str]:
    """What comes after the time in so many ids."""
    digits = os.urandom(10 * n).hex()
    for at in range(0, len(digits), 20):
        rest = digits[at : at + 20]
        yield f"7{rest[:3]}-{'89ab'[int(rest[3], 16) & 3]}{rest[4:7]}-{rest[7:19]}"


new_id = _Ids()
"""Returns a new intent id."""
