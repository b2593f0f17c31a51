"""How an intent comes in: parsed and checked when it is new, migrated when it was stored by an older version."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import (
    ValidationError,
)
from pydantic_core import from_json, to_json

from wooshq_schemas.intent.model import MODEL_VERSION, Intent
from wooshq_schemas.intent.rules import Against, application_inside, lists_in
from wooshq_schemas.json_text import loads, read
from wooshq_schemas.platforms import PLATFORMS, Platforms
from wooshq_schemas.problems import (
    MOST_PROBLEMS,
    IntentInvalid,
    Problem,
    from_validation_error,
    shown,
)
from wooshq_schemas.request import (
    LISTS,
)


class NewerModel(ValueError):
    """A stored intent was written by a newer wooshq: leave it to a newer worker."""


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version → how its JSON becomes the next version's. Empty while there is one version."""


def parse_intent(
    data: object,
    *,
    now: datetime | None = None,
    application: str | None = None,
    list_limit: int | None = 1000,
    platforms: Platforms = PLATFORMS,
) -> Intent:
    """
    Check an intent.

    now: aware; what a plain schedule is held against, None for not at all. application: used where the intent names none.
    list_limit: identifiers that one call may carry. Raises IntentInvalid with every problem there is, values left out.
    """
    given = _filled(data, application)
    cut, too_long = _cut(given, list_limit)
    try:
        intent: Intent = _validate(cut, context=Against(platforms, now, list_limit))
    except ValidationError as error:
        told = from_validation_error(error, Intent, given)
        raise IntentInvalid([*told, *too_long, *_unfit(given, {problem.field for problem in told})]) from None
    if too_long:
        raise IntentInvalid(too_long)
    if intent.id is not None:
        given["id"] = intent.id  # in small letters
    try:
        # What was checked is what was given: writing that costs a quarter of writing the model.
        written = to_json(given)
    except ValueError:  # PydanticSerializationError is one: a lone surrogate, or a number of more digits than Python writes
        raise IntentInvalid(_unfit(given) or [Problem("", "cannot be written as JSON")]) from None
    # U+FFFD is what the serializer writes for a lone surrogate in a key; where it stands in the data itself, nothing is found.
    doubtful = b"\\u0000" in written or b"\xef\xbf\xbd" in written or (len(written) > 1200 and _LONG_NUMBER.search(written) is not None)
    if doubtful and (unfit := _unfit(given)):
        raise IntentInvalid(unfit)
    object.__setattr__(intent, "_json", written.decode())
    return intent


def parse_intent_json(
    raw: str | bytes,
    *,
    now: datetime | None = None,
    application: str | None = None,
    list_limit: int | None = 1000,
    platforms: Platforms = PLATFORMS,
) -> Intent:
    """`parse_intent` for JSON text; what JSON parsers disagree about (RFC 8259, sections 4 and 6) is refused too."""
    data, doubts = read(raw)
    try:
        intent = parse_intent(data, now=now, application=application, list_limit=list_limit, platforms=platforms)
    except IntentInvalid as error:
        told = {problem.field for problem in doubts}
        raise IntentInvalid([*doubts, *(problem for problem in error.problems if problem.field not in told)]) from None
    if doubts:
        raise IntentInvalid(doubts)
    return intent


def migrated(data: Any, version: int) -> Any:
    """What models of `version` wrote, as today's would have written it. Raises NewerModel."""
    if version > MODEL_VERSION:
        raise NewerModel(f"written by models of version {version}, and this is version {MODEL_VERSION}")
    for step in range(version, MODEL_VERSION):
        data = MIGRATIONS[step](data)
    return data


def load_stored(raw: str | bytes, version: int, *, platforms: Platforms = PLATFORMS) -> Intent:
    """
    An intent as the ledger has it, written by models of `version`. Its schedule may lie in the past by now, its list may be longer
    than a limit that was lowered: neither is looked at again.

    An older one is migrated. Raises NewerModel for a newer one, IntentInvalid where it does not pass today's models.
    """
    try:
        data = migrated(from_json(raw), version)
    except NewerModel:
        raise
    except ValueError:
        raise IntentInvalid([Problem("", "what is stored is not JSON")]) from None
    try:
        intent: Intent = _validate(data, context=Against(platforms))
    except ValidationError as error:
        raise IntentInvalid(from_validation_error(error, Intent, data)) from None
    if version == MODEL_VERSION:
        object.__setattr__(intent, "_json", raw if isinstance(raw, str) else raw.decode())
    return intent


_validate: Final = Intent.__pydantic_validator__.validate_python
_LONG_NUMBER: Final = re.compile(rb"[0-9]{1200}")
_APPLICATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


# ── Before the models: what the intent does not name, and lists that no model should walk through ──────────────────────────────────


def _filled(data: object, application: str | None) -> Any:
    """The data with the application and the lane that it does not name."""
    if isinstance(data, Intent):
        data = loads(data.to_json())
    elif isinstance(data, Mapping):
        data = dict(data)
    if not isinstance(data, dict):
        return data
    if "application" not in data:
        inside = application_inside(data["request"]) if "request" in data else None
        if inside is None:
            inside = application
        elif not (isinstance(inside, str) and _APPLICATION.fullmatch(inside)):
            inside = None  # the models tell of it where it stands
        if inside is not None:
            data["application"] = inside
    if "lane" not in data:
        data["lane"] = _lane_of(data)
    return data


def _lane_of(data: Mapping[str, Any]) -> str:
    if "request" in data:
        request = data["request"]
        return "transactional" if isinstance(request, dict) and "transactional" in request else "bulk"
    to = data.get("to")
    return "transactional" if isinstance(to, dict) and any(name in to for name in LISTS) else "bulk"


def _cut(data: Any, limit: int | None) -> tuple[Any, list[Problem]]:
    """The data with lists above the limit cut to it: a million bad identifiers would be a million problems, each with its own path."""
    problems = []
    if limit is not None and isinstance(data, dict):
        for path, identifiers in list(lists_in(data)):
            if len(identifiers) > limit:
                data = _with(data, path, identifiers[:limit])
                problems.append(Problem(".".join(path), f"has {len(identifiers)} identifiers, and one call takes {limit}", _FAN_OUT))
    return data, problems


_FAN_OUT: Final = "Use the fan-out: wooshq fanout --template FILE --recipients FILE, or fan_out(template, recipients)"


def _with(data: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = path
    return {**data, first: _with(data[first], tuple(rest), value) if rest else value}


# ── After the models: texts that cannot be stored ───────────────────────────────────────────────────────────────────────────────────


def _unfit(data: Any, told: Iterable[str] = ()) -> list[Problem]:
    """NUL and lone surrogates in texts and keys, and numbers of more digits than Python writes; what stands in `told` is not told twice."""
    out: dict[str, Problem] = {}
    inside: list[tuple[tuple[str, ...], Any]] = [((), data)]
    walked = 0
    while inside and len(out) < MOST_PROBLEMS:
        path, value = inside.pop()
        walked += 1
        found = ""
        if isinstance(value, str):
            found = "\0" if "\0" in value else "surrogate" if not _encodes(value) else ""
        elif isinstance(value, int) and value.bit_length() > 4096:
            found = "digits"
        elif isinstance(value, dict) and len(path) < 200:
            for name, inner in value.items():
                if isinstance(name, str) and ("\0" in name or not _encodes(name)):
                    found = found or ("key NUL" if "\0" in name else "key surrogate")
                inside.append(((*path, shown(name)), inner))
        elif isinstance(value, list) and len(path) < 200:
            inside.extend(((*path, str(place)), inner) for place, inner in enumerate(value))
        if found:
            field = ".".join(path if len(path) <= 20 else (*path[:20], "…"))
            if field not in told:
                out.setdefault(field, Problem(field, *_UNFIT[found]))
        if walked > 1_000_000:  # a value that contains itself; the models have told of it
            break
    return sorted(out.values(), key=lambda problem: problem.field)


_UNFIT: Final = {
    "\0": ("has a NUL character (U+0000)", "Remove it"),
    "surrogate": ("is not valid Unicode (a lone surrogate)", "Encode the text as UTF-8"),
    "key NUL": ("has a key with a NUL character (U+0000)", "Remove it"),
    "key surrogate": ("has a key that is not valid Unicode (a lone surrogate)", "Encode the text as UTF-8"),
    "digits": ("is a whole number of too many digits", "Give it as a text"),
}


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
