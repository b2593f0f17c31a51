"""Edit what a replay will send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wooshq.errors import IntentInvalid, LetterUnknown, Problem
from wooshq.ledger.letters import LetterLedger
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters.find import show, text_or_none
from wooshq.settings import Settings
from wooshq_schemas import Intent, parse_intent_json


def edit(ledger: LetterLedger, settings: Settings, letter_id: str, patch: Mapping[str, Any]) -> Steps[tuple[Any, Any]]:
    """
    Change what a replay will send, by JSON merge patch (RFC 7396). (before, after): the intents.

    The result is validated whole. `id` and the lineage cannot be patched. Raises LetterUnknown, IntentInvalid (nothing changed).
    """
    if not isinstance(patch, Mapping):
        raise IntentInvalid([Problem("", "must be an object", "A merge patch names the fields that change")])
    forbidden = [name for name in ("id", "idempotency_key") if name in patch]
    if forbidden:
        raise IntentInvalid([Problem(name, "cannot be changed by an edit", "A replay gets an id of its own") for name in forbidden])
    letter = yield from show(ledger.keys, letter_id)
    kept = (yield Ask([("HGET", ledger.keys.letter(letter.id), "edited")]))[0]
    before = letter.intent if isinstance(letter.intent, dict) else {}
    after = merge(before, patch)
    body = checked({k: v for k, v in after.items() if k not in ("id", "idempotency_key")}, settings).to_json()
    answer = yield from ledger.edit(letter.id, body, seen=text_or_none(kept) or "")
    if answer == "gone":
        raise LetterUnknown("the letter was purged meanwhile")
    if answer != "edited":
        raise IntentInvalid([Problem("", f"the letter is {answer.removeprefix('taken ')}, so it cannot be edited now", "Look at it again")])
    return letter.intent, json.loads(body)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    out = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge(out.get(name), value)
    return out


def checked(data: Any, settings: Settings) -> Intent:
    """An intent that was stored, held against today's models. `now` is not given: a schedule in the past then means at once."""
    text = json.dumps(data, ensure_ascii=False)
    return parse_intent_json(text, application=settings.application, list_limit=settings.list_limit, platforms=settings.platform_table)
