"""An intent that was put away before it came into the ledger, and that an operator changes: in an outbox, or in a spool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from wooshq.intents.entry import IntentLike, entry_of
from wooshq.ledger.entry import Entry
from wooshq.settings import Settings
from wooshq_schemas import IntentInvalid, Problem

CHANGED: Final = "changed since it was refused, and not tried again yet"
"""The reason of an intent that was changed, instead of the reason why it was refused."""
UNCHANGED: Final = "It was not changed since it was refused: it will be set aside again, unless the cause is gone."
"""What a person is told who tries a refused intent again as it is."""


def edited_entry(given: IntentLike, intent_id: str, settings: Settings, *, mark: str) -> Entry:
    """
    Check what an operator gives instead of the intent `intent_id`. The id stays.

    given: the intent, or what `show` prints, with its `intent` changed. mark: a field that only what `show` prints has. A schedule is checked
    as of now. Raises IntentInvalid.
    """
    fields = json.loads(entry_of(_intent_in(given, intent_id, mark), settings).body)
    if fields.get("id") not in (None, intent_id):
        raise _another(intent_id)
    return entry_of({**fields, "id": intent_id}, settings)


def _intent_in(given: IntentLike, intent_id: str, mark: str) -> IntentLike:
    """The intent of what `show` prints. Everything else is returned as it is, and checked by others."""
    fields: Any = given
    if isinstance(given, (str, bytes)):
        try:
            fields = json.loads(given)
        except (ValueError, RecursionError):
            return given
    if not isinstance(fields, Mapping) or "intent" not in fields or mark not in fields:
        return given
    if fields.get("id") != intent_id:
        raise _another(intent_id)
    inner = fields["intent"]
    if not isinstance(inner, Mapping):
        raise IntentInvalid((Problem("intent", "is not an object", "Put the whole intent there, or give only the intent"),))
    return inner


def _another(intent_id: str) -> IntentInvalid:
    return IntentInvalid((Problem("id", "is the id of another intent", f"Give {intent_id} its own intent, or enqueue the other one"),))
