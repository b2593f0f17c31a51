"""Send again what was sent already: an operator's act, with its reason on record."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from wooshq.errors import IntentInvalid, Problem, WooshqError
from wooshq.gates.who import said
from wooshq.intents.entry import entry_of_model, new_id
from wooshq.ledger.intents import IntentLedger, read_rows, ring
from wooshq.ledger.states import State
from wooshq.ledger.steps import AskHistory, Flow, Ring, in_history
from wooshq.settings import Settings
from wooshq.tracing import accepting
from wooshq_schemas import MODEL_VERSION, NewerModel, parse_intent_json
from wooshq_schemas.intent.door import migrated
from wooshq_schemas.validation.json_text import loads

log = logging.getLogger("wooshq.resend")

_OF_ONE_SENDING = ("id", "idempotency_key")


def resend_intent(ledger: IntentLedger, settings: Settings, intent_id: str, why: str, by: str | None) -> Flow[str | None]:
    """See `Wooshq.resend`."""
    why, who = said(why, by)
    if not why.strip():
        raise ValueError("why: must say why it is sent again. The recipient may get it twice")
    found = yield from read_rows(ledger.keys, [intent_id])
    row, record = found.rows[0], None
    if not row:
        record = (yield from in_history([intent_id])).get(intent_id)
        row = {} if record is None else _row_of(record)
    if not row:
        return None
    _check_state(row["state"])
    try:
        data = migrated(loads(row["body"]), int(row.get("v") or 1))
    except NewerModel:
        raise _refused("was written by a newer version of wooshq", "Resend it with that version") from None
    if isinstance(data, dict):
        data = {name: value for name, value in data.items() if name not in _OF_ONE_SENDING}
    raw = json.dumps(data, ensure_ascii=False)
    intent = parse_intent_json(raw, application=settings.application, list_limit=settings.list_limit, platforms=settings.platform_table)
    expires = intent.expires_at_dt
    if expires is not None and expires <= datetime.fromtimestamp(found.now_ms / 1000, UTC):
        raise _refused("has expired, and nothing is sent after its expires_at", "Enqueue a new intent instead")
    with accepting(settings, intent.lane, after=row.get("traced", "")) as span:
        new = replace(entry_of_model(intent, settings), intent_id=new_id(), trace=span.trace)
        span.note(messaging_message_id=new.intent_id)
        answer = yield from ledger.resend(intent_id, new, why, who, was_sent=True)
    if answer == "gone":
        return None
    if answer != "resent":
        _check_state(answer)
    if record is not None:
        yield from _note_in_history(record, new.intent_id, found.now_ms)
    for lane in (yield from ring(ledger.keys, settings)):
        yield Ring(lane)
    return new.intent_id


def _row_of(record: Any) -> dict[str, str]:
    """State and body of an intent that has left the ledger. record: a `wooshq.history.record.Record`."""
    if record.state == State.SENT and not record.body:
        raise _refused("has left the ledger, and the history does not keep what was said", "Enqueue a new intent instead")
    return {"state": record.state, "body": record.body, "v": str(MODEL_VERSION)}


def _note_in_history(record: Any, new_id: str, now_ms: int) -> Flow[None]:
    """
    The record of what was sent says that it was sent again. It was: so a history that is away just now is no error. The new intent and the
    audit log say it, too.
    """
    replays = [*(record.shown.get("replays") or ()), new_id]
    changed = replace(record, changed_ms=max(now_ms, record.changed_ms + 1), shown={**record.shown, "replays": replays})
    try:
        yield AskHistory(lambda history: history.write([changed]))
    except WooshqError as error:
        log.warning("resend_not_in_history: %s was sent again as %s, and its record does not say so (%s)", record.id, new_id, error)


def _check_state(state: str) -> None:
    if state == State.DEAD:
        raise _refused("was not sent: it is a dead letter", "Use wooshq dead replay")
    if state != State.SENT:
        raise _refused(f"was not sent: it is {state}", "Only what was sent can be sent again")


def _refused(problem: str, hint: str) -> IntentInvalid:
    return IntentInvalid([Problem("", problem, hint)])
