"""The texts of a request as a recipient will read them: with values instead of placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from wooshq_schemas.template.texts import NAME, TEXTS

_PLACEHOLDER: Final = re.compile(rf"\{{\s*({NAME})\s*(?:\|([^{{}}|]*)(?:\|([^{{}}]*))?)?\}}")
_MODIFIERS: Final[Mapping[str, Callable[[str], str]]] = {
    "capitalizefirst": lambda text: text[:1].upper() + text[1:],
    "capitalizeallfirst": lambda text: re.sub(r"\b\w", lambda found: found[0].upper(), text),
    "uppercase": str.upper,
    "lowercase": str.lower,
}
"""Pushwoosh's modifiers of dynamic content (https://docs.pushwoosh.com/developer/guides/personalization/dynamic-content)."""


def filled_texts(request: Mapping[str, Any]) -> dict[str, str]:
    """
    Name of a text (`title`, `body`; with the platform before it if platforms differ) → the text with the values of the request.

    A placeholder without a value becomes its default. Without a default it stays: Pushwoosh may have a tag of this name.
    """
    ((_, inner),) = request.items()
    values = inner.get("dynamic_content_placeholders", {})
    found: dict[str, dict[str, str]] = {}
    for where, name, text in _texts(inner):
        found.setdefault(name, {})[where] = filled(text, values)
    texts = {}
    for name, by_platform in found.items():
        if len(set(by_platform.values())) == 1:
            texts[name] = next(iter(by_platform.values()))
        else:
            texts |= {f"{where}.{name}": text for where, text in by_platform.items()}
    return texts


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with values instead of placeholders."""

    def value(found: re.Match[str]) -> str:
        name, modifier, default = found.groups()
        if name not in values:
            return default or found[0]
        return _MODIFIERS.get((modifier or "").strip().casefold(), str)(values[name])

    return _PLACEHOLDER.sub(value, text)


def _texts(part: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """(platform, name, text) of every text. A text by locale has one locale here: the one of the recipient."""
    if not isinstance(part, Mapping):
        return
    for name, value in part.items():
        if name in TEXTS and isinstance(value, str):
            yield where, name, value
        elif name in TEXTS and isinstance(value, Mapping):
            yield from ((where, name, text) for text in value.values() if isinstance(text, str))
        else:
            yield from _texts(value, name)
