"""Where recipients stand in an intent and in a request body: the kinds of lists, and every list of identifiers in their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

LISTS: Final = ("users", "hwids", "push_tokens", "test_devices")
"""The kinds of lists: fields of an intent's `to`, and of a transactional request."""

REQUEST_KINDS: Final = ("transactional", "segment")
"""The kinds of request body. A segment names no recipients, but a body that is not valid may."""


_Lists: TypeAlias = list[tuple[tuple[str, ...], list[Any]]]


def lists_in_intent(data: Mapping[str, Any]) -> _Lists:
    """Every list of recipients in an intent's JSON: (path, identifiers). The rest of the JSON, and the lists' items, may be anything."""
    found: _Lists = []
    to, request = data.get("to"), data.get("request")
    if isinstance(to, dict):
        _add_lists(found, to, "to")
    if isinstance(request, dict):
        found += [(("request", *path), identifiers) for path, identifiers in lists_in_request(request)]
    return found


def lists_in_request(body: Mapping[str, Any]) -> _Lists:
    """Every list of recipients in a request body: (path, identifiers). The rest of the body, and the lists' items, may be anything."""
    found: _Lists = []
    for kind in REQUEST_KINDS:
        inner = body.get(kind)
        if isinstance(inner, dict):
            _add_lists(found, inner, kind)
    return found


def recipients_in_intent(data: Mapping[str, Any]) -> set[str]:
    """Every identifier in an intent's JSON, even if the intent is not valid."""
    return {one for _, identifiers in lists_in_intent(data) for one in identifiers if isinstance(one, str)}


def recipients_in_request(body: Mapping[str, Any]) -> set[str]:
    """Every identifier in a request body, even if the body is not valid."""
    return {one for _, identifiers in lists_in_request(body) for one in identifiers if isinstance(one, str)}


def _add_lists(found: _Lists, place: Mapping[str, Any], field: str) -> None:
    """Add the lists of one object. An intent has `users: […]`, a request `users: {list: […]}`. Callers mix them up, so both forms count."""
    for name in LISTS:
        there = place.get(name)
        if there is None:
            continue
        if isinstance(there, list):
            found.append(((field, name), there))
        elif isinstance(there, dict) and isinstance(there.get("list"), list):
            found.append(((field, name, "list"), there["list"]))
