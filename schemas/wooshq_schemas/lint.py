"""Warnings about a valid intent: what platforms will probably cut, and probable mistakes. A warning never refuses an intent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from wooshq_schemas.intent.model import Intent
from wooshq_schemas.platforms import PLATFORMS, Platform, Platforms
from wooshq_schemas.render import render
from wooshq_schemas.request import Block, DeepLink, FrequencyCapping, Link, OpenAction, RichMedia, SendRate
from wooshq_schemas.template.texts import doubled_in
from wooshq_schemas.validation.names import nearest
from wooshq_schemas.validation.times import moment_of

#: Characters of GSM 03.38: one septet each. Those of its extension table count two.
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION: Final = frozenset("^{}\\[~]|€\f")

#: API 1.3 published these limits; v2 publishes none.
_MOST_ATTACHMENTS: Final = 2
_LARGEST_ATTACHMENT: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Warn:
    """One warning. field: path in the rendered request."""

    field: str
    problem: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """The object that `--json` prints."""
        return {"field": self.field, "problem": self.problem, "hint": self.hint}


def is_application_code(text: str) -> bool:
    """Whether `text` has the shape of application codes in the reference, XXXXX-XXXXX. wooshq itself accepts other shapes too."""
    return re.fullmatch(r"[A-Z0-9]{5}-[A-Z0-9]{5}", text) is not None


def lint(intent: Intent, *, now: datetime, platforms: Platforms = PLATFORMS) -> list[Warn]:
    """All warnings about the request that would be sent at `now` (aware)."""
    body = render(intent, now=now, platforms=platforms)
    kind, inner = next(iter(body.items()))
    return [
        *_expiry(intent, now),
        *_camel_case(intent),
        *_request(kind, inner, now),
        *_email(kind, inner, platforms),
        *_doubled_braces(kind, inner),
        *_near_misses(f"{kind}.send_rate", inner.get("send_rate", {}), SendRate),
        *_near_misses(f"{kind}.frequency_capping", inner.get("frequency_capping", {}), FrequencyCapping),
        *(_payload(f"{kind}.payload", inner["payload"], platforms) if "payload" in inner else ()),
    ]


# ── The request as a whole ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _expiry(intent: Intent, now: datetime) -> Iterator[Warn]:
    if intent.expires_at_dt is not None and intent.expires_at_dt <= now:
        yield Warn("expires_at", "is in the past", "Nothing would be sent: the intent ends as expired")


def _camel_case(intent: Intent) -> Iterator[Warn]:
    for path in getattr(intent, "camel_case", ()):  # an intent from the ledger is in snake_case
        yield Warn(path.removeprefix("request."), "is written in camelCase; it is sent in snake_case", "The reference uses snake_case")


def _request(kind: str, inner: Mapping[str, Any], now: datetime) -> Iterator[Warn]:
    if not is_application_code(inner.get("application") or ""):
        yield Warn(
            f"{kind}.application", "does not look like an application code", "Pushwoosh's codes are XXXXX-XXXXX, with capitals and digits"
        )
    at = inner["schedule"].get("at")
    if at is not None and (now - moment_of(at)).total_seconds() > 60:
        yield Warn(f"{kind}.schedule.at", "is in the past", "The API will probably send at once, or refuse the request")


def _email(kind: str, inner: Mapping[str, Any], platforms: Platforms) -> Iterator[Warn]:
    if "email_payload" not in inner:
        return
    names = [row.name for row in platforms if row.channel == "email"]
    if not any(name in inner.get("platforms", ()) for name in names):
        right = " or ".join(names)
        yield Warn(f"{kind}.platforms", f"does not contain {right}", f'An email payload needs "platforms": ["{right}"]')
    attachments = inner["email_payload"].get("attachments", [])
    if len(attachments) > _MOST_ATTACHMENTS:
        yield Warn(f"{kind}.email_payload.attachments", f"has {len(attachments)} files", f"API 1.3 accepted at most {_MOST_ATTACHMENTS}")
    for i, attachment in enumerate(attachments):
        if len(attachment["content"]) > _LARGEST_ATTACHMENT:
            path = f"{kind}.email_payload.attachments.{i}"
            yield Warn(path, "is larger than 1 MB in base64", "API 1.3 accepted at most 1 MB. Send a link instead")


def _doubled_braces(kind: str, inner: Mapping[str, Any]) -> Iterator[Warn]:
    texts = {name: inner[name] for name in ("payload", "email_payload") if name in inner}
    for path, name in doubled_in(texts, kind):
        problem = f"has {{{{{name}}}}} in doubled braces: people may read the value in braces"
        yield Warn(path, problem, f"Write {{{name}}}, unless you mean a tag in Pushwoosh's Liquid")


# ── The payload ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _payload(path: str, payload: Mapping[str, Any], platforms: Platforms) -> Iterator[Warn]:
    if not {"preset", "content", "silent", "voip_push"} & payload.keys():
        yield Warn(path, "has nothing to show", 'Give title or body, or "silent": true to send only data')
    for name, action in _actions(payload):
        yield from _open_action(f"{path}.{name}", action)
        yield from _link(f"{path}.{name}.link.url", action.get("link", {}).get("url"))
    if payload.get("silent") and "custom_data" in payload:
        yield from _too_much_data(f"{path}.custom_data", payload["custom_data"], platforms)
    if "content" in payload:
        yield from _content(f"{path}.content.localized_content", payload, platforms)


def _content(path: str, payload: Mapping[str, Any], platforms: Platforms) -> Iterator[Warn]:
    locales = payload["content"]["localized_content"]
    if "default" not in locales and "en" not in locales:
        yield Warn(path, "has neither default nor en", "A device with another locale may get any of the texts. Add default")
    for locale, blocks in locales.items():
        for block, fields in blocks.items():
            place = f"{path}.{locale}.{block}"
            yield from _near_misses(place, fields, Block)
            yield from _values(place, fields)
            if (row := platforms.by_block.get(block)) is not None:  # the intent may be older than a correction of the table
                yield from _too_long(place, row, fields, payload)
            if not {"silent", "voip_push"} & payload.keys():
                yield from _empty(place, fields)


def _actions(payload: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "open_action" in payload:
        yield "open_action", payload["open_action"]
    for number, action in payload.get("open_actions", {}).items():
        yield f"open_actions.{number}", action


_FIELDS_OF_ACTION: Final[Mapping[str, type[BaseModel]]] = {"link": Link, "deep_link": DeepLink, "rich_media": RichMedia}


def _open_action(path: str, action: Mapping[str, Any]) -> Iterator[Warn]:
    """The reference knows an open action from one client, so every other field is worth a look: `remote_page` of API 1.3, a new one."""
    for name, value in action.items():
        if name in _FIELDS_OF_ACTION:
            yield from _near_misses(f"{path}.{name}", value, _FIELDS_OF_ACTION[name])
        else:
            known = ", ".join(OpenAction.model_fields)
            yield Warn(f"{path}.{name[:64]}", "is not known for v2; it is sent unchanged", f"Known open actions: {known}")


_PRIORITIES: Final = ("PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX")
_DELIVERY_PRIORITIES: Final = ("NORMAL", "HIGH")


def _values(path: str, fields: Mapping[str, Any]) -> Iterator[Warn]:
    """Values of a block whose form is known from one client only, or not at all."""
    if "template" in fields:
        hint = "Ask Pushwoosh for the form, or store the message as a preset and send that"
        yield Warn(f"{path}.template", "has a form that is not known for v2; it is sent unchanged", hint)
    for name, known in (("priority", _PRIORITIES), ("delivery_priority", _DELIVERY_PRIORITIES)):
        if name in fields and fields[name] not in known:
            yield Warn(f"{path}.{name}", "has a value that is not known for v2; it is sent unchanged", f"Known values: {', '.join(known)}")


def _link(path: str, url: object) -> Iterator[Warn]:
    """A link must be an absolute URL: a device does not know to which site `/orders` or `shop.example/orders` belongs."""
    if isinstance(url, str) and not _is_absolute(url):
        yield Warn(
            path, "is not an absolute URL and will probably open nothing", "Use https://… or a scheme of your app, such as myapp://…"
        )


def _is_absolute(url: str) -> bool:
    scheme, colon, rest = url.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return False
    if scheme.lower() in ("tel", "sms"):
        return bool(rest)
    if scheme.lower() in ("http", "https"):
        return re.match(r"//[^/?#\s]", rest) is not None
    # After the colon, `shop.example:8080/x` and `localhost:8080` have a port, `mailto:` has an address.
    return len(rest) > 2 and (rest.startswith("//") or ("." not in scheme and not rest[0].isdigit()))


def _empty(path: str, fields: Mapping[str, Any]) -> Iterator[Warn]:
    given = [name for name in ("title", "body") if name in fields]
    if given and not any(str(fields[name]).strip() for name in given):
        are = "is" if len(given) == 1 else "are"
        yield Warn(path, f"{' and '.join(given)} {are} empty: nothing would be shown", 'Give a text, or "silent": true to send only data')


def _near_misses(path: str, fields: Mapping[str, Any], model: type[BaseModel]) -> Iterator[Warn]:
    """Unknown names that are close to a known one. The models allow them, because the object may have other fields."""
    known = list(model.model_fields)
    for name in fields:
        near = None if name in known else nearest(name, known)
        if near is not None and near not in fields:
            yield Warn(f"{path}.{name[:64]}", "is not in the reference; it is sent unchanged", f"Did you mean {near}?")


# ── Lengths ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _too_much_data(path: str, data: object, platforms: Platforms) -> Iterator[Warn]:
    """A silent push has no blocks, so only its data counts: against the lowest limit of the platforms that a push goes to by default."""
    limits = [row.limit for row in platforms.defaults["push"] if row.limit is not None]
    most, size = min((limit.bytes for limit in limits), default=0), _size(data)
    if size > most > 0:
        services = " and ".join(dict.fromkeys(limit.service for limit in limits if limit.bytes == most))
        yield Warn(path, f"is {size} bytes; {services} take at most {most}", "Send a reference to the data instead")


def _too_long(path: str, row: Platform, fields: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterator[Warn]:
    if row.channel == "sms":
        yield from _sms(f"{path}.body", fields.get("body", ""))
    if row.limit is None:
        return
    most = row.limit.bytes
    if payload.get("voip_push"):
        most = row.limit.voip_bytes or most
    counted = {name: value for name, value in fields.items() if name != "live_update"}
    size = _size(counted) + (_size(payload["custom_data"]) if "custom_data" in payload else 0)
    if size > most:
        problem = f"is about {size} bytes with custom_data; {row.limit.service} takes at most {most}"
        yield Warn(path, problem, "The message will probably be cut or refused")


def _sms(path: str, text: str) -> Iterator[Warn]:
    if all(c in _GSM or c in _GSM_EXTENSION for c in text):
        length, alphabet, one, joined = len(text) + sum(c in _GSM_EXTENSION for c in text), "GSM-7", 160, 153
    else:
        length, alphabet, one, joined = len(text.encode("utf-16-le")) // 2, "UCS-2", 70, 67
    if length > one:
        parts = -(-length // joined)
        yield Warn(path, f"takes {parts} SMS: {length} characters of {alphabet}, and one SMS holds {one}", "Each SMS is charged")


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
