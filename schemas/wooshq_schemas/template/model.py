"""The template of a fan-out: an intent without `to`, written once, and the requests that it becomes for its recipients."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from json.encoder import encode_basestring as _quoted  # json.dumps makes an encoder for each text that is not only ASCII
from typing import Any, Final

from wooshq_schemas.intent.door import load_stored, migrated
from wooshq_schemas.intent.model import MODEL_VERSION, Intent
from wooshq_schemas.platforms import PLATFORMS, Platforms
from wooshq_schemas.render import render
from wooshq_schemas.template.addressing import addressed
from wooshq_schemas.template.texts import doubled_in, in_locale, locales_of, placeholders_in
from wooshq_schemas.validation.times import utc_text

ANY_RECIPIENT: Final = "somebody"
"""An identifier that stands for the recipients while a template is checked and compiled."""
#: Marks of the places that are filled in for each call. No template contains them: intents with NUL are refused.
_IDENTIFIERS, _PLACEHOLDERS, _NOW = "\0I", "\0P", "\0N"
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
        self._intent = self._for("users", [ANY_RECIPIENT], None, None)
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
        return locales_of(self._data)

    @cached_property
    def names_in_texts(self) -> frozenset[str] | None:
        """Placeholders that its texts name (`{city}`, `{city|CapitalizeFirst|here}`); None if Pushwoosh stores its content."""
        return placeholders_in(self._data.get("message", self._data.get("request")))

    @cached_property
    def names_in_doubled_braces(self) -> tuple[str, ...]:
        """Placeholders that its texts write `{{city}}`, so that people may read their value in braces. Sorted."""
        return tuple(sorted({name for _, name in doubled_in(self._data.get("message", self._data.get("request")))}))

    @property
    def is_for_email(self) -> bool | None:
        """Whether it goes to email addresses; None if this cannot be seen, because Pushwoosh stores its content."""
        if "message" in self._data:
            return None if "preset" in self._data["message"] else "email" in self._data["message"]
        inner = self._data["request"]["transactional"]
        named = inner.get("platforms", ())
        hidden = "preset" in inner.get("payload", {}) or any(row.name in named for row in PLATFORMS if row.channel == "email")
        return None if hidden else "email_payload" in inner

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
        data = addressed(in_locale(self._data, locale), to, list(identifiers), dict(placeholders or ()))
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
        request = self.request(to, [ANY_RECIPIENT], locale=locale, placeholders=(), now=datetime.fromtimestamp(0, UTC))
        inner = request["transactional"] = dict(request["transactional"])
        inner[to] = {"list": [_IDENTIFIERS]}
        if with_placeholders:
            inner["dynamic_content_placeholders"] = _PLACEHOLDERS
        if self._intent.request is None and self._intent.schedule is None:
            inner["schedule"] = {"at": _NOW}
        return _PLACES.split(json.dumps(request, ensure_ascii=False, separators=(",", ":")))


def _quoted_object(values: Mapping[str, str]) -> str:
    return "{" + ",".join([f"{_quoted(name)}:{_quoted(value)}" for name, value in values.items()]) + "}"
