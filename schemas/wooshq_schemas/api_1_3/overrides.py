"""Fields for one platform: `ios_badges`, `android_header` and the like of API 1.3 as overrides of a push."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from wooshq_schemas.api_1_3.reading import Reading, is_yes
from wooshq_schemas.api_1_3.texts import text_of
from wooshq_schemas.platforms import Platform, Platforms

#: Prefix in API 1.3 → block. The longest prefix counts.
_PREFIXES: Final[Mapping[str, str]] = {
    "ios": "ios", "android": "android", "huawei_android": "huawei_android", "huawei": "huawei_android", "baidu_android": "baidu_android",
    "mac": "mac_os", "adm": "amazon", "amazon": "amazon", "wns": "windows", "safari": "safari", "chrome": "chrome", "firefox": "firefox",
    "ie": "ie",
}  # fmt: skip

#: Name after the prefix → field of an override. Every other name is passed unchanged, with a note.
_SAME: Final[Mapping[str, str]] = {
    "badges": "badge", "sound": "sound", "icon": "icon", "image": "image", "banner": "banner", "attachment": "attachment",
    "category_id": "category", "thread_id": "thread_id", "interruption_level": "interruption_level", "root_params": "root_params",
}  # fmt: skip
_TEXTS: Final[Mapping[str, str]] = {"title": "title", "header": "title", "subtitle": "subtitle", "content": "body"}
_PRIORITIES: Final = {-2: "PRIORITY_MIN", -1: "PRIORITY_LOW", 0: "PRIORITY_DEFAULT", 1: "PRIORITY_HIGH", 2: "PRIORITY_MAX"}


def overrides_of(reading: Reading, rows: Sequence[Platform], table: Platforms) -> dict[str, dict[str, Any]]:
    """Platform → its fields. rows: the platforms that the message goes to; fields of other platforms are noted."""
    reached = {row.name for row in table.with_parts(rows)}
    out: dict[str, dict[str, Any]] = {}
    for name in list(reading.rest):
        prefix = max((one for one in _PREFIXES if name.startswith(f"{one}_")), key=len, default=None)
        row = table.by_block.get(_PREFIXES[prefix]) if prefix is not None else None
        if prefix is None or row is None:
            continue
        if row.name not in reached:
            reading.note(name, f"is for {row.name}, which is not a platform of this message", "Add it to platforms")
            continue
        own = _field(reading, name, name.removeprefix(f"{prefix}_"), row)
        if own:
            out.setdefault(row.name, {}).update(own)
    return out


def _field(reading: Reading, name: str, rest: str, row: Platform) -> dict[str, Any]:
    """One field in the words of an override; empty if it cannot be said there."""
    value = reading.take(name)
    if rest in _TEXTS:
        text = text_of(reading, name)
        return {} if text is None else {_TEXTS[rest]: text}
    if rest in _SAME:
        return {_SAME[rest]: value}
    if rest in _CHANGED:
        field, changed = _CHANGED[rest](value)
        if changed is None:
            reading.note(name, "has a value that v2 does not know", "Set it in the intent")
        return {} if changed is None else {field: changed}
    if rest.startswith("button_"):
        return _buttons(reading, name, rest)
    if rest == "silent":
        if is_yes(value):
            reading.note(
                name, "is for one platform, but in v2 a message is silent for all platforms or for none", "Use message.push.silent"
            )
        return {}
    reading.note(name, f"has no name that is known in v2; it is passed as message.push.overrides.{row.name}.{rest}", "Ask Pushwoosh")
    return {rest: value}


def _buttons(reading: Reading, name: str, rest: str) -> dict[str, Any]:
    """`chrome_button_text1` and `chrome_button_url1` belong together; the form of `buttons` in v2 is not known."""
    prefix = name.removesuffix(rest)
    buttons = []
    for n in ("1", "2"):
        text, url = reading.take(f"{prefix}button_text{n}"), reading.take(f"{prefix}button_url{n}")
        if text is not None:
            buttons.append({"title": text, **({"url": url} if url is not None else {})})
    reading.note(name, "became a list of buttons, and their form in v2 is not known", "Ask Pushwoosh")
    return {"buttons": buttons} if buttons else {}


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return None


def _ttl(value: object) -> tuple[str, Any]:
    seconds = _whole(value)
    return "ttl_s", seconds if seconds is not None and seconds >= 0 else None


def _priority(value: object) -> tuple[str, Any]:
    number = _whole(value)
    return "priority", _PRIORITIES.get(number) if number is not None else None


def _delivery_priority(value: object) -> tuple[str, Any]:
    return "delivery_priority", value.upper() if isinstance(value, str) and value.upper() in ("NORMAL", "HIGH") else None


def _sound_off(value: object) -> tuple[str, Any]:
    return "sound_enabled", not is_yes(value)


_CHANGED: Final[Mapping[str, Callable[[object], tuple[str, Any]]]] = {
    "ttl": _ttl,
    "gcm_ttl": _ttl,
    "priority": _priority,
    "delivery_priority": _delivery_priority,
    "sound_off": _sound_off,
}
"""Name after the prefix → (field of an override, value there; None if it has none)."""
