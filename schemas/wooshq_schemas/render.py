"""Turns an intent into a v2 request body. Pure: no I/O, no clock of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from wooshq_schemas.intent.model import Email, Intent, Message, Push, PushOverride, TemplatedMessage, Text, TextMessage, TextOverride
from wooshq_schemas.platforms import PLATFORMS, Platform, Platforms
from wooshq_schemas.validation.times import moment_of, utc_text

_TEXTS = ("title", "subtitle", "body")
_PLAIN = ("image", "icon", "sound", "priority", "category", "thread_id", "buttons", "root_params")


def render(intent: Intent, *, now: datetime, platforms: Platforms = PLATFORMS) -> dict[str, Any]:
    """
    The body of `POST /messaging/v2/notify`. now: aware; becomes the schedule if the intent has none.

    The exact form is sent unchanged. Only a missing application is filled in.
    """
    if intent.request is not None:
        ((kind, inner),) = intent.request.items()
        assert isinstance(inner, dict)  # checked as a NotifyRequest
        return {kind: inner if "application" in inner else {"application": intent.application, **inner}}
    listed = intent.to.listed
    rows = platforms.reached_by(intent.message.kind, intent.platforms)
    out: dict[str, Any] = {"application": intent.application}
    if rows:
        out["platforms"] = [row.name for row in rows]
    if listed is not None:
        out[listed[0]] = {"list": list(dict.fromkeys(listed[1]))}  # a recipient named twice gets the message once
    elif intent.to.segment is not None:
        out["code"] = intent.to.segment
    elif intent.to.expression is not None:
        out["expression"] = intent.to.expression
    else:
        out["filter_expression"] = intent.to.filter
    if intent.message.email is not None:
        out["email_payload"] = _email(intent.message.email)
    else:
        out["payload"] = _payload(intent.message, rows, platforms)
    out["schedule"] = {"at": utc_text(now)} if intent.schedule is None else _in_utc(_dump(intent.schedule))
    for name in ("campaign", "meta_data"):
        if getattr(intent, name) is not None:
            out[name] = getattr(intent, name)
    for name in ("frequency_capping", "send_rate"):
        if getattr(intent, name) is not None:
            out[name] = _dump(getattr(intent, name))
    if intent.placeholders is not None:
        out["dynamic_content_placeholders"] = intent.placeholders
    if intent.message_type is not None:
        out["message_type"] = intent.message_type.value
    else:
        out["message_type"] = "MESSAGE_TYPE_MARKETING" if listed is None else "MESSAGE_TYPE_TRANSACTIONAL"
    if listed is None:
        return {"segment": out}
    out["return_unknown_identifiers"] = True if intent.return_unknown_identifiers is None else intent.return_unknown_identifiers
    if intent.use_latest_user_device is not None:
        out["use_latest_user_device"] = intent.use_latest_user_device
    return {"transactional": out}


def _payload(message: Message, rows: Sequence[Platform], platforms: Platforms) -> dict[str, Any]:
    if message.preset is not None:
        return {"preset": message.preset}
    if message.push is not None:
        return _push(message.push, rows, platforms)
    plain: TextMessage | TemplatedMessage = getattr(message, message.kind)
    fields: dict[str, Any] = {}
    if isinstance(plain, TemplatedMessage) and plain.template is not None:
        fields["template"] = plain.template
    texts = {} if plain.body is None else {"body": plain.body}
    replacing = _replacing(plain.overrides, platforms)
    out: dict[str, Any] = {"content": {"localized_content": _localized(texts, fields, replacing, rows)}}
    if links := _links(replacing, rows):
        out["open_actions"] = links
    return out


def _push(push: Push, rows: Sequence[Platform], platforms: Platforms) -> dict[str, Any]:
    rows = platforms.with_parts(rows)
    out: dict[str, Any] = {}
    replacing = _replacing(push.overrides, platforms)
    if push.silent:
        out["silent"] = True
    else:
        texts: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        given = push.model_fields_set
        for name in _TEXTS:
            if name in given:
                texts[name] = getattr(push, name)
        if len(given) > len(texts):
            for name in _PLAIN:
                if name in given:
                    fields[name] = getattr(push, name)
            if push.badge is not None:
                fields["badges"] = str(push.badge)
            if push.ttl_s is not None:
                fields["ttl"] = push.ttl_s
            if push.live_update is not None:
                for row in platforms.with_live_updates:
                    replacing.setdefault(row.name, {}).setdefault("live_update", _dump(push.live_update))
        content = _localized(texts, fields, replacing, rows)
        if content:
            out["content"] = {"localized_content": content}
    if push.data is not None:
        out["custom_data"] = push.data
    if push.link is not None:
        out["open_action"] = {"link": {"url": push.link}}
    if links := _links(replacing, rows):
        out["open_actions"] = links
    if push.voip is not None:
        out["voip_push"] = push.voip
    return out


def _replacing(overrides: Mapping[str, PushOverride | TextOverride] | None, platforms: Platforms) -> dict[str, dict[str, Any]]:
    """Platform's name in the API → the fields that replace those of the message there. `ttl_s` and `badge` get the API's names."""
    out: dict[str, dict[str, Any]] = {}
    groups: list[Platform] = []
    for name, override in (overrides or {}).items():
        row = platforms.named(name)
        fields = _dump(override)
        if "ttl_s" in fields:
            fields["ttl"] = fields.pop("ttl_s")
        if "badge" in fields:
            fields["badges"] = str(fields.pop("badge"))
        if row is not None:  # the intent may be older than a correction of the table
            out.setdefault(row.name, {}).update(fields)
            groups += [row] if row.parts else []
    for group in groups:  # what is given for a group holds for its platforms, unless they have their own
        shared = {name: value for name, value in out[group.name].items() if name != "link"}
        for row in platforms.parts_of(group):
            out[row.name] = {**shared, **out.get(row.name, {})}
    return out


def _links(replacing: Mapping[str, Mapping[str, Any]], rows: Sequence[Platform]) -> dict[str, Any]:
    """The open actions of platforms with their own link. Intents with a link for a platform without a known number are refused."""
    return {str(row.number): {"link": {"url": url}} for row in rows if (url := replacing.get(row.name, {}).get("link")) is not None}


def _localized(
    texts: Mapping[str, Text], fields: Mapping[str, Any], replacing: Mapping[str, Mapping[str, Any]], rows: Sequence[Platform]
) -> dict[str, Any]:
    """All locales of the texts, each with a complete block for each platform. A text that lacks a locale uses its own fallback there."""
    if not replacing:
        if all(type(text) is str for text in texts.values()):  # by far the most frequent case
            block = {**texts, **fields}
            return {"default": {row.block: block.copy() for row in rows if row.block is not None}} if block else {}
        wholes = [(row.block, texts, fields) for row in rows if row.block is not None]
    else:
        wholes = []
        for row in rows:
            if row.block is None:
                continue
            own = replacing.get(row.name, {})
            own_texts = {**texts, **{name: own[name] for name in _TEXTS if name in own}}
            own_fields = {**fields, **{name: value for name, value in own.items() if name not in _TEXTS and name != "link"}}
            if "template" in own and "body" not in own:  # a template stands for the text
                own_texts.pop("body", None)
            wholes.append((row.block, own_texts, own_fields))
    out: dict[str, Any] = {}
    for locale in _locales([text for _, its_texts, _ in wholes for text in its_texts.values()]):
        blocks = {
            block: {**{name: _in_locale(text, locale) for name, text in its_texts.items()}, **its_fields}
            for block, its_texts, its_fields in wholes
            if its_texts or its_fields
        }
        if blocks:
            out[locale] = blocks
    return out


def _locales(texts: Iterable[Text]) -> list[str]:
    """The locales of the texts, in order of appearance. Adds `default` if it and `en` are missing: every device needs a fallback."""
    found: dict[str, None] = {}
    for text in texts:
        if isinstance(text, str):
            found["default"] = None
        else:
            found.update(dict.fromkeys(text))
    if "default" not in found and "en" not in found:
        found["default"] = None
    return list(found)


def _in_locale(text: str | dict[str, str], locale: str) -> str:
    if isinstance(text, str):
        return text
    for wanted in (locale, "default", "en"):
        if wanted in text:
            return text[wanted]
    return next(iter(text.values()))


def _email(email: Email) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if email.subject is not None:
        subject = {"default": email.subject} if isinstance(email.subject, str) else dict(email.subject)
        if "default" not in subject and "en" not in subject:
            subject["default"] = next(iter(subject.values()))
        out["subject"] = subject
    if email.body is not None:
        out["body"] = email.body
    if email.template is not None:
        out["email_template"] = email.template
    if email.attachments is not None:
        out["attachments"] = [_dump(a) for a in email.attachments]
    if email.from_ is not None:
        out["from"] = _dump(email.from_)
    if email.reply_to is not None:
        out["reply_to"] = _dump(email.reply_to)
    if email.list_unsubscribe is not None:
        out["list_unsubscribe"] = email.list_unsubscribe
    return out


def _in_utc(schedule: dict[str, Any]) -> dict[str, Any]:
    """The schedule with `at` in UTC, as the reference demands. A plain intent may use any time zone."""
    at = schedule.get("at")
    if at is not None and not at.endswith("Z"):
        schedule["at"] = moment_of(at).astimezone(UTC).isoformat().replace("+00:00", "Z")
    return schedule


def _dump(model: Any) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)
