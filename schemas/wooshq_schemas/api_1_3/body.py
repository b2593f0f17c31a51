"""A whole `createMessage` body of API 1.3 as intents: one result for each entry of `notifications`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wooshq_schemas.api_1_3.notification import intents_of
from wooshq_schemas.api_1_3.reading import Reading
from wooshq_schemas.intent.door import parse_intent
from wooshq_schemas.platforms import PLATFORMS, Platforms
from wooshq_schemas.validation.problem import IntentInvalid, Problem

_ANY: Final = "XXXXX-XXXXX"
"""Stands for the application while an intent without one is checked: whoever sends it knows the application."""


@dataclass(frozen=True, slots=True)
class Converted:
    """
    What became of one entry, or of the fields around the entries (`number` is None).

    intents: valid, as `enqueue` takes them. notes: what has no equivalent in v2, or another meaning there. refused: why there is no intent.
    """

    number: int | None
    intents: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)


def from_1_3(
    body: object, *, application: str | None = None, list_limit: int = 1000, platforms: Platforms = PLATFORMS
) -> Iterator[Converted]:
    """
    Convert a body, with or without `{"request": …}` around it. It says nothing about the time: a `send_date` in the past stays there.

    application: for the check of intents whose body names none; it is not written into them. Raises IntentInvalid if this is not such a body.
    """
    outer = body.get("request", body) if isinstance(body, Mapping) else None
    if not isinstance(outer, Mapping) or not isinstance(outer.get("notifications"), list):
        hint = 'Such a body has a list "notifications"'
        raise IntentInvalid([Problem("notifications", "is required: this is not a createMessage body of API 1.3", hint)])
    around = Reading(outer, "")
    own = around.take("application")
    named = own if isinstance(own, str) else None
    if own is not None and named is None:
        around.refuse("application", "must be a string")
    if around.take("applications_group") is not None:
        around.note("applications_group", "has no equivalent in v2", "Send each intent once for every application of the group")
    if around.take("auth") is not None:
        around.note("auth", "is not part of an intent", "Set PUSHWOOSH_API_TOKEN")
    around.take("notifications")
    for name in around.rest:
        around.note(name, "has no known equivalent in v2")
    yield Converted(None, notes=around.notes, refused=around.refused)
    for number, given in enumerate(outer["notifications"]):
        yield _one(number, given, named, application, list_limit, platforms)


def _one(number: int, given: object, named: str | None, application: str | None, list_limit: int, platforms: Platforms) -> Converted:
    path = f"notifications.{number}"
    if not isinstance(given, Mapping):
        return Converted(number, refused=[Problem(path, "must be an object")])
    reading = Reading(given, path)
    made = intents_of(reading, named or application, list_limit, platforms)
    wrong: dict[str, Problem] = {}
    for intent in made:
        if named is None:
            intent.pop("application", None)
        try:
            parse_intent(intent, application=application or _ANY, list_limit=list_limit, platforms=platforms)
        except IntentInvalid as error:
            for problem in error.problems:
                at = f"{problem.field}: " if problem.field else ""
                told = Problem(path, f"the intent would not be valid: {at}{problem.problem}", problem.hint)
                wrong.setdefault(str(told), told)
    refused = [*reading.refused, *wrong.values()]
    return Converted(number, [] if refused else made, reading.notes, refused)
