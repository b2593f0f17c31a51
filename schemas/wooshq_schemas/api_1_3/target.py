"""Who receives it? `users`, `devices`, `filter` and `conditions` of API 1.3 as targets of intents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from wooshq_schemas.api_1_3.reading import Reading

_PUSH_TOKEN: Final = re.compile(r"[0-9a-fA-F]{64}|\S{100,}")
"""APNs' tokens are 64 hex digits; those of other services are longer than any device id."""
_CODE: Final = re.compile(r"[A-Z0-9]{5}-[A-Z0-9]{5}")
_OPERATORS: Final = frozenset({"eq", "in", "noteq", "notin", "gte", "lte", "between", "set", "notset", "any"})
_NARROWS: Final = ("geozone",)
"""Fields that narrow the target and have no counterpart. Without them the message would reach people who were not meant."""


def targets_of(reading: Reading, application: str | None, list_limit: int) -> list[dict[str, Any]]:
    """The targets, one for each intent; empty if the reading refuses it. list_limit: identifiers in one intent."""
    for name in _NARROWS:
        if reading.take(name) is not None:
            reading.refuse(name, "has no equivalent in v2, and without it the message would reach more people", "Use a segment's code")
    given = [name for name in ("users", "devices", "filter", "conditions") if reading.take(name) is not None]
    operator = reading.take("conditions_operator")
    for name in given[1:]:
        reading.note(name, f"is not used beside {given[0]}", "API 1.3 does not use it either")
    match given[:1]:
        case ["users"]:
            return _lists(reading, "users", {"users": _identifiers(reading, "users")}, list_limit)
        case ["devices"]:
            return _lists(reading, "devices", _devices(reading), list_limit)
        case ["filter"]:
            return _segment(reading)
        case ["conditions"]:
            expression = _expression(reading, operator)
            return [{"expression": expression}] if expression else []
    if application is None:
        reading.refuse("", "has no application and no target (no target means everybody)", "Add application, or a target")
        return []
    return [{"expression": f'A("{application}")'}]


def _identifiers(reading: Reading, name: str) -> list[str]:
    given = reading.given[name]
    listed = given if isinstance(given, list) else [given]
    if not all(isinstance(one, (str, int)) and not isinstance(one, bool) for one in listed):
        reading.refuse(name, "must be a list of strings")
        return []
    if not listed:
        reading.refuse(name, "is empty", "Leave it out to send to everybody, or name the recipients")
    return list(dict.fromkeys(map(str, listed)))


def _devices(reading: Reading) -> dict[str, list[str]]:
    """API 1.3 takes device ids and push tokens in one list. v2 has a list for each."""
    devices = _identifiers(reading, "devices")
    tokens = [one for one in devices if _PUSH_TOKEN.fullmatch(one)]
    others = [one for one in devices if not _PUSH_TOKEN.fullmatch(one)]
    if devices:
        counted = f"{len(tokens)} push tokens, {len(others)} device ids (hwids)"
        reading.note(
            "devices",
            f"may have both push tokens and device ids. wooshq guessed from their form: {counted}",
            "Check the lists in the intents",
        )
    return {"push_tokens": tokens, "hwids": others}


def _lists(reading: Reading, name: str, by_kind: dict[str, list[str]], limit: int) -> list[dict[str, Any]]:
    made = [{kind: identifiers[at : at + limit]} for kind, identifiers in by_kind.items() for at in range(0, len(identifiers), limit)]
    if len(made) > 1:
        reading.note(name, f"became {len(made)} intents", f"One intent has one kind of list, and at most {limit} identifiers")
    return made


def _segment(reading: Reading) -> list[dict[str, Any]]:
    code = reading.given["filter"]
    if not isinstance(code, str) or not code:
        reading.refuse("filter", "must be a string")
        return []
    if _CODE.fullmatch(code) is None:
        reading.note("filter", "does not look like a segment's code", "API 1.3 also took a filter's name; v2 takes the code")
    return [{"segment": code}]


def _expression(reading: Reading, operator: object) -> str | None:
    """The conditions in Pushwoosh's segmentation language: `T("tag", eq, "value")`, joined by `*` (AND) or `+` (OR)."""
    joined = {"AND": " * ", "OR": " + "}.get(operator.upper() if isinstance(operator, str) else "AND" if operator is None else "")
    if joined is None:
        reading.refuse("conditions_operator", "must be AND or OR")
        return None
    given = reading.given["conditions"]
    parts = list(_conditions(given)) if isinstance(given, list) else []
    if not parts or None in parts:
        reading.refuse("conditions", "must be a list of [tag, operator, value]", 'Example: [["Country", "EQ", "BR"]]')
        return None
    reading.note("conditions", "became an expression in the segmentation language", "Check it in Pushwoosh before you rely on it")
    return joined.join(part for part in parts if part)


def _conditions(given: Sequence[Any]) -> Iterator[str | None]:
    for one in given:
        if (
            not (isinstance(one, list) and len(one) in (2, 3) and isinstance(one[0], str) and isinstance(one[1], str))
            or one[1].lower() not in _OPERATORS
        ):
            yield None
        else:
            yield f"T({', '.join([json.dumps(one[0], ensure_ascii=False), one[1].lower(), *map(_literal, one[2:])])})"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
