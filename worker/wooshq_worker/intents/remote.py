"""
Where messages are at Pushwoosh: ask `messages:list`. For a person who looks; nothing is decided by it.

The method belongs to another version of the API, and only its request is documented (`messages_codes`, `application`, `per_page`; items have
`status`). Pages of the documentation differ on a wrapper `request`, and none shows the names in an answer: both forms are tried, and any list of
objects with a message code and a status is understood.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wooshq.intents.status import Status
from wooshq.settings import Settings
from wooshq_worker.api.answer.body import NOT_JSON, parsed
from wooshq_worker.api.answer.words import beginning, sentences
from wooshq_worker.api.outcome import Break
from wooshq_worker.api.transport import Api
from wooshq_worker.observe.scrub import scrub

MESSAGES_LIST: Final = "/api/v2/messages:list"
_MOST: Final = 1000
"""Codes in one request (`per_page` is at most 1000)."""
_CODES: Final = ("message_code", "messages_code", "code", "id")
_WORDS: Final = 200


@dataclass(frozen=True, slots=True)
class Remote:
    """What Pushwoosh says of one message. status: its own word, such as `pending`; None if it says nothing. detail: why it says nothing."""

    status: str | None
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"status": self.status, "detail": self.detail}


def ask_pushwoosh(settings: Settings, statuses: Sequence[Status]) -> dict[str, Remote]:
    """Message code → what Pushwoosh says, for the message codes of these intents. One request for each application and 1,000 messages."""
    return asyncio.run(_ask_all(settings, statuses))


async def _ask_all(settings: Settings, statuses: Sequence[Status]) -> dict[str, Remote]:
    codes: dict[str, list[str]] = {}
    for status in statuses:
        codes.setdefault(status.application or "", []).extend(status.message_codes)
    found: dict[str, Remote] = {}
    async with Api.from_settings(settings) as api:
        for application, own in codes.items():
            for start in range(0, len(own), _MOST):
                found |= await _ask(api, settings, application, own[start : start + _MOST])
    return found


async def _ask(api: Api, settings: Settings, application: str, codes: Sequence[str]) -> dict[str, Remote]:
    token = settings.token_for(application)
    if token is None:
        return dict.fromkeys(codes, Remote(None, "this process has no token for the application: set PUSHWOOSH_API_TOKEN"))
    secret = token.get_secret_value()
    request = {"messages_codes": list(codes), "application": application, "per_page": _MOST}
    said = ""
    for body in (request, {"request": request}):
        outcome = await api.call(json.dumps(body).encode(), secret, path=MESSAGES_LIST)
        if isinstance(outcome, Break):
            return dict.fromkeys(codes, Remote(None, f"Pushwoosh could not be asked: {outcome.kind}"))
        answer = parsed(outcome.body)
        if 200 <= outcome.status <= 299 and answer is not NOT_JSON:
            kept = statuses_in(answer)
            return {code: Remote(kept[code]) if code in kept else Remote(None, "Pushwoosh does not list it") for code in codes}
        words = " — ".join(sentences(answer)) if answer is not NOT_JSON else beginning(outcome.body)
        said = f"status {outcome.status}: {scrub(words, {secret})[:_WORDS]}"
        if outcome.status != 400:  # only a bad request may be a matter of the form
            break
    return dict.fromkeys(codes, Remote(None, f"Pushwoosh did not say: {said}"))


def statuses_in(answer: Any) -> dict[str, str]:
    """Message code → status, of every object in an answer that has both. Pure."""
    found: dict[str, str] = {}
    for one in _objects(answer):
        status = one.get("status")
        code = next((one[name] for name in _CODES if isinstance(one.get(name), str)), None)
        if isinstance(status, str) and code is not None:
            found[code] = status
    return found


def _objects(value: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    if depth > 6:
        return
    if isinstance(value, Mapping):
        yield value
        for inner in value.values():
            yield from _objects(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner, depth + 1)
