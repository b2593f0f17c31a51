"""The rules for a request body: the reference of Messaging API v2 as a table. Independent of our own models, so that it can disagree with them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wooshq_worker.sandbox.body.address import RECIPIENT_KINDS, SEGMENT_KINDS
from wooshq_worker.sandbox.body.shape import (
    Check,
    Found,
    Violation,
    either,
    filled,
    filled_texts,
    flag,
    free,
    integer,
    kind_of,
    list_of,
    lone_surrogates,
    map_of,
    matching,
    message,
    name_of,
    number,
    text,
)

#: Block of a content → (name in `platforms`, number in `open_actions`; None: not known). Rule: the reference, "Content".
BLOCKS: Mapping[str, tuple[str, int | None]] = {
    "ios": ("IOS", 1),
    "android": ("ANDROID", 3),
    "huawei_android": ("HUAWEI_ANDROID", 17),
    "baidu_android": ("BAIDU_ANDROID", None),
    "mac_os": ("MAC_OS", 7),
    "amazon": ("AMAZON", 9),
    "windows": ("WINDOWS", 8),
    "safari": ("SAFARI", 10),
    "chrome": ("CHROME", 11),
    "firefox": ("FIREFOX", 12),
    "ie": ("IE", 13),
    "sms": ("SMS", 18),
    "telegram": ("TELEGRAM", None),
    "kakao": ("KAKAO", None),
    "line": ("LINE", None),
    "whatsapp": ("WHATSAPP", 21),
}
#: A platform without a block: its content is the `email_payload`.
EMAIL = ("EMAIL", 14)
#: All browsers. It has no block: its content is in the blocks of browsers.
WEB = "WEB"
BROWSERS = frozenset({"SAFARI", "CHROME", "FIREFOX", "IE"})
PLATFORM_NAMES = frozenset({name for name, _ in BLOCKS.values()} | {EMAIL[0], WEB})
PLATFORM_NUMBERS = frozenset({str(number) for _, number in BLOCKS.values() if number is not None} | {str(EMAIL[1])})


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that v2 does not publish. Ours follow the limits that Pushwoosh publishes for API 1.3."""

    identifiers: int = 1000
    """Most entries of one recipient list."""
    attachments: int = 2
    """Most attachments of one email."""
    attachment_bytes: int = 1024 * 1024
    """Most bytes of one attachment, in base64."""


_RFC3339_UTC = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d{1,9})?(Z|\+00:00)", re.ASCII)
_DURATION = re.compile(r"\d{1,12}(\.\d{1,9})?s", re.ASCII)
_LOCALE = re.compile(r"[a-z]{2}|default|zh-Hans|zh-Hant", re.ASCII)
_APPLICATION = re.compile(r"[A-Za-z0-9]{5}-[A-Za-z0-9]{5}", re.ASCII)
_COLOUR = re.compile(r"#([0-9A-Fa-f]{2})?[0-9A-Fa-f]{6}", re.ASCII)
_EMAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


def notify_check(limits: Limits) -> Check:
    """The check of a whole NotifyRequest."""
    common: dict[str, Check] = {
        "schedule": SCHEDULE,
        "application": matching(_APPLICATION.fullmatch, "an application code such as XXXXX-XXXXX"),
        "platforms": list_of(name_of(PLATFORM_NAMES), least=1),
        "payload": PAYLOAD,
        "email_payload": _email_payload(limits),
        "campaign": filled,
        "frequency_capping": FREQUENCY_CAPPING,
        "send_rate": SEND_RATE,
        "message_type": name_of(("MESSAGE_TYPE_MARKETING", "MESSAGE_TYPE_TRANSACTIONAL")),
        "dynamic_content_placeholders": map_of(text),
        "meta_data": free,
    }
    content = ("payload", "email_payload")
    recipients = message({"list": filled_texts(least=1, most=limits.identifiers)}, required=("list",))
    segment = message(
        common | {"code": filled, "expression": filled, "filter_expression": free},
        required=("schedule",),
        one_of=(SEGMENT_KINDS, content),
    )
    transactional = message(
        common | dict.fromkeys(RECIPIENT_KINDS, recipients) | {"return_unknown_identifiers": flag, "use_latest_user_device": flag},
        required=("schedule",),
        one_of=(RECIPIENT_KINDS, content),
    )
    return message(
        {"segment": _with_platforms(segment), "transactional": _with_platforms(transactional)},
        one_of=(("segment", "transactional"),),
    )


def violations(body: object, raw: bytes, check: Check) -> tuple[Violation, ...]:
    """Everything that is wrong with a body; empty if it is valid. raw: the bytes that it was read from."""
    found = Found()
    # Only an escape can make half of a surrogate pair: UTF-8 cannot encode one.
    if b"\\u" in raw:
        lone_surrogates(body, "", found)
    check(body, "", found)
    return tuple(found)


def _moment(value: str) -> bool:
    parts = _RFC3339_UTC.fullmatch(value)
    if parts is None:
        return False
    try:
        datetime.fromisoformat(parts[1])
    except ValueError:
        return False
    return True


SCHEDULE = message(
    {
        "at": matching(_moment, "an RFC 3339 time in UTC such as 2026-05-01T09:00:00Z"),
        "after": matching(_DURATION.fullmatch, "a duration in seconds such as 90s or 1.5s"),
        "follow_user_timezone": flag,
        "past_timezones_behaviour": filled,
    },
    one_of=(("at", "after"),),
)
FREQUENCY_CAPPING = message(
    {"days": integer(1, 30), "count": integer(1), "avoid": flag, "exclude": flag},
    open_to_others=True,
)
SEND_RATE = message({"value": integer(1)}, open_to_others=True)


# ── payload

LIVE_UPDATE = message(
    {
        "op": name_of(("OPERATION_START", "OPERATION_UPDATE", "OPERATION_END")),
        "id": filled,
        "progress": number,
        "progress_indeterminate": flag,
        "progress_bar": flag,
        "chronometer": flag,
        "chronometer_count_down": flag,
        "show_when": flag,
        "segments": list_of(
            message(
                {"color": matching(_COLOUR.fullmatch, "a colour such as #RRGGBB or #AARRGGBB"), "length": integer(0)}, required=("color",)
            )
        ),
        "when": integer(0),
        "extras": free,
    },
    required=("op", "id"),
)
_ACTION = message(
    {
        "type": name_of(("ACTIVITY", "BROADCAST", "SERVICE")),
        "title": filled,
        "url": text,
        "action": text,
        "class": text,
        "extras": free,
    },
    required=("type", "title"),
)


def _android_root_params(value: Any, at: str, found: Found) -> None:
    """The field `pw_actions` is a JSON array, sent as a string."""
    free(value, at, found)
    actions = value.get("pw_actions") if isinstance(value, dict) else None
    if actions is None:
        return
    path = f"{at}.pw_actions"
    if not isinstance(actions, str):
        found.add(path, f"must be a JSON array in a string, not {kind_of(actions)}")
        return
    try:
        parsed = json.loads(actions)
    except (ValueError, RecursionError):
        found.add(path, "must be a JSON array in a string")
        return
    list_of(_ACTION)(parsed, path, found)


#: The fields of a block that we know of. The reference marks all but `title` and `body` as D (our reading), so other fields are accepted.
_BLOCK_FIELDS: Mapping[str, Check] = {
    **dict.fromkeys(("title", "body", "subtitle", "sound", "icon", "image", "category", "thread_id", "interruption_level"), text),
    **dict.fromkeys(("attachment", "badges", "banner", "delivery_priority"), text),
    "sound_enabled": flag,
    "priority": either("an integer or a string", int, str),
    "ttl": integer(0),
    "root_params": free,
    "buttons": list_of(free),
}


def _block(name: str) -> Check:
    if name == "android":
        live = {"live_update": LIVE_UPDATE, "root_params": _android_root_params}
        return message({**_BLOCK_FIELDS, **live}, open_to_others=True)
    if name in ("whatsapp", "kakao"):
        # The form of a template is not known: any value passes.
        return message(_BLOCK_FIELDS, one_of=(("body", "template"),), open_to_others=True)
    if name in ("sms", "telegram", "line"):
        return message(_BLOCK_FIELDS, required=("body",), open_to_others=True)
    return message(_BLOCK_FIELDS, open_to_others=True)


def _content(value: Any, at: str, found: Found) -> None:
    _CONTENT_FIELDS(value, at, found)
    if value == {}:
        found.add(at, "must have a block for at least one platform")


_CONTENT_FIELDS = message({name: _block(name) for name in BLOCKS})
_LOCALE_WANTED = "a locale: two letters of ISO 639-1, default, zh-Hans or zh-Hant"
LOCALIZED_CONTENT = message(
    {"localized_content": map_of(_content, key=_LOCALE.fullmatch, key_wanted=_LOCALE_WANTED, least=1)},
    required=("localized_content",),
)


def _open_action(value: Any, at: str, found: Found) -> None:
    """Exactly one field. The reference does not list all of them, so one unknown field is accepted."""
    _OPEN_ACTION_FIELDS(value, at, found)
    if isinstance(value, dict) and len(value) != 1:
        found.add(at, f"must have exactly one field, has {len(value)}")


_OPEN_ACTION_FIELDS = message(
    {
        "link": message({"url": filled}, required=("url",), open_to_others=True),
        "deep_link": message({"code": filled}, open_to_others=True),
        "rich_media": message({"code": filled, "url": filled}, open_to_others=True),
    },
    open_to_others=True,
)


def _payload(value: Any, at: str, found: Found) -> None:
    if isinstance(value, dict) and value.get("silent") is True and value.get("content", 0) in (None, {"localized_content": None}):
        value = {name: entry for name, entry in value.items() if name != "content"}  # content that says nothing
    _PAYLOAD_FIELDS(value, at, found)
    if isinstance(value, dict) and not value.keys() & {"preset", "content", "silent"}:
        found.add(at, "one of preset, content, silent is required: there is nothing to send")


_PAYLOAD_FIELDS = message(
    {
        "preset": filled,
        "content": LOCALIZED_CONTENT,
        "silent": flag,
        "custom_data": free,
        "open_action": _open_action,
        "open_actions": map_of(_open_action, key=PLATFORM_NUMBERS.__contains__, key_wanted="the number of a platform, as a string"),
        "voip_push": flag,
    },
    at_most_one_of=(("content", "silent"),),
)
PAYLOAD = _payload


# ── email

_CORRESPONDENT = message({"name": text, "email": matching(_EMAIL_ADDRESS.fullmatch, "an email address")})


def _email_payload(limits: Limits) -> Check:
    def base64_content(value: Any, at: str, found: Found) -> None:
        if not isinstance(value, str):
            found.add(at, f"must be base64 in a string, not {kind_of(value)}")
        elif len(value) > limits.attachment_bytes:
            found.add(at, f"must be at most {limits.attachment_bytes} bytes of base64, has {len(value)}")
        else:
            try:
                base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                found.add(at, "must be base64")

    attachment = message({"name": filled, "content": base64_content}, required=("name", "content"))
    return message(
        {
            "subject": map_of(text, key=_LOCALE.fullmatch, key_wanted=_LOCALE_WANTED, least=1),
            "body": filled,
            "email_template": filled,
            "attachments": list_of(attachment, most=limits.attachments),
            "list_unsubscribe": matching(_URL.fullmatch, "a URL"),
            "from": _CORRESPONDENT,
            "reply_to": _CORRESPONDENT,
        },
        one_of=(("body", "email_template"),),
    )


# ── platforms against content


def _with_platforms(fields: Check) -> Check:
    """Also checks what spans two fields: each platform has content, and each content has its platform."""

    def check(value: Any, at: str, found: Found) -> None:
        before = len(found)
        fields(value, at, found)
        # In a body that is already wrong, this would only repeat earlier violations in other words.
        if len(found) == before and "platforms" in value:
            _platforms_fit(value, at, found)

    return check


def _platforms_fit(value: Mapping[str, Any], at: str, found: Found) -> None:
    platforms = value["platforms"]
    if "email_payload" in value:
        for index, name in enumerate(platforms):
            if name != EMAIL[0]:
                found.add(f"{at}.platforms[{index}]", "only EMAIL takes an email_payload")
        return
    payload = value["payload"]
    for index, name in enumerate(platforms):
        if name == EMAIL[0]:
            found.add(f"{at}.platforms[{index}]", "EMAIL takes an email_payload, not a payload")
    if "content" not in payload or payload.get("silent"):
        return
    locales = payload["content"]["localized_content"]
    covered: set[str] = set()
    wanted = {*platforms, *(BROWSERS if WEB in platforms else ())}
    for locale, content in locales.items():
        for block in content:
            name = BLOCKS[block][0]
            covered |= {name, WEB} if name in BROWSERS else {name}
            if name not in wanted:
                found.add(f"{at}.payload.content.localized_content.{locale}.{block}", f"{name} is not one of the platforms")
    if "preset" in payload:
        return  # the preset may have the content of a platform without a block
    for index, name in enumerate(platforms):
        if name not in covered and name != EMAIL[0]:
            found.add(f"{at}.platforms[{index}]", f"{name} has no block in payload.content")
