"""
An intent that was sent, as the ledger's row says it, without anything unusual: nearly all are that, so the history has a shorter way for them.
Pure.

The longer way makes a `Record`, with everything that `status` shows, and packs it. Both ways give the same bytes, and a property holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wooshq.history.record import Record, intent_record
from wooshq.ledger.states import State
from wooshq.search.content import Content

_USUAL: Final = frozenset(
    (
        "state", "lane", "app", "at", "v", "digest", "expires", "body", "lease", "fence", "begun", "queued_at", "waited_ms", "failed_at", "rounds",
        "waits_for", "ended", "changed", "code", "n", "told",
    )
)  # fmt: skip
"""Fields of which nothing but what `SentIntent` has is kept. An attempt is `a:1` and so on."""
_NAMES: Final = 7
"""Of an attempt, see `as_kept`."""


@dataclass(frozen=True, slots=True)
class SentIntent:
    """row: of the ledger. attempts: as `as_kept` has written them, oldest first. Times are ms since the epoch; accepted_ms: 0 if unknown."""

    id: str
    row: Mapping[str, str]
    content: Content
    attempts: list[list[Any]]
    ended_ms: int
    changed_ms: int
    accepted_ms: int

    def record(self) -> Record:
        """The longer way."""
        return intent_record(self.id, self.row, changed_ms=self.changed_ms)


def sent_intent(intent_id: str, row: Mapping[str, str], *, changed_ms: int) -> SentIntent | None:
    """None if something of the row is unusual."""
    n = 0
    for name in row:
        if name not in _USUAL:
            if name[:2] != "a:":
                return None
            n += 1
    if row["state"] != State.SENT or n != int(row.get("n") or 0):
        return None
    attempts = []
    for i in range(1, n + 1):
        kept = json.loads(row.get(f"a:{i}", "null"))
        if not isinstance(kept, list) or not 0 < len(kept) <= _NAMES or (len(kept) == _NAMES and not isinstance(kept[-1], bool)):
            return None
        attempts.append(kept)
    times = [int(float(row.get(name) or 0)) for name in ("ended", "at")]
    return SentIntent(intent_id, row, Content(row.get("body", "")), attempts, times[0], changed_ms, times[1])
