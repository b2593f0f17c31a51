"""The settings as they may be shown: without secrets, and without passwords in URLs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

from wooshq.settings.load import variables
from wooshq.settings.model import Settings

_URLS: Final = frozenset({"base_url", "broker_url", "redis_url", "outbox_url", "history_url"})


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting of this process. variable: that sets it. value: as text, "" if it is unset; of a secret, that it is set. says: what it is for."""

    variable: str
    value: str
    is_default: bool
    says: str


def shown_settings(settings: Settings) -> list[ShownSetting]:
    """Every setting, in the order of the README."""
    names = variables()
    found = []
    for field, info in Settings.model_fields.items():
        value = getattr(settings, field)
        is_default = value == info.get_default(call_default_factory=True)
        found.append(ShownSetting(names[field], _shown(field, value), is_default, info.description or ""))
    return found


def _shown(field: str, value: Any) -> str:
    if value is None or value == {}:
        return ""
    if field in _URLS:
        return without_password(value.get_secret_value() if isinstance(value, SecretStr) else value)
    if isinstance(value, SecretStr):
        return "set"
    if isinstance(value, Mapping):
        plain = {name: "set" if isinstance(one, SecretStr) else one for name, one in value.items()}
        return json.dumps(plain, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def without_password(url: str) -> str:
    """A URL without its user, its password and its parameters, which may be secrets, too. `redis://…@host:6379/0?…`"""
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    rest, _, parameters = rest.partition("?")
    rest, _, _ = rest.partition("#")
    place = rest.rpartition("@")
    return f"{scheme}://{'…@' if place[1] else ''}{place[2]}{'?…' if parameters else ''}"
