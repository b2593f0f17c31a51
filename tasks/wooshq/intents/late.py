"""Intents that come into the ledger some time after they were enqueued: from an outbox, or from a spool."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from wooshq.ledger.entry import Entry

_MARGIN: Final = 0.1
"""A part of the time for which the ledger remembers ids: intents are parked so much earlier, because clocks differ."""
_DAY_MS: Final = 24 * 3600 * 1000


def why_parked(tried_ms: int, retention_s: float, *, what: str = "it") -> str | None:
    """
    Why nobody may move an intent any more: the ledger may have accepted it and forgotten its id since. None if it may be moved.

    tried_ms: how long ago it was first tried. what: what a person is to retry or discard.
    """
    kept_ms = retention_s * 1000
    if tried_ms < kept_ms * (1 - _MARGIN):
        return None
    return (
        f"It was first tried {tried_ms / _DAY_MS:.1f} days ago, and the ledger remembers ids for {kept_ms / _DAY_MS:.1f} days: it may have been "
        f"sent. Look whether the message arrived, then retry or discard {what}"
    )


TRIED_AGAIN: Final = "tried again by "
"""How the cause of such a doubt begins: the ledger has only the calls of the second time."""


def tried_again(by: str) -> str:
    """The cause of a doubt: somebody had an intent moved again that may have been sent, and been forgotten since."""
    return f"{TRIED_AGAIN}{' '.join(by.split())}, although it may have been sent before"


def with_rest_of_ttl(entry: Entry, waited_ms: int) -> Entry:
    """An intent's time to live began when it was enqueued, `waited_ms` ago."""
    if entry.ttl_ms is None:
        return entry
    return replace(entry, ttl_ms=max(1, entry.ttl_ms - max(0, waited_ms)))
