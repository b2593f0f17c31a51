"""The API's answers as bytes: success in both published forms, and the gRPC-Gateway error body."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

#: HTTP status → the gRPC code that a gateway turns into this status. Rule: the reference's table, read backwards.
#: A status without a code takes the code that is nearest in meaning.
CODE_OF_STATUS: Mapping[int, int] = {
    400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 409: 10, 412: 9, 413: 3, 415: 3, 422: 3, 425: 14, 429: 8,
    499: 1, 500: 13, 501: 12, 502: 14, 503: 14, 504: 4,
}  # fmt: skip
UNKNOWN_CODE = 2

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})
_date = ("", 0)


def http_date(at: float | None = None) -> str:
    """The time `at` (epoch seconds; None: now) as HTTP's Date and Retry-After headers write it."""
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
    """A complete HTTP/1.1 answer. `headers` may repeat a name. 204 and 304 have no body, as HTTP requires."""
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
    """The error body of a gRPC-Gateway."""
    return json_bytes({"code": code, "message": message, "details": list(details)})


def bad_request(violations: Sequence[tuple[str, str]], *, snake_case: bool = False) -> dict[str, Any]:
    """google.rpc.BadRequest from (field, description) pairs. Gateways use either spelling of the list's name, so both are available."""
    name = "field_violations" if snake_case else "fieldViolations"
    return {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        name: [{"field": field, "description": description} for field, description in violations],
    }


def retry_info(delay: float | str, *, snake_case: bool = False) -> dict[str, Any]:
    """google.rpc.RetryInfo. delay: seconds, or any text, which is sent unchanged (even if it is not valid)."""
    text = delay if isinstance(delay, str) else f"{delay:g}s"
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay" if snake_case else "retryDelay": text}


def success(message_code: str, unknown: Mapping[str, Sequence[str]], *, bare: bool) -> bytes:
    """
    The body of a success. unknown: identifiers by kind of recipient (`users`, `hwids`, `push_tokens`, `test_devices`).

    The reference has both forms: wrapped in `result` with one list (B), or bare with an object of lists (C).
    """
    if bare:
        lists = {kind: list(unknown.get(kind, ())) for kind in ("users", "hwids", "push_tokens")}
        lists |= {kind: list(names) for kind, names in unknown.items() if kind not in lists}
        return json_bytes({"message_code": message_code, "unknown_identifiers": lists})
    flat = [name for names in unknown.values() for name in names]
    return json_bytes({"result": {"message_code": message_code, "unknown_identifiers": flat}})
