"""How an intent comes in: a new one is parsed, a stored one is loaded, an older one is migrated first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from wooshq_schemas.intent.exact_form import Normal, normal
from wooshq_schemas.intent.model import MODEL_VERSION, Intent
from wooshq_schemas.intent.rules import Against
from wooshq_schemas.platforms import PLATFORMS, Platforms
from wooshq_schemas.recipient_lists import LISTS, lists_in_intent
from wooshq_schemas.request import application_in
from wooshq_schemas.validation.json_text import loads, read
from wooshq_schemas.validation.problem import IntentInvalid, Problem
from wooshq_schemas.validation.pydantic_errors import from_validation_error
from wooshq_schemas.validation.storable import unstorable


class NewerModel(ValueError):
    """A newer wooshq stored this intent. Leave it to a newer worker."""


def _from_version_1(data: dict[str, Any]) -> dict[str, Any]:
    """`badges` of an override was passed unchanged in version 1. In version 2 it is a known field: a string, instead of `badge`."""
    message = data.get("message")
    push = message.get("push") if isinstance(message, dict) else None
    overrides = push.get("overrides") if isinstance(push, dict) else None
    for own in overrides.values() if isinstance(overrides, dict) else ():
        if "badges" in own:
            own.pop("badge", None)
            own["badges"] = str(own["badges"])
    return data


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_version_1}
"""Version → the function that turns its JSON into the next version's."""

_validate: Final = Intent.__pydantic_validator__.validate_python
_LONG_NUMBER: Final = re.compile(rb"[0-9]{1200}")
_APPLICATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FAN_OUT: Final = "Use a fan-out: wooshq fanout --template FILE --recipients FILE, or fan_out(template, recipients)"


def parse_intent(
    data: object,
    *,
    now: datetime | None = None,
    application: str | None = None,
    list_limit: int | None = 1000,
    platforms: Platforms = PLATFORMS,
) -> Intent:
    """
    Check a new intent.

    now: aware; the schedule is checked against it (None: not checked). application: used if the intent names none. list_limit:
    identifiers that one call may carry (None: any number). Raises IntentInvalid with all problems; no problem contains a value.
    """
    given, exact = _filled_in(data, application, platforms)
    cut, too_long = _cut(given, list_limit)
    too_long += exact.problems
    try:
        intent: Intent = _validate(cut, context=Against(platforms, now))
    except ValidationError as error:
        found = from_validation_error(error, Intent, given)
        raise IntentInvalid([*found, *too_long, *unstorable(given, {problem.field for problem in found})]) from None
    if too_long:
        raise IntentInvalid(too_long)
    if intent.id is not None:
        given["id"] = intent.id  # in lower case
    try:
        # The checked values are the given ones, and to write these costs a quarter of writing the model.
        written = to_json(given)
    except ValueError:  # PydanticSerializationError is one: a lone surrogate, or a number of more digits than Python writes
        raise IntentInvalid(unstorable(given) or [Problem("", "cannot be written as JSON")]) from None
    # The serializer writes U+FFFD for a lone surrogate in a key. If the data itself has U+FFFD, `unstorable` finds nothing.
    doubtful = b"\\u0000" in written or b"\xef\xbf\xbd" in written or (len(written) > 1200 and _LONG_NUMBER.search(written) is not None)
    if doubtful and (problems := unstorable(given)):
        raise IntentInvalid(problems)
    object.__setattr__(intent, "written_json", written.decode())
    object.__setattr__(intent, "camel_case", tuple(exact.camel_case))
    return intent


def parse_intent_json(
    raw: str | bytes,
    *,
    now: datetime | None = None,
    application: str | None = None,
    list_limit: int | None = 1000,
    platforms: Platforms = PLATFORMS,
) -> Intent:
    """`parse_intent` for JSON text. Also refuses what JSON parsers disagree about (RFC 8259, sections 4 and 6)."""
    data, doubts = read(raw)
    try:
        intent = parse_intent(data, now=now, application=application, list_limit=list_limit, platforms=platforms)
    except IntentInvalid as error:
        known = {problem.field for problem in doubts}
        raise IntentInvalid([*doubts, *(problem for problem in error.problems if problem.field not in known)]) from None
    if doubts:
        raise IntentInvalid(doubts)
    return intent


def migrated(data: Any, version: int) -> Any:
    """Data that models of `version` wrote, as today's models would write it. Raises NewerModel if `version` is newer than this code."""
    if version > MODEL_VERSION:
        raise NewerModel(f"model version {version} is newer than version {MODEL_VERSION}, the newest that this wooshq can read")
    for step in range(version, MODEL_VERSION):
        if isinstance(data, dict):  # the models refuse everything else
            data = MIGRATIONS[step](data)
    return data


def load_stored(raw: str | bytes, version: int, *, platforms: Platforms = PLATFORMS) -> Intent:
    """
    An intent from the ledger. version: of the models that wrote it.

    Its schedule may be in the past by now, and a limit may have been lowered below the length of its list: neither is checked again. The
    exact form is not checked again either: it is sent as it was accepted.
    Raises NewerModel if a newer wooshq wrote it, IntentInvalid if today's models refuse it.
    """
    try:
        data = from_json(raw)
    except ValueError:
        raise IntentInvalid([Problem("", "the stored intent is not JSON")]) from None
    data = migrated(data, version)
    try:
        intent: Intent = _validate(data, context=Against(platforms, is_stored=True))
    except ValidationError as error:
        raise IntentInvalid(from_validation_error(error, Intent, data)) from None
    if version == MODEL_VERSION:
        object.__setattr__(intent, "written_json", raw if isinstance(raw, str) else raw.decode())
    return intent


# ── Before the models: defaults that are filled in, lists that are too long to check ────────────────────────────────────────────────


def _filled_in(data: object, application: str | None, platforms: Platforms) -> tuple[Any, Normal]:
    """The data with an application and a lane, if it names none, and the request in it as it is stored."""
    if isinstance(data, Intent):
        data = loads(data.to_json())
    elif isinstance(data, Mapping):
        data = dict(data)
    if not isinstance(data, dict):
        return data, Normal(None)
    exact = normal(data["request"], platforms) if "request" in data else Normal(None)
    if "request" in data:
        data["request"] = exact.body
    if "application" not in data:
        inside = application_in(data["request"]) if "request" in data else None
        if inside is None:
            inside = application
        elif not (isinstance(inside, str) and _APPLICATION.fullmatch(inside)):
            inside = None  # the models report it where it stands
        if inside is not None:
            data["application"] = inside
    if "lane" not in data:
        data["lane"] = _lane_of(data)
    return data, exact


def _lane_of(data: Mapping[str, Any]) -> str:
    if "request" in data:
        request = data["request"]
        return "transactional" if isinstance(request, dict) and "transactional" in request else "bulk"
    to = data.get("to")
    return "transactional" if isinstance(to, dict) and any(name in to for name in LISTS) else "bulk"


def _cut(data: Any, limit: int | None) -> tuple[Any, list[Problem]]:
    """The data with its lists cut to the limit. A million bad identifiers would be a million problems, each with its own path."""
    problems = []
    if limit is not None and isinstance(data, dict):
        for path, identifiers in lists_in_intent(data):
            if len(identifiers) > limit:
                data = _with(data, path, identifiers[:limit])
                problems.append(Problem(".".join(path), f"has {len(identifiers)} identifiers; one call takes at most {limit}", _FAN_OUT))
    return data, problems


def _with(data: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of the data with another value at the path."""
    first, *rest = path
    return {**data, first: _with(data[first], tuple(rest), value) if rest else value}
