"""The body of a request, read within its limits: bytes, nesting, one meaning for every parser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from wooshq_schemas import IntentInvalid, Problem
from wooshq_schemas.validation.json_text import loads
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api.problems import invalid_body, problems_of

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
NDJSON: Final = "application/x-ndjson"
IDLE_S: Final = 60
"""The longest pause in a body."""
MOST_DEPTH: Final = 64
"""Objects and lists in each other."""
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)

M = TypeVar("M", bound=BaseModel)


def media_type(request: Request) -> str:
    """The media type of the body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_media_type(request: Request, *allowed: str) -> str:
    """Raises Refused (415) for another media type than these. Also a browser's form cannot be one of them."""
    given = media_type(request)
    if given not in allowed:
        raise wrong_media_type(*allowed)
    if (encoding := request.headers.get("content-encoding", "identity").lower()) not in ("identity", ""):
        detail = f"Send the body without Content-Encoding{' (gzip)' if encoding == 'gzip' else ''}"
        raise Refused(415, "content-encoding", "A compressed body is not taken here", detail)
    return given


async def read_bytes(request: Request, most: int) -> bytes:
    """The whole body. Raises Refused (413) above `most` bytes, as early as that is known."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise too_large(most)
    parts = [part async for part in within(request, most)]
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def within(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body, piece by piece. Raises Refused: 413 above `most` bytes, 408 if nothing comes for IDLE_S, 400 if the client leaves."""
    seen, more = 0, True
    while more:
        try:
            async with asyncio.timeout(IDLE_S):
                message = await request.receive()
        except TimeoutError:
            raise no_pause() from None
        if message["type"] == "http.disconnect":
            raise Refused(400, "incomplete", "The body is incomplete", "The connection ended before the body did")
        part, more = message.get("body", b""), message.get("more_body", False)
        seen += len(part)
        if seen > most:
            raise too_large(most)
        if part:
            yield part


def wrong_media_type(*allowed: str) -> Refused:
    """A body of another kind."""
    return Refused(415, "media-type", "This media type is not taken here", f"Send the header Content-Type: {' or '.join(allowed)}")


def no_pause() -> Refused:
    """A body that does not come."""
    detail = f"Nothing came for {IDLE_S:g} s. Send the body without such pauses"
    return Refused(408, "too-slow", "The body is incomplete", detail, headers={"Connection": "close"})


def too_large(most: int) -> Refused:
    """A body above its limit."""
    return Refused(413, "too-large", "The body is too large", f"At most {most:,} bytes are taken here", headers={"Connection": "close"})


def check_depth(raw: bytes) -> None:
    """Raises IntentInvalid for a text that is nested more than MOST_DEPTH deep, before anything parses it."""
    if raw.count(b"{") + raw.count(b"[") <= MOST_DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(raw):
        match found[0][:1]:
            case b"{" | b"[":
                depth += 1
                if depth > MOST_DEPTH:
                    raise IntentInvalid([Problem("", f"is nested more than {MOST_DEPTH} deep", "Flatten it")])
            case b"}" | b"]":
                depth -= 1


async def read_json(request: Request, model: type[M], most: int, *media_types: str) -> M:
    """The body as a model. Raises Refused (413, 415, 422)."""
    check_media_type(request, *media_types)
    raw = await read_bytes(request, most)
    try:
        check_depth(raw)
        return as_model(loads(raw), model)
    except IntentInvalid as error:
        raise invalid_body(error.problems) from None


def as_model(data: Any, model: type[M]) -> M:
    """Values as a model. Raises IntentInvalid, with words and paths as those of an intent."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise IntentInvalid(problems_of(error)) from None
