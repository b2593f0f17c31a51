"""Answers of calls: one object, a page of a list, lines as they come, what was accepted."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wooshq.ledger.replies import Result
from wooshq_worker.console.api.body import JSON, NDJSON
from wooshq_worker.console.api.problems import answer


def _plain(value: object) -> Any:
    if isinstance(value, (Result, Mapping)):
        return dict(value)
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    return str(value)


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode


def text_of(value: Any) -> str:
    """JSON, on one line."""
    return _encode(value)


def one(value: Any, status: int = 200) -> Response:
    """One object."""
    return Response(text_of(value).encode("utf-8", "backslashreplace"), status, media_type=JSON)


def page(data: Sequence[Any], following: str | None, total: int | None = None) -> Response:
    """A page of a list."""
    return one({"data": list(data), "next": following, **({} if total is None else {"total": total})})


def accepted(kind: str, made_id: str, *, replayed: bool = False, body: Mapping[str, Any] | None = None) -> Response:
    """202 with `Location`: only for what is durable. kind: the last part of the path before the id."""
    where = f"/v1/{kind}/{quote(made_id, safe='')}"
    done = one({"id": made_id, "location": where} if body is None else body, 202)
    done.headers["Location"] = where
    if replayed:
        done.headers["Idempotent-Replayed"] = "true"
    return done


async def lines(items: AsyncIterator[Any]) -> Response:
    """
    One object a line (NDJSON), as they come. An error before the first line is an answer of its own; a later one is the last line, because
    its status has left already. The last line of a complete answer is `{"done": true, "count": n}`.
    """
    iterator = aiter(items)
    try:
        first = [await anext(iterator)]
    except StopAsyncIteration:
        first = []
    return Streamed(_as_lines(first, iterator))


class Streamed(Response):
    """
    Lines as they come, while the body of the request may still be coming. (Starlette's own listens for the client's end meanwhile, and so
    takes pieces of the body.)
    """

    def __init__(self, pieces: AsyncIterator[bytes], status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(None, status, headers, NDJSON)
        del self.headers["content-length"]
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:  # the client has left
            pass
        finally:
            if isinstance(self._pieces, AsyncGenerator):
                await self._pieces.aclose()


async def _as_lines(first: Sequence[Any], rest: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    count = 0
    try:
        for item in first:
            count += 1
            yield _line(item)
        async for item in rest:
            count += 1
            yield _line(item)
    except Exception as error:
        yield _line({"done": False, "count": count, "problem": json.loads(bytes(answer(error).body))})
        return
    yield _line({"done": True, "count": count})


def _line(item: Any) -> bytes:
    return f"{text_of(item)}\n".encode("utf-8", "backslashreplace")
