"""Loads everything that may be needed between a request and the record of its answer, before the first request."""

from __future__ import annotations

import codecs
import importlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from wooshq_worker.api.judge import judge
from wooshq_worker.api.outcome import Answer, Break, Broke, Cut, Outcome

_CODECS: Final = ("utf-8", "utf-8-sig", "ascii", "latin-1", "idna", "punycode", "unicode_escape")
"""Python loads a codec from its file when it is first used. `utf-8-sig` was missing when the machine had no file left."""

_MODULES: Final = ("celery.events.dispatcher", "kombu.mixins", "concurrent.futures.thread")
"""Modules that Celery, kombu and asyncio load when they first publish, or first use a thread; `celery_app` loads those of producers."""

_ANSWERS: Final[Sequence[Outcome]] = (
    Answer(200, {}, b'{"result": {"message_code": "A-1", "unknown_identifiers": ["u"]}}'),
    Answer(200, {}, b'\xef\xbb\xbf{"result": {}}'),
    Answer(200, {}, b"nonsense", Cut.BROKEN),
    Answer(400, {}, b'{"code": 3, "message": "users.list[0]: is not valid", "details": []}'),
    Answer(
        429, {"retry-after": ["Wed, 21 Oct 2065 07:28:00 GMT"]}, b'{"code": 8, "details": [{"@type": "x/RetryInfo", "retryDelay": "1.5s"}]}'
    ),
    Answer(429, {"retry-after": ["1m0s"], "date": ["Wed, 21 Oct 2065 07:28:00 GMT"]}, b""),
    Answer(503, {"content-type": ["text/html"]}, b"<html><title>upstream connect error: reset</title></html>"),
    Answer(302, {"location": ["https://other.example/x"]}, b""),
    Answer(422, {}, b'{"title": "x", "errors": [{"detail": "https://me@h/ +4912345678 a@b.example"}]}'),
    *(Break(kind, "ClientError: Cannot connect to host h:443") for kind in Broke),
)
"""Answers of every form. What their judgement needs is loaded when they are judged here."""


def warm_up() -> None:
    """Load it. Takes a few milliseconds."""
    for name in _CODECS:
        codecs.lookup(name)
    for module in _MODULES:
        importlib.import_module(module)
    for outcome in _ANSWERS:
        judge(outcome, now=datetime.now(UTC), retry_after_ceiling_s=60, secrets=lambda: ("token", "recipient"))
