"""The words of an error in whatever form: of RFC 9457, of lists of errors, or simply how the body begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_TITLES: Final = (
    "error",
    "title",
    "error_description",
    "message",
    "msg",
    "detail",
    "description",
    "reason",
    "status_message",
    "faultstring",
)
"""Fields that hold a sentence for a person, in the order in which the sentences are read. `title` and `detail`: RFC 9457."""
_LISTS: Final = ("errors", "violations", "details", "invalid_params", "invalid-params", "issues")
_WHERE: Final = ("field", "path", "pointer", "loc", "name", "parameter", "param", "source", "code")
"""Fields of one entry of such a list that say which value is meant."""
_MOST: Final = 20
"""Entries that are read, and levels."""
_LONGEST: Final = 20_001
"""Characters of a body that are shown at most: one more than `scrub` reads, so that it knows of a cut."""


def sentences(body: object) -> list[str]:
    """The sentences in a JSON error, each once, in order. body: parsed. Not scrubbed."""
    return list(dict.fromkeys(_sentences(body, 0)))


def beginning(body: bytes) -> str:
    """How a body begins, as text. Not scrubbed."""
    return body[:_LONGEST].decode("utf-8-sig", "replace").strip()


def _sentences(value: object, depth: int) -> Iterator[str]:
    if depth > 4:
        return
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
        return
    if isinstance(value, list):
        for one in value[:_MOST]:
            yield from _sentences(one, depth + 1)
        return
    if not isinstance(value, Mapping):
        return
    for name in _TITLES:
        yield from _sentences(_get(value, name), depth + 1)
    for name in _LISTS:
        listed = _get(value, name)
        if isinstance(listed, Mapping):  # field → its problems
            for field, problems in list(listed.items())[:_MOST]:
                yield from (f"{field}: {said}" for said in _sentences(problems, depth + 1))
        elif isinstance(listed, list):
            for one in listed[:_MOST]:
                yield from _entry(one, depth + 1)


def _entry(value: object, depth: int) -> Iterator[str]:
    """One entry of a list of errors, with the name of the value that it is about."""
    said = "; ".join(dict.fromkeys(_sentences(value, depth)))
    where = ""
    if isinstance(value, Mapping):
        where = next((text for name in _WHERE if (text := _name(value.get(name)))), "")
    if said or where:
        yield f"{where}: {said}" if said and where else said or where


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("pointer") or value.get("parameter")
    if isinstance(value, list):
        value = ".".join(str(part) for part in value[:_MOST] if isinstance(part, str | int))
    return value.strip() if isinstance(value, str) else ""


def _get(value: Mapping[Any, Any], name: str) -> object:
    """A field, in snake_case or in camelCase."""
    first, *rest = name.split("_")
    return value.get(name, value.get(first + "".join(part.title() for part in rest)))
