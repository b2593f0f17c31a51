"""From a template to an intent for some recipients, and back: the fields that only an intent has are added or removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wooshq_schemas.recipient_lists import LISTS

INTENT_ONLY: Final = ("id", "to", "lane")
"""Fields of an intent that a template cannot have."""


def addressed(data: Mapping[str, Any], to: str, identifiers: list[str], placeholders: dict[str, str]) -> dict[str, Any]:
    """The data of an intent, made from the data of a template."""
    if "request" not in data:
        own = data.get("placeholders")
        more = {"placeholders": {**own, **placeholders} if isinstance(own, dict) else placeholders} if placeholders else {}
        return {**data, "to": {to: identifiers}, **more, "lane": "bulk"}
    request = data["request"]
    inner = request.get("transactional") if isinstance(request, dict) else None
    if not isinstance(inner, dict):
        return dict(data)  # the models report what is wrong
    inner = {**{name: value for name, value in inner.items() if name not in LISTS}, to: {"list": identifiers}}
    if placeholders:
        inner["dynamic_content_placeholders"] = {**inner.get("dynamic_content_placeholders", {}), **placeholders}
    return {**data, "request": {"transactional": inner}, "lane": "bulk"}


def unaddressed(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a template, made from the data of an intent."""
    rest = {name: value for name, value in data.items() if name not in INTENT_ONLY}
    if "request" in rest:
        inner = rest["request"]["transactional"]
        rest["request"] = {"transactional": {name: value for name, value in inner.items() if name not in LISTS}}
    return rest
