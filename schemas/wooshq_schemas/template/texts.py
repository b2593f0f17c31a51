"""The texts of a template: the locales that they have, the placeholders that they name, and the template in one locale."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

NAME: Final = r"[^\W\d][\w .-]{0,99}?"
"""The name of a placeholder, as a pattern."""
TEXTS: Final = frozenset({"title", "subtitle", "body", "subject"})
"""Names of the fields that people read."""
_PLACEHOLDER: Final = re.compile(rf"\{{\s*({NAME})\s*(?:\|[^{{}}]*)?\}}")
_DOUBLED: Final = re.compile(rf"\{{\{{\s*({NAME})\s*(?:\|[^{{}}]*)?\}}\}}")


def locales_of(data: Mapping[str, Any]) -> frozenset[str]:
    """The locales of all texts of a template; empty if each text is for all locales."""
    return frozenset(locale for text in _localised(data) for locale in text)


def _localised(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every object locale → text or content in a template of either form."""
    if "request" in data:
        inner = data["request"].get("transactional", {})
        content = inner.get("payload", {}).get("content", {}).get("localized_content")
        if content is not None:
            yield content
        if "subject" in (email := inner.get("email_payload", {})):
            yield email["subject"]
        return
    for fields_of_kind in data.get("message", {}).values():
        if isinstance(fields_of_kind, dict):
            for fields in (fields_of_kind, *fields_of_kind.get("overrides", {}).values()):
                yield from (fields[name] for name in TEXTS & fields.keys() if isinstance(fields[name], dict))


def in_locale(data: Mapping[str, Any], locale: str | None) -> Mapping[str, Any]:
    """The template with each text in one locale: `locale`, otherwise `default`, otherwise `en`, otherwise any."""
    if locale is None:
        return data
    if "request" in data:
        inner = dict(data["request"]["transactional"])
        content = inner.get("payload", {}).get("content")
        if content is not None:
            one = {"default": _choose(content["localized_content"], locale)}
            inner["payload"] = {**inner["payload"], "content": {"localized_content": one}}
        if "subject" in inner.get("email_payload", {}):
            subject = {"default": _choose(inner["email_payload"]["subject"], locale)}
            inner["email_payload"] = {**inner["email_payload"], "subject": subject}
        return {**data, "request": {"transactional": inner}}
    message = {kind: _fields_in(fields, locale) if isinstance(fields, dict) else fields for kind, fields in data["message"].items()}
    return {**data, "message": message}


def _fields_in(fields: Mapping[str, Any], locale: str) -> dict[str, Any]:
    out = {name: _choose(value, locale) if name in TEXTS and isinstance(value, dict) else value for name, value in fields.items()}
    if "overrides" in out:
        out["overrides"] = {platform: _fields_in(own, locale) for platform, own in out["overrides"].items()}
    return out


def _choose(by_locale: Mapping[str, Any], locale: str) -> Any:
    for wanted in (locale, "default", "en"):
        if wanted in by_locale:
            return by_locale[wanted]
    return next(iter(by_locale.values()))


def placeholders_in(message: Any) -> frozenset[str] | None:
    """Placeholders that the texts name (`{city}`, `{city|CapitalizeFirst|here}`); None if Pushwoosh stores the content."""
    return None if _is_stored_elsewhere(message) else frozenset(_names_in(message))


def _is_stored_elsewhere(message: Any) -> bool:
    """Whether a preset or a template that Pushwoosh stores is part of the message."""
    if isinstance(message, Mapping):
        return any(name in ("preset", "template", "email_template") or _is_stored_elsewhere(value) for name, value in message.items())
    return isinstance(message, list) and any(map(_is_stored_elsewhere, message))


def _names_in(message: Any) -> Iterator[str]:
    if isinstance(message, str):
        yield from _PLACEHOLDER.findall(message)
    elif isinstance(message, Mapping):
        for value in message.values():
            yield from _names_in(value)
    elif isinstance(message, list):
        for value in message:
            yield from _names_in(value)


def doubled_in(message: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """
    (path of the text, name) of each placeholder in doubled braces, `{{city}}`. The same text counts once.

    A text with `{%` is left out: its author writes Pushwoosh's Liquid, in which doubled braces are right.
    """
    seen: set[str] = set()
    for where, text in _strings(message, path):
        if text not in seen and "{%" not in text:
            seen.add(text)
            yield from ((where, name) for name in dict.fromkeys(_DOUBLED.findall(text)))


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, (Mapping, list)):
        for name, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _strings(inner, f"{path}.{name}" if path else str(name))
