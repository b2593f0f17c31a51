"""The template of a fan-out: an intent without `to`, written once, and the requests that it becomes for its recipients."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from json.encoder import encode_basestring as _quoted  # json.dumps makes an encoder for each text that is not only ASCII
from typing import Any, Final

from wooshq_schemas.intent.door import load_stored, migrated, parse_intent
from wooshq_schemas.intent.model import MODEL_VERSION, Intent
from wooshq_schemas.platforms import PLATFORMS, Platforms
from wooshq_schemas.recipient_lists import LISTS
from wooshq_schemas.render import render
from wooshq_schemas.validation.json_text import read
from wooshq_schemas.validation.problem import IntentInvalid, Problem
from wooshq_schemas.validation.times import utc_text

_OF_ONE_INTENT: Final = ("id", "to", "lane")
"""Fields of an intent that a template cannot have."""

_WHY_NOT: Final[Mapping[str, tuple[str, str]]] = {
    "id": ("is not allowed in a template: it identifies one intent", "Leave it out; the job gets an id"),
    "to": ("is not allowed in a template: recipients are given separately", "Leave it out; give the recipients as a file or an iterable"),
    "lane": ("is not allowed in a template: a fan-out always uses the bulk lane", "Leave it out"),
}

_SOMEBODY: Final = "somebody"
"""An identifier that stands for the recipients while a template is checked and compiled."""
#: Marks of the places that are filled in for each call. No template contains them: intents with NUL are refused.
_IDENTIFIERS, _PLACEHOLDERS, _NOW = "\0I", "\0P", "\0N"
_IN_TEXT: Final = re.compile(r"\{\s*([^\W\d][\w .-]{0,99}?)\s*(?:\|[^{}]*)?\}")
_PLACES: Final = re.compile(r'"\\u0000([IPN])"')


class Template:
    """
    A checked template. Make it with `parse_template` or `load_stored`. Do not change it afterwards.

    It is compiled once for each kind of list and each locale. A request is then a few pieces of text that are joined.
    """

    def __init__(self, data: Mapping[str, Any], *, platforms: Platforms = PLATFORMS) -> None:
        """data: as `parse_template` checked it."""
        self._data = dict(data)
        self._platforms = platforms
        self._intent = self._for("users", [_SOMEBODY], None, None)
        self._compiled: dict[tuple[str, str | None, bool], list[str]] = {}
        self._stamped: tuple[datetime | None, str] = (None, "")

    @classmethod
    def load_stored(cls, raw: str | bytes, version: int, *, platforms: Platforms = PLATFORMS) -> Template:
        """A template from the ledger. Raises NewerModel if a newer wooshq wrote it, IntentInvalid if today's models refuse it."""
        return cls(migrated(json.loads(raw), version), platforms=platforms)

    def to_json(self) -> str:
        """Compact JSON for `load_stored`."""
        return json.dumps(self._data, ensure_ascii=False, separators=(",", ":"))

    @property
    def application(self) -> str:
        return self._intent.application

    @property
    def campaign(self) -> str | None:
        return self._intent.campaign

    @property
    def idempotency_key(self) -> str | None:
        """The job's key: the same template with the same key is one job."""
        return self._data.get("idempotency_key")

    @property
    def on_unknown(self) -> str | None:
        return self._intent.on_unknown

    @property
    def ttl_s(self) -> int | None:
        return self._intent.ttl_s

    @property
    def expires_at(self) -> datetime | None:
        return self._intent.expires_at_dt

    @cached_property
    def locales(self) -> frozenset[str]:
        """The locales of its texts; empty if each text is for all locales."""
        return frozenset(_locales(self._data))

    @cached_property
    def names_in_texts(self) -> frozenset[str] | None:
        """Placeholders that its texts name (`{city}`, `{city|CapitalizeFirst|here}`); None if Pushwoosh stores its content."""
        said = self._data.get("message", self._data.get("request"))
        return None if _is_stored_elsewhere(said) else frozenset(_named(said))

    @property
    def own_placeholders(self) -> frozenset[str]:
        """Placeholders that the template gives, for recipients that do not have their own."""
        return frozenset(self._placeholders)

    def locale_of(self, locale: str | None) -> str | None:
        """
        The locale that decides which texts a recipient gets: its own, `default` if no text has it, None if there is nothing to choose.

        Recipients with the same result can share a call.
        """
        if locale is None or not self.locales:
            return None
        return locale if locale in self.locales else "default"

    def body(
        self, to: str, identifiers: Sequence[str], *, locale: str | None, placeholders: Sequence[tuple[str, str]], now: datetime
    ) -> bytes:
        """The request body for these recipients, as it is sent. to: one of `LISTS`. now: aware."""
        key = (to, locale, bool(placeholders))
        pieces = self._compiled.get(key)
        if pieces is None:
            pieces = self._compiled[key] = self._compile(to, locale, with_placeholders=bool(placeholders))
        out = pieces.copy()
        for at in range(1, len(out), 2):
            place = out[at]
            if place == "I":
                out[at] = ",".join(map(_quoted, identifiers))
            elif place == "N":
                out[at] = self._stamp(now)
            else:
                out[at] = _quoted_object({**self._placeholders, **dict(placeholders)})
        return "".join(out).encode()

    def _stamp(self, now: datetime) -> str:
        """The time as JSON. It is written once for all calls of a second."""
        second = now.replace(microsecond=0)
        if second != self._stamped[0]:
            self._stamped = second, f'"{utc_text(now)}"'
        return self._stamped[1]

    def request(
        self, to: str, identifiers: Sequence[str], *, locale: str | None, placeholders: Sequence[tuple[str, str]], now: datetime
    ) -> dict[str, Any]:
        """The same body as values, rendered without what was compiled: for people to see, and to check `body`."""
        return render(self._for(to, identifiers, locale, placeholders), now=now, platforms=self._platforms)

    def intent(self, to: str, identifier: str, *, locale: str | None, placeholders: Sequence[tuple[str, str]]) -> Intent:
        """The template as an intent for one recipient. A dead letter keeps it, so that it can be edited and replayed."""
        return self._for(to, [identifier], locale, placeholders)

    def _for(self, to: str, identifiers: Sequence[str], locale: str | None, placeholders: Sequence[tuple[str, str]] | None) -> Intent:
        data = _addressed(_in_locale(self._data, locale), to, list(identifiers), dict(placeholders or ()))
        data.pop("idempotency_key", None)  # it belongs to the job
        return load_stored(json.dumps(data, ensure_ascii=False), MODEL_VERSION, platforms=self._platforms)

    @cached_property
    def _placeholders(self) -> Mapping[str, str]:
        if self._intent.request is None:
            return self._intent.placeholders or {}
        ((_, inner),) = self._intent.request.items()
        return inner.get("dynamic_content_placeholders", {})  # type: ignore[union-attr, return-value]

    def _compile(self, to: str, locale: str | None, *, with_placeholders: bool) -> list[str]:
        """Pieces of JSON text. Every second one is the letter of a mark: what is filled in there."""
        request = self.request(to, [_SOMEBODY], locale=locale, placeholders=(), now=datetime.fromtimestamp(0, UTC))
        inner = request["transactional"] = dict(request["transactional"])
        inner[to] = {"list": [_IDENTIFIERS]}
        if with_placeholders:
            inner["dynamic_content_placeholders"] = _PLACEHOLDERS
        if self._intent.request is None and self._intent.schedule is None:
            inner["schedule"] = {"at": _NOW}
        return _PLACES.split(json.dumps(request, ensure_ascii=False, separators=(",", ":")))


def parse_template(
    data: object, *, now: datetime | None = None, application: str | None = None, platforms: Platforms = PLATFORMS
) -> Template:
    """
    Check a template: an intent without `to`, in the plain form (`message`) or the exact form (a v2 body without recipients).

    Arguments: see `parse_intent`. Raises IntentInvalid with all problems.
    """
    if isinstance(data, (str, bytes)):
        data, doubts = read(data)
        if doubts:
            raise IntentInvalid(doubts)
    if not isinstance(data, Mapping):
        raise IntentInvalid([Problem("", "must be an object", "A template is an intent without to")])
    given = dict(data)
    problems = [Problem(name, *_WHY_NOT[name]) for name in _OF_ONE_INTENT if name in given]
    rest = {name: value for name, value in given.items() if name not in _OF_ONE_INTENT}
    problems += _wrong_request(rest)
    try:
        addressed = _addressed(rest, "users", [_SOMEBODY], {})
        checked = json.loads(parse_intent(addressed, now=now, application=application, platforms=platforms).to_json())
    except IntentInvalid as error:
        raise IntentInvalid([*problems, *error.problems]) from None
    if problems:
        raise IntentInvalid(problems)
    return Template(_unaddressed(checked), platforms=platforms)


def _wrong_request(data: Mapping[str, Any]) -> list[Problem]:
    request = data.get("request")
    if not isinstance(request, dict):
        return []
    if "segment" in request:
        return [Problem("request.segment", "is not allowed in a template: a segment has its own recipients", "Send it as an intent")]
    inner = request.get("transactional")
    names = [name for name in LISTS if isinstance(inner, dict) and name in inner]
    return [Problem(f"request.transactional.{name}", *_WHY_NOT["to"]) for name in names]


def _addressed(data: Mapping[str, Any], to: str, identifiers: list[str], placeholders: dict[str, str]) -> dict[str, Any]:
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


def _unaddressed(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a template, made from the data of an intent."""
    rest = {name: value for name, value in data.items() if name not in _OF_ONE_INTENT}
    if "request" in rest:
        inner = rest["request"]["transactional"]
        rest["request"] = {"transactional": {name: value for name, value in inner.items() if name not in LISTS}}
    return rest


# ── Texts in one locale ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_TEXTS: Final = frozenset({"title", "subtitle", "body", "subject"})


def _locales(data: Mapping[str, Any]) -> Iterator[str]:
    for text in _localised(data):
        yield from text


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
    for said in data.get("message", {}).values():
        if isinstance(said, dict):
            for fields in (said, *said.get("overrides", {}).values()):
                yield from (fields[name] for name in _TEXTS & fields.keys() if isinstance(fields[name], dict))


def _in_locale(data: Mapping[str, Any], locale: str | None) -> Mapping[str, Any]:
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
    message = {kind: _fields_in(said, locale) if isinstance(said, dict) else said for kind, said in data["message"].items()}
    return {**data, "message": message}


def _fields_in(fields: Mapping[str, Any], locale: str) -> dict[str, Any]:
    out = {name: _choose(value, locale) if name in _TEXTS and isinstance(value, dict) else value for name, value in fields.items()}
    if "overrides" in out:
        out["overrides"] = {platform: _fields_in(own, locale) for platform, own in out["overrides"].items()}
    return out


def _choose(by_locale: Mapping[str, Any], locale: str) -> Any:
    for wanted in (locale, "default", "en"):
        if wanted in by_locale:
            return by_locale[wanted]
    return next(iter(by_locale.values()))


def _quoted_object(values: Mapping[str, str]) -> str:
    return "{" + ",".join([f"{_quoted(name)}:{_quoted(value)}" for name, value in values.items()]) + "}"


def _is_stored_elsewhere(said: Any) -> bool:
    """Whether a preset or a template that Pushwoosh stores is part of the message."""
    if isinstance(said, Mapping):
        return any(name in ("preset", "template", "email_template") or _is_stored_elsewhere(value) for name, value in said.items())
    return isinstance(said, list) and any(map(_is_stored_elsewhere, said))


def _named(said: Any) -> Iterator[str]:
    if isinstance(said, str):
        yield from _IN_TEXT.findall(said)
    elif isinstance(said, Mapping):
        for value in said.values():
            yield from _named(value)
    elif isinstance(said, list):
        for value in said:
            yield from _named(value)
