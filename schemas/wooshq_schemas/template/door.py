"""How a template comes in: parsed and checked as the intent that it becomes for a recipient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from wooshq_schemas.intent.door import parse_intent
from wooshq_schemas.intent.exact_form import normal
from wooshq_schemas.intent.rules import moment
from wooshq_schemas.platforms import PLATFORMS, Platforms
from wooshq_schemas.recipient_lists import LISTS
from wooshq_schemas.template.addressing import INTENT_ONLY, addressed, unaddressed
from wooshq_schemas.template.model import ANY_RECIPIENT, Template
from wooshq_schemas.validation.json_text import read
from wooshq_schemas.validation.problem import IntentInvalid, Problem

_WHY_NOT: Final[Mapping[str, tuple[str, str]]] = {
    "id": ("is not allowed in a template: it identifies one intent", "Leave it out; the job gets an id"),
    "to": ("is not allowed in a template: recipients are given separately", "Leave it out; give the recipients as a file or an iterable"),
    "lane": ("is not allowed in a template: a fan-out always uses the bulk lane", "Leave it out"),
}
"""Field that a template cannot have → (problem, hint)."""


def parse_template(
    data: object, *, now: datetime | None = None, application: str | None = None, platforms: Platforms = PLATFORMS
) -> Template:
    """
    Check a template: an intent without `to`, in the plain form (`message`) or the exact form (a v2 body without recipients).

    Arguments: see `parse_intent`. Raises IntentInvalid with all problems.
    """
    if isinstance(data, (str, bytes)):
        data, doubts = read(data)
        if doubts:
            raise IntentInvalid(doubts)
    if not isinstance(data, Mapping):
        raise IntentInvalid([Problem("", "must be an object", "A template is an intent without to")])
    given = dict(data)
    if "request" in given:
        exact = normal(given["request"], platforms)
        if exact.problems:
            raise IntentInvalid(exact.problems)
        given["request"] = exact.body
    problems = [Problem(name, *_WHY_NOT[name]) for name in INTENT_ONLY if name in given]
    rest = {name: value for name, value in given.items() if name not in INTENT_ONLY}
    problems += _wrong_request(rest)
    problems += _expired(rest, now)
    try:
        intent = addressed(rest, "users", [ANY_RECIPIENT], {})
        checked = json.loads(parse_intent(intent, now=now, application=application, platforms=platforms).to_json())
    except IntentInvalid as error:
        raise IntentInvalid([*problems, *error.problems]) from None
    if problems:
        raise IntentInvalid(problems)
    return Template(unaddressed(checked), platforms=platforms)


def _expired(data: Mapping[str, Any], now: datetime | None) -> list[Problem]:
    """A single intent may come too late. For a fan-out whose time is over before it starts, somebody wrote the wrong time."""
    at = moment(data.get("expires_at"))
    if at is None or now is None or at > now:
        return []
    return [Problem("expires_at", "is in the past: nobody would be sent to", "Use a later time, or ttl_s")]


def _wrong_request(data: Mapping[str, Any]) -> list[Problem]:
    request = data.get("request")
    if not isinstance(request, dict):
        return []
    if "segment" in request:
        return [Problem("request.segment", "is not allowed in a template: a segment has its own recipients", "Send it as an intent")]
    inner = request.get("transactional")
    names = [name for name in LISTS if isinstance(inner, dict) and name in inner]
    return [Problem(f"request.transactional.{name}", *_WHY_NOT["to"]) for name in names]
