"""A row of the outbox, as an app inserts it: an intent that is checked, with an id of its own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from wooshq.intents.entry import IntentLike, intent_of, new_id, too_large
from wooshq.ledger.steps import as_json
from wooshq.outbox.table import RowState
from wooshq.settings import Settings
from wooshq.tracing import NOT_SAMPLED, accepting

_TRACE: Final = re.compile(rf"\n({NOT_SAMPLED}|00-[0-9a-f]{{32}}-[0-9a-f]{{16}}-[0-9a-f]{{2}}(?: [^\n]*)?)\Z")
_in_ascii: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class NewRow:
    """What a new row has of its own."""

    id: str
    body: str
    created_at: int

    def values(self) -> dict[str, Any]:
        """Column → value. Those with a default are named, too: Django's migrations make columns without one."""
        return {**asdict(self), "claimed_until": 0, "tries": 0, "state": RowState.WAITING.value}


def new_row(intent: IntentLike, settings: Settings) -> NewRow:
    """
    Check an intent as `enqueue` does, and make its row. Raises IntentInvalid with every problem, before anything is inserted.

    An intent without an id gets one here: the relay enqueues it under this id, so a row that is moved twice is one message.
    """
    model = intent_of(intent, settings)
    known = model.id or new_id()
    body = body_of({**json.loads(model.to_json()), "id": known}, settings)
    with accepting(settings, model.lane or "transactional") as span:
        if span.trace:
            span.note(messaging_message_id=known)
        return NewRow(known, traced(body, span.trace), time.time_ns() // 1_000_000)


def traced(body: str, trace: str) -> str:
    """
    The body of a row with the context of the span in which it was enqueued, as a line of its own behind the JSON: a column more would be
    missing in the tables that apps have. trace: '' for none.
    """
    return f"{body}\n{trace}" if trace else body


def parts_of(stored: str) -> tuple[str, str]:
    """The JSON of a row's intent, and the context of its span; '' for none."""
    found = _TRACE.search(stored)
    return (stored, "") if found is None else (stored[: found.start()], found[1])


def body_of(fields: Mapping[str, Any], settings: Settings) -> str:
    """
    The JSON of an intent, for its row. Raises IntentInvalid if it is too large.

    It is ASCII, because a database with an older character set refuses emoji, and with them the whole transaction. Only an intent that would
    become too large by this is kept as it is.
    """
    plain = as_json(fields)
    if (size := len(plain.encode())) > settings.max_intent_bytes:
        raise too_large(size, settings)
    escaped = _in_ascii(fields)
    return escaped if len(escaped) <= settings.max_intent_bytes else plain
