"""One entry of `notifications` as intents: usually one; more for a long list, or for a push and an SMS in one entry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wooshq_schemas.api_1_3.overrides import overrides_of
from wooshq_schemas.api_1_3.reading import Reading, is_yes
from wooshq_schemas.api_1_3.schedule import schedule_of
from wooshq_schemas.api_1_3.target import targets_of
from wooshq_schemas.api_1_3.texts import text_of
from wooshq_schemas.platforms import Platform, Platforms

_CAPPING: Final = {"capping_days": "days", "capping_count": "count", "capping_avoid": "avoid", "capping_exclude": "exclude"}
_MESSAGE_TYPES: Final = {"marketing": "MESSAGE_TYPE_MARKETING", "transactional": "MESSAGE_TYPE_TRANSACTIONAL"}
_TEXT_KINDS: Final = ("sms", "whatsapp", "telegram", "kakao", "line")

#: Field → what the exact form has for it.
_ONLY_EXACT: Final[Mapping[str, str]] = {
    "rich_media": 'payload.open_action = {"rich_media": {"code": "…"}}',
    "page_id": 'payload.open_action = {"rich_media": {"code": "…"}}',
    "rich_page_id": 'payload.open_action = {"rich_media": {"code": "…"}}',
    "deep_link": 'payload.open_action = {"deep_link": {"code": "…", "params": {}}}',
}
#: Field → hint. Nothing in v2 says it.
_GONE: Final[Mapping[str, str]] = {
    "remote_page": "Use link",
    "remote_url": "Use link",
    "minimize_link": "Shorten the link yourself",
    "template_bindings": "Use dynamic_content_placeholders",
}


def intents_of(reading: Reading, application: str | None, list_limit: int, table: Platforms) -> list[dict[str, Any]]:
    """The intents; empty if the reading refuses the entry."""
    rows = _rows(reading, table)
    messages = _messages(reading, rows, table)
    targets = targets_of(reading, application, list_limit)
    common = _common(reading, application)
    transaction = reading.take("transactionId")
    for name in reading.rest:
        if name in _ONLY_EXACT:
            reading.note(name, "does not exist in the plain form and is left out", f"The exact form has {_ONLY_EXACT[name]}")
        else:
            reading.note(name, "has no known equivalent in v2", _GONE.get(name, ""))
    if reading.refused:
        return []
    made = [
        {**common, "to": target, **({"platforms": [row.name for row in named]} if named else {}), "message": message}
        for message, named in messages
        for target in targets
    ]
    return made if transaction is None else _with_keys(made, str(transaction))


def _rows(reading: Reading, table: Platforms) -> list[Platform]:
    """The platforms that the entry names, without those that v2 does not know. Empty if it names none."""
    given = reading.take("platforms")
    if given is None:
        reading.note(
            "platforms",
            "is missing: API 1.3 sends to every platform of the application, but an intent goes only to IOS and ANDROID",
            "Name them",
        )
        return []
    listed = given if isinstance(given, list) else [given]
    rows, unknown = [], 0
    for one in listed:
        row = table.by_number.get(str(one))
        unknown += row is None
        rows += [row] if row is not None and row not in rows else []
    if unknown and rows:
        numbers = "a number" if unknown == 1 else f"{unknown} numbers"
        reading.note("platforms", f"has {numbers} that v2 does not know", "The message does not go there")
    elif not rows:
        reading.refuse("platforms", "has no number that v2 knows", "Use 1 for iOS, 3 for Android")
    return rows


def _messages(reading: Reading, rows: Sequence[Platform], table: Platforms) -> list[tuple[dict[str, Any], list[Platform]]]:
    """(message, its platforms) for each kind of message that the entry's platforms need."""
    push_rows = [row for row in rows if row.channel == "push"]
    out: list[tuple[dict[str, Any], list[Platform]]] = []
    preset, content = reading.take("preset"), text_of(reading, "content")
    if preset is not None and content is None:
        return [({"preset": str(preset)}, list(rows))]
    if preset is not None:
        reading.note("preset", "is not used beside content", "The exact form takes both: payload.preset and payload.content")
    if not rows and not reading.refused:
        names = " and ".join(row.name for row in table.defaults["push"])
        reading.note(
            "platforms", f"is missing: API 1.3 sends to every platform of the application, but an intent goes only to {names}", "Name them"
        )
    if push_rows or not rows:
        out.append(({"push": _push(reading, content, push_rows or table.defaults["push"], table)}, push_rows))
    for kind in _TEXT_KINDS:
        own = [row for row in rows if row.channel == kind]
        if own and content is None:
            reading.refuse("content", f"is required for {own[0].name}")
        elif own:
            out.append(({kind: {"body": content}}, own))
    if any(row.channel == "email" for row in rows):
        reading.note("platforms", "has EMAIL, but API 1.3 sends an email with createEmailMessage", "Use message.email: subject, body")
    if len(out) > 1:
        reading.note("platforms", f"became {len(out)} intents: each kind of message has its own")
    if not out and not reading.refused:
        reading.refuse("platforms", "names only EMAIL, which createMessage does not send", "Use message.email: subject, body")
    return out


def _push(reading: Reading, content: Any, rows: Sequence[Platform], table: Platforms) -> dict[str, Any]:
    push: dict[str, Any] = {}
    silent = [name for name in ("ios_silent", "android_silent") if is_yes(reading.given.get(name))]
    if silent and {row.name for row in rows} <= {table.by_block[name.removesuffix("_silent")].name for name in silent}:
        for name in ("ios_silent", "android_silent"):
            reading.take(name)
        push["silent"] = True
        if content is not None:
            reading.note("content", "is not shown: the message is silent", "Remove silent to show it")
    else:
        push |= {name: text for name in ("title", "subtitle") if (text := text_of(reading, name)) is not None}
        if content is not None:
            push["body"] = content
        if overrides := overrides_of(reading, rows, table):
            push["overrides"] = overrides
        if not push:
            reading.refuse("content", "is required")
    if (link := reading.take("link")) is not None:
        push["link"] = link
    if (data := _data(reading)) is not None:
        push["data"] = data
    return push


def _data(reading: Reading) -> dict[str, Any] | None:
    """Custom data: an object, or JSON text of one."""
    data = reading.take("data")
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError):
            data = ""
    if data is None or isinstance(data, dict):
        return data
    reading.refuse("data", "must be an object")
    return None


def _common(reading: Reading, application: str | None) -> dict[str, Any]:
    """The fields of an intent besides target and message."""
    out: dict[str, Any] = {} if application is None else {"application": application}
    if (schedule := schedule_of(reading)) is not None:
        out["schedule"] = schedule
    if (campaign := reading.take("campaign")) is not None:
        out["campaign"] = str(campaign)
    if (rate := reading.take("send_rate")) is not None:
        out["send_rate"] = {"value": rate}
    capping = {name: value for old, name in _CAPPING.items() if (value := reading.take(old)) is not None}
    for name in ("avoid", "exclude"):
        if name in capping:
            capping[name] = is_yes(capping[name])
    if capping:
        out["frequency_capping"] = capping
    if (kind := reading.take("message_type")) is not None:
        if str(kind).lower() in _MESSAGE_TYPES:
            out["message_type"] = _MESSAGE_TYPES[str(kind).lower()]
        else:
            reading.note("message_type", "has a value that v2 does not know", "Use MESSAGE_TYPE_MARKETING or MESSAGE_TYPE_TRANSACTIONAL")
    if isinstance(values := reading.take("dynamic_content_placeholders"), dict):
        out["placeholders"] = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return out


def _with_keys(made: list[dict[str, Any]], transaction: str) -> list[dict[str, Any]]:
    """`transactionId` made a repeat harmless for a day. An idempotency key does so for as long as it is kept; each intent needs its own."""
    return [{**intent, "idempotency_key": transaction if n == 0 else f"{transaction}-{n + 1}"} for n, intent in enumerate(made)]
