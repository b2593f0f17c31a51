"""
An intent that was sent, as the ledger's row says it, without anything unusual: nearly all are that, so the history has a shorter way for them.
Pure.

The longer way makes a `Record`, with everything that `status` shows, and packs it. Both ways give the same bytes, and a property holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wooshq.history.record import Record, intent_record
from wooshq.ledger.replies import as_row, without_letter
from wooshq.ledger.states import State
from wooshq.search.content import Content, read_json

_USUAL: Final = frozenset(
    (
        "state", "lane", "app", "at", "v", "digest", "expires", "body", "lease", "fence", "begun", "queued_at", "waited_ms", "failed_at", "rounds",
        "waits_for", "ended", "changed", "code", "n", "told",
    )
)  # fmt: skip
"""Fields of which nothing but what `SentIntent` has is kept. An attempt is `a:1` and so on."""
_NAMES: Final = 7
"""Of an attempt, see `as_kept`."""


@dataclass(slots=True)
class SentIntent:
    """
    kept: the ledger's row, as fields or as one text. attempts: as `as_kept` has written them, oldest first. code: of the message. Times are ms since
    the epoch; accepted_ms: 0 if unknown.
    """

    id: str
    kept: Mapping[str, str] | str
    body: str
    content: Content
    attempts: list[list[Any]]
    ended_ms: int
    changed_ms: int
    accepted_ms: int
    app: str
    lane: str
    code: str
    campaign: str

    def record(self) -> Record:
        """The longer way."""
        row = as_row([self.kept]) if isinstance(self.kept, str) else self.kept
        return intent_record(self.id, row, changed_ms=self.changed_ms)


def sent_in_text(intent_id: str, row: str) -> SentIntent | None:
    """Of a row that is one text, see row.lua. None if it was not sent, or if something of it is unusual."""
    moments, lane, app, _, _, body, *last = row.split("\n", 6)
    if not last:
        return None
    _, _, *sent = last[0].split(" ", 4)
    if not sent:
        return None
    ended, code, attempt = sent
    if not _is_usual(kept := read_json(attempt)):
        return None
    ended_ms = int(ended)
    body = without_letter(body)
    content = Content(body)
    accepted_ms = int(moments.partition(" ")[0])
    campaign = content.campaign or ""
    return SentIntent(intent_id, row, body, content, [kept], ended_ms, ended_ms, accepted_ms, app, lane, code, campaign)


def sent_intent(intent_id: str, row: Mapping[str, str], *, changed_ms: int) -> SentIntent | None:
    """Of a row that has fields. None if something of it is unusual."""
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
        kept = read_json(row.get(f"a:{i}", "null"))
        if not _is_usual(kept):
            return None
        attempts.append(kept)
    ended_ms, accepted_ms = (int(float(row.get(name) or 0)) for name in ("ended", "at"))
    content = Content(row.get("body", ""))
    return SentIntent(
        intent_id, row, row.get("body", ""), content, attempts, ended_ms, changed_ms, accepted_ms,
        row.get("app", ""), row.get("lane", ""), row.get("code", ""), content.campaign or row.get("campaign", ""),
    )  # fmt: skip


def _is_usual(attempt: Any) -> bool:
    return isinstance(attempt, list) and 0 < len(attempt) <= _NAMES and (len(attempt) < _NAMES or isinstance(attempt[-1], bool))
