"""The API's answers as bytes: success in both wrappings, and the gRPC-Gateway envelope of a failure."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

#: HTTP status → the gRPC code that a gateway would have turned into it. Rule: the reference's table, read backwards;
#: statuses that no code maps to take the nearest in meaning.
CODE_OF_STATUS: Mapping[int, int] = {
    400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 409: 10, 412: 9, 413: 3, 415: 3, 422: 3, 425: 14, 429: 8,
    499: 1, 500: 13, 501: 12, 502: 14, 503: 14, 504: 4,
}  # fmt: skip
UNKNOWN_CODE = 2

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})
_date = ("", 0)


def http_date(at: float | None = None) -> str:
    """The moment `at` (epoch seconds; None: now) in the form of HTTP's Date and Retry-After headers."""
    global _date
    if at is not None:
        return formatdate(at, usegmt=True)
    second = int(time.time())
    if _date[1] != second:
        _date = (formatdate(second, usegmt=True), second)
    return _date[0]


def http_answer(
    status: int, body: bytes, headers: Iterable[tuple[str, str]] = (), *, content_type: str = "application/json", reason: str | None = None
) -> bytes:
    """A whole HTTP/1.1 answer. `headers` may repeat a name. For 204 and 304 the body is left out, as HTTP asks."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown') if reason is None else reason}"]
    if status not in _NO_BODY:
        lines.append(f"Content-Type: {content_type}\r\nContent-Length: {len(body)}")
    lines.append(f"Date: {http_date()}")
    lines.extend(f"{name}: {value}" for name, value in headers)
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    return head if status in _NO_BODY else head + body


def json_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def envelope(code: int, message: str, details: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """The gRPC-Gateway's body of a failure."""
    return json_bytes({"code": code, "message": message, "details": list(details)})


def bad_request(violations: Sequence[tuple[str, str]], *, snake_case: bool = False) -> dict[str, Any]:
    """google.rpc.BadRequest from (field, description) pairs; gateways write its list in either case, so both can be asked for."""
    name = "field_violations" if snake_case else "fieldViolations"
    return {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        name: [{"field": field, "description": description} for field, description in violations],
    }


def retry_info(delay: float | str, *, snake_case: bool = False) -> dict[str, Any]:
    """google.rpc.RetryInfo. delay: seconds, or a text that is passed on as it is (also junk)."""
    text = delay if isinstance(delay, str) else f"{delay:g}s"
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay" if snake_case else "retryDelay": text}


def success(message_code: str, unknown: Mapping[str, Sequence[str]], *, bare: bool) -> bytes:
    """
    The body of a success. unknown: by kind of recipient (`users`, `hwids`, `push_tokens`, `test_devices`).
    Both forms are in the reference: wrapped in `result` with one list (B), or bare with an object of lists (C).
    """
    if bare:
        lists = {kind: list(unknown.get(kind, ())) for kind in ("users", "hwids", "push_tokens")}
        lists |= {kind: list(names) for kind, names in unknown.items() if kind not in lists}
        return json_bytes({"message_code": message_code, "unknown_identifiers": lists})
    flat = [name for names in unknown.values() for name in names]
    return json_bytes({"result": {"message_code": message_code, "unknown_identifiers": flat}})
