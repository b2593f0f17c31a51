"""Edit the intent that a replay will send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wooshq.errors import IntentInvalid, LetterUnknown, Problem
from wooshq.gates.who import said
from wooshq.ledger.letters import LetterLedger
from wooshq.ledger.replies import text_or_none
from wooshq.ledger.steps import Ask, Flow
from wooshq.letters.find import find_letter
from wooshq.settings import Settings
from wooshq_schemas import Intent, parse_intent
from wooshq_schemas.validation.json_text import loads

_OF_ONE_SENDING = ("id", "idempotency_key")


def edit_letter(
    ledger: LetterLedger, settings: Settings, letter_id: str, patch: Mapping[str, Any], why: str, by: str | None
) -> Flow[tuple[Any, Any]]:
    """See `DeadLetters.edit`."""
    why, who = said(why, by)
    if not isinstance(patch, Mapping):
        raise IntentInvalid([Problem("", "must be an object", "A merge patch names the fields that change")])
    forbidden = [name for name in _OF_ONE_SENDING if name in patch]
    if forbidden:
        raise IntentInvalid([Problem(name, "cannot be changed by an edit", "A replay gets its own id") for name in forbidden])
    letter = yield from find_letter(ledger.keys, letter_id)
    edited = (yield Ask([("HGET", ledger.keys.letter(letter.id), "edited")]))[0]
    before = letter.intent if isinstance(letter.intent, dict) else {}
    after = merge(before, patch)
    body = checked({name: value for name, value in after.items() if name not in _OF_ONE_SENDING}, settings).to_json()
    answer = yield from ledger.edit(letter.id, body, seen=text_or_none(edited) or "", why=why, by=who)
    if answer == "gone":
        raise LetterUnknown("the letter was deleted in the meantime, because WOOSHQ_DEAD_RETENTION_S was over")
    if answer != "edited":
        state = answer.removeprefix("taken ")
        raise IntentInvalid([Problem("", f"the letter is {state}, so it cannot be edited now", "See its state: wooshq dead show ID")])
    return letter.intent, json.loads(body)


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396)."""
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
    """
    Check a stored intent against today's models. Raises IntentInvalid.

    The schedule is not compared with the clock: a schedule in the past means "send at once".
    """
    return checked_values(as_read(data), settings)


def as_read(data: Any) -> Any:
    """Values that a program gave, as strictly as if they had been read from a text. Raises IntentInvalid."""
    try:
        return loads(json.dumps(data, ensure_ascii=False))
    except RecursionError:
        raise IntentInvalid([Problem("", "is nested too deeply", "Flatten it")]) from None
    except (TypeError, ValueError) as error:  # it contains itself, or something that JSON does not have
        if isinstance(error, IntentInvalid):
            raise
        raise IntentInvalid([Problem("", "has a value that JSON does not have", "Use texts, numbers, lists and objects")]) from None


def checked_values(data: Any, settings: Settings) -> Intent:
    """The same for values that `loads` gave: it refuses what JSON parsers disagree about, so they need not be written and read again."""
    return parse_intent(data, application=settings.application, list_limit=settings.list_limit, platforms=settings.platform_table)
