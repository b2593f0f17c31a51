"""From rows of the ledger to what the history keeps of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from wooshq.history.record import Record, intent_record, job_record, letter_record
from wooshq.history.sent import SentIntent, sent_in_text, sent_intent
from wooshq.intents.schedule import held_by_pushwoosh, schedule_in
from wooshq.ledger.replies import as_row
from wooshq.ledger.states import FINAL, LetterState, State
from wooshq_worker.keeper.history.ledger import Ended, Kept

_LATE_MS: Final = 60_000
"""A message that Pushwoosh holds can be cancelled until then, by the clock of whoever asks."""


def record_of(ended: Ended, rows: Sequence[Mapping[str, str] | str]) -> tuple[Record | SentIntent, Kept] | None:
    """The record of one end, and what the ledger is told about it. None if the row is gone or has not ended. rows: as `EventLedger.read` gives them."""
    if isinstance(rows[0], str) and (short := sent_in_text(ended.id, rows[0])) is not None:  # nearly always
        return short, Kept(ended, str(short.ended_ms), _held_until(short.body, short.ended_ms))
    row, *others = (as_row([one]) if isinstance(one, str) else one for one in rows)
    changed = row.get("changed") or row.get("ended") or row.get("filed")
    if not row or changed is None:
        return None
    changed_ms = int(float(changed))
    match ended.kind:
        case "job":
            return job_record(ended.id, row, changed_ms=changed_ms), Kept(ended, changed)
        case "letter":
            if row["state"] not in (LetterState.CLOSED, LetterState.DISCARDED):
                return None
            return letter_record(row, others, changed_ms=changed_ms), Kept(ended, changed)
        case _:
            if row["state"] not in FINAL:
                return None
            until_ms = _held_until(row.get("body", ""), int(float(row["ended"]))) if row["state"] == State.SENT else 0
            kept = Kept(ended, changed, until_ms)
            if (sent := sent_intent(ended.id, row, changed_ms=changed_ms)) is not None:
                return sent, kept
            doubts = row.get("causes", "").splitlines()
            return intent_record(ended.id, row, changed_ms=changed_ms, doubts=doubts), kept


def _held_until(body: str, ended_ms: int) -> int:
    """Until when the row of a message that was sent is needed because Pushwoosh holds it: `cancel` and `status` read it. 0 for all others."""
    if '"schedule"' not in body:
        return 0
    held = held_by_pushwoosh(schedule_in(json.loads(body)), ended_ms)
    return 0 if held is None else held.until_ms + _LATE_MS
