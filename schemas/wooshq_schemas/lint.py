"""What will probably be cut, or is probably a slip: warnings about a valid intent. Never a reason to refuse it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wooshq_schemas.intent.model import Intent
from wooshq_schemas.platforms import PLATFORMS, Platform, Platforms
from wooshq_schemas.render import render
from wooshq_schemas.request import Block, FrequencyCapping, MessengerTemplate, OpenAction, SendRate
from wooshq_schemas.validation.names import nearest
from wooshq_schemas.validation.times import moment_of


@dataclass(frozen=True, slots=True)
class Warn:
    """One warning. field: path in the rendered request."""

    field: str
    problem: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """The object that `--json` prints."""
        return {"field": self.field, "problem": self.problem, "hint": self.hint}


#: GSM 03.38: one septet each; those of the extension table count two.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = frozenset("^{}\\[~]|€\f")


def is_application_code(text: str) -> bool:
    """Whether `text` has the shape that the reference gives every application code, XXXXX-XXXXX. wooshq itself takes others too."""
    return re.fullmatch(r"[A-Z0-9]{5}-[A-Z0-9]{5}", text) is not None


def lint(intent: Intent, *, now: datetime, platforms: Platforms = PLATFORMS) -> list[Warn]:
    """Everything worth a second look in what would be sent at `now` (aware)."""
    body = render(intent, now=now, platforms=platforms)
    kind, inner = next(iter(body.items()))
    out = [*_expiry(intent, now), *_request(kind, inner, now, platforms)]
    payload = inner.get("payload", {})
    for path, action in _actions(f"{kind}.payload", payload):
        out += _slips(path, action, OpenAction)
        out += _link(f"{path}.link.url", action.get("link", {}).get("url"))
    for name, model in (("send_rate", SendRate), ("frequency_capping", FrequencyCapping)):
        out += _slips(f"{kind}.{name}", inner.get(name, {}), model)
    if payload.get("silent") and "custom_data" in payload:
        out += _too_much_data(f"{kind}.payload.custom_data", payload["custom_data"], platforms)
    for locale, blocks in payload.get("content", {}).get("localized_content", {}).items():
        for block, fields in blocks.items():
            path = f"{kind}.payload.content.localized_content.{locale}.{block}"
            out += _slips(path, fields, Block)
            out += _slips(f"{path}.template", fields.get("template", {}), MessengerTemplate)
            if (row := platforms.by_block.get(block)) is not None:  # a correction may have renamed the block since the intent was checked
                out += _too_long(path, row, fields, payload)
            if not {"silent", "voip_push"} & payload.keys():
                out += _empty(path, fields)
    return out


def _expiry(intent: Intent, now: datetime) -> Iterator[Warn]:
    if intent.expires_at_dt is not None and intent.expires_at_dt <= now:
        yield Warn("expires_at", "lies in the past", "Nothing would be sent: the intent ends as expired")


def _request(kind: str, inner: Mapping[str, Any], now: datetime, platforms: Platforms) -> Iterator[Warn]:
    if not is_application_code(inner.get("application") or ""):
        yield Warn(f"{kind}.application", "does not look like an application code", "Pushwoosh's are XXXXX-XXXXX, in capitals and digits")
    at = inner["schedule"].get("at")
    if at is not None and (now - moment_of(at)).total_seconds() > 60:
        yield Warn(f"{kind}.schedule.at", "lies in the past", "The API will probably send at once, or refuse")
    payload = inner.get("payload")
    if payload is not None and not {"preset", "content", "silent", "voip_push"} & payload.keys():
        yield Warn(f"{kind}.payload", "has nothing to show", 'Give title or body, or "silent": true for data only')
    locales = inner.get("payload", {}).get("content", {}).get("localized_content")
    if locales is not None and "default" not in locales and "en" not in locales:
        yield Warn(
            f"{kind}.payload.content.localized_content",
            "has neither default nor en",
            "A device of another locale gets any of the texts; add default",
        )
    emails = [row.name for row in platforms if row.block is None]
    if "email_payload" in inner and not any(name in inner.get("platforms", ()) for name in emails):
        right = " or ".join(emails)
        yield Warn(f"{kind}.platforms", f"does not name {right}", f'An email payload goes with "platforms": ["{right}"]')
    attachments = inner.get("email_payload", {}).get("attachments", [])
    if len(attachments) > 2:
        yield Warn(f"{kind}.email_payload.attachments", f"has {len(attachments)} files", "API 1.3 took at most two")
    for i, attachment in enumerate(attachments):
        if len(attachment["content"]) > 1024 * 1024:
            yield Warn(f"{kind}.email_payload.attachments.{i}", "is larger than 1 MB in base64", "API 1.3 took at most that; send a link")


def _actions(path: str, payload: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "open_action" in payload:
        yield f"{path}.open_action", payload["open_action"]
    for number, action in payload.get("open_actions", {}).items():
        yield f"{path}.open_actions.{number}", action


def _link(path: str, url: object) -> Iterator[Warn]:
    """What opens on a tap must be a whole URL: a device does not know to which site `/orders` or `shop.example/orders` belongs."""
    if isinstance(url, str) and not _is_absolute(url):
        yield Warn(
            path, "is not an absolute URL, and will probably open nothing", "Right would be https://… or your app's own, such as myapp://…"
        )


def _is_absolute(url: str) -> bool:
    scheme, colon, rest = url.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return False
    if scheme.lower() in ("tel", "sms"):
        return bool(rest)
    if scheme.lower() in ("http", "https"):
        return re.match(r"//[^/?#\s]", rest) is not None
    # `shop.example:8080/x` and `localhost:8080` have a port there, `mailto:` an address.
    return len(rest) > 2 and (rest.startswith("//") or ("." not in scheme and not rest[0].isdigit()))


def _empty(path: str, fields: Mapping[str, Any]) -> Iterator[Warn]:
    """Texts that are there and say nothing."""
    named = [name for name in ("title", "body") if name in fields]
    if named and not any(str(fields[name]).strip() for name in named):
        are = "is" if len(named) == 1 else "are"
        yield Warn(path, f"{' and '.join(named)} {are} empty: nothing would be shown", 'Give a text, or "silent": true for data only')


def _slips(path: str, fields: Mapping[str, Any], model: type) -> Iterator[Warn]:
    """Names that pass because the form is open, and are near to one that is known."""
    known = list(model.model_fields)  # type: ignore[attr-defined]
    for name in fields:
        near = None if name in known else nearest(name, known)
        if near is not None and near not in fields:
            yield Warn(f"{path}.{name[:64]}", "is not a field that the reference knows, and passes as it is", f"Did you mean {near}?")


def _too_much_data(path: str, data: object, platforms: Platforms) -> Iterator[Warn]:
    """A silent push has no blocks: its data alone is held against the tightest of the platforms that a push goes to by default."""
    limits = [row.limit for row in platforms.defaults["push"] if row.limit is not None]
    most, size = min((limit.bytes for limit in limits), default=0), _size(data)
    if size > most > 0:
        services = " and ".join(dict.fromkeys(limit.service for limit in limits if limit.bytes == most))
        yield Warn(path, f"is {size} bytes, and {services} take {most}", "Send a reference to the data")


def _too_long(path: str, row: Platform, fields: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterator[Warn]:
    if row.channel == "sms":
        yield from _sms(f"{path}.body", fields.get("body", ""))
    if row.limit is None:
        return
    most = row.limit.bytes
    if payload.get("voip_push"):
        most = row.limit.voip_bytes or most
    bound = {k: v for k, v in fields.items() if k != "live_update"}
    size = _size(bound) + (_size(payload["custom_data"]) if "custom_data" in payload else 0)
    if size > most:
        problem = f"is about {size} bytes with custom_data, and {row.limit.service} takes {most}"
        yield Warn(path, problem, "The message will probably be cut or refused")


def _sms(path: str, text: str) -> Iterator[Warn]:
    if all(c in _GSM or c in _GSM_EXTENSION for c in text):
        length, alphabet, one, joined = len(text) + sum(c in _GSM_EXTENSION for c in text), "GSM-7", 160, 153
    else:
        length, alphabet, one, joined = len(text.encode("utf-16-le")) // 2, "UCS-2", 70, 67
    if length > one:
        parts = -(-length // joined)
        yield Warn(path, f"takes {parts} SMS ({length} characters of {alphabet}, {one} fit into one)", "Each part is charged")


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
