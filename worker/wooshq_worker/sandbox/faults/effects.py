"""What the client receives from a call with a fault."""

from __future__ import annotations

import asyncio
import gzip
import math
import time
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from wooshq_worker.sandbox.answers import (
    CODE_OF_STATUS,
    UNKNOWN_CODE,
    bad_request,
    envelope,
    http_answer,
    http_date,
    json_bytes,
    retry_info,
)
from wooshq_worker.sandbox.faults.fault import Fault
from wooshq_worker.sandbox.faults.plan import Injection
from wooshq_worker.sandbox.wire import Connection

BODY_10_MB = 10 * 1024 * 1024
HEADER_BYTES = 200_000
HEADERS = 10_000
_PIECE = b" " * 65536


@dataclass(frozen=True, slots=True)
class NormalAnswer:
    """The answer that the call would get without a fault."""

    status: int
    whole: bytes
    """Head and body."""
    body: bytes
    echo: str = ""
    """The token and the first recipient, for a fault that repeats them in its error."""


def status_on_wire(fault: Fault, normal: NormalAnswer) -> int:
    """The status that the client receives; 0 if it receives no status line."""
    match fault.effect:
        case "status":
            return fault.status or 0
        case "redirect":
            return fault.status or 307
        case "rate_limit":
            return 429
        case "hang" | "cut_before" | "cut_after":
            return 0
        case "garbage":
            return {"status_line": 0, "error_envelope": 400}.get(fault.way, 200)
        case _:
            return normal.status


def whole_answer(injection: Injection, normal: NormalAnswer, *, snake_case: bool) -> bytes | None:
    """The answer, if it is sent in one piece; None if it needs `answer_in_steps`."""
    fault = injection.fault
    if fault is None or fault.effect == "same_code":
        return normal.whole
    match fault.effect:
        case "status":
            return _status(fault, normal, snake_case=snake_case)
        case "redirect":
            location = fault.location or "/elsewhere"
            return http_answer(fault.status or 307, b"", [("Location", location)])
        case "rate_limit":
            return _rate_limited(injection.wait_s, fault, snake_case=snake_case)
        case _:
            return None


async def answer_in_steps(fault: Fault, normal: NormalAnswer, connection: Connection, *, after_s: float) -> None:
    """Answers in steps, or not at all, after `after_s` seconds. Cancelled when the client leaves."""
    await asyncio.sleep(after_s)
    match fault.effect:
        case "hang":
            await _silence(connection, fault.for_s)
            connection.close()
        case "cut_before" | "cut_after":
            # The client cannot tell these two apart. They differ in whether the sandbox accepted the message.
            connection.reset() if fault.way == "reset" else connection.close()
        case "cut_middle":
            await _cut_middle(fault, normal, connection)
        case "drip":
            await _drip(fault, normal, connection)
        case "drop_keepalive":
            await connection.write(normal.whole)
            connection.close()
        case "garbage":
            async for piece in _garbage(fault.way, normal):
                await connection.write(piece)
                if connection.gone.is_set():
                    return
            connection.close()
        case effect:
            raise AssertionError(f"{effect} is answered in one piece")


def _status(fault: Fault, normal: NormalAnswer, *, snake_case: bool) -> bytes:
    status = fault.status or 500
    headers = [("Retry-After", text) for text in _retry_afters(fault.retry_after)]
    headers += list((fault.headers or {}).items())
    if fault.body is not None:
        body = fault.body.encode()
    elif status < 300 and fault.code is None and fault.message is None:
        body = normal.body
    else:
        code = fault.code if fault.code is not None else CODE_OF_STATUS.get(status, UNKNOWN_CODE)
        details = list(fault.details or ())
        if fault.retry_info is not None:
            details.append(retry_info(fault.retry_info, snake_case=snake_case))
        message = fault.message if fault.message is not None else "a fault of the sandbox"
        if fault.echo:
            message = f"{message}: {normal.echo}"
            details.append(bad_request([("authorization", normal.echo)], snake_case=snake_case))
        body = envelope(code, message, details)
    whole = http_answer(status, body, headers, content_type=fault.content_type or "application/json")
    return b"HTTP/1.1 100 Continue\r\n\r\n" * (fault.interim or 0) + whole


def _rate_limited(wait_s: float, fault: Fault, *, snake_case: bool) -> bytes:
    after = math.ceil(wait_s) if fault.retry_after is None else fault.retry_after
    delay = round(wait_s, 3) if fault.retry_info is None else fault.retry_info
    body = envelope(8, "rate limit exceeded", [retry_info(delay, snake_case=snake_case)])
    return http_answer(429, body, [("Retry-After", text) for text in _retry_afters(after)])


def _retry_afters(value: object) -> Iterable[str]:
    """The values of the Retry-After headers that a rule asks for."""
    if value is None:
        return
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, Mapping):
            yield http_date(time.time() + entry["date_in_s"])
        else:
            yield f"{entry:.15g}" if isinstance(entry, float) else str(entry)


async def _silence(connection: Connection, for_s: float | None) -> None:
    """Waits until the client leaves, at most `for_s` seconds (None: without a limit)."""
    try:
        async with asyncio.timeout(for_s):
            await connection.gone.wait()
    except TimeoutError:
        pass  # the rule asked for this


async def _cut_middle(fault: Fault, normal: NormalAnswer, connection: Connection) -> None:
    head_end = normal.whole.index(b"\r\n\r\n") + 4
    # In the middle of a header, or in the middle of the body.
    at = head_end - 12 if fault.way == "headers" else head_end + (len(normal.whole) - head_end) // 2
    await connection.write(normal.whole[:at])
    if fault.way == "stall":
        await _silence(connection, None)
    elif fault.way == "reset":
        connection.reset()
    else:
        connection.close()


async def _drip(fault: Fault, normal: NormalAnswer, connection: Connection) -> None:
    size = fault.bytes or 1
    every_s = 0.5 if fault.every_s is None else fault.every_s
    head_end = normal.whole.index(b"\r\n\r\n") + 4
    await connection.write(normal.whole[:head_end])
    for at in range(head_end, len(normal.whole), size):
        await asyncio.sleep(every_s)
        await connection.write(normal.whole[at : at + size])


def _plain(body: bytes, *headers: tuple[str, str], content_type: str = "application/json") -> bytes:
    return http_answer(200, body, headers, content_type=content_type)


async def _garbage(way: str, normal: NormalAnswer) -> AsyncIterator[bytes]:
    """The pieces of an answer that breaks a rule of HTTP, of JSON or of the API."""
    match way:
        case "status_line":
            yield b"\x16\x03\x01 this is not HTTP\r\n\r\n"
        case "html":
            page = b"<!doctype html><title>502 Bad Gateway</title><h1>Something is in the way</h1>"
            yield _plain(page, content_type="text/html; charset=utf-8")
        case "not_json":
            yield _plain(b"OK, done!")
        case "empty":
            yield _plain(b"")
        case "null":
            yield _plain(b"null")
        case "list":
            yield _plain(b"[]")
        case "truncated":
            yield _plain(normal.body[: len(normal.body) // 2])  # complete for HTTP, incomplete for JSON
        case "no_code":
            yield _plain(json_bytes({"result": {"unknown_identifiers": []}}))
        case "code_not_text":
            yield _plain(json_bytes({"result": {"message_code": 17, "unknown_identifiers": []}}))
        case "error_1_3":
            yield _plain(json_bytes({"status_code": 210, "status_message": "Argument error", "response": None}))
        case "error_envelope":
            yield http_answer(400, json_bytes({"error": "bad request"}))
        case "not_utf8":
            yield _plain(b'{"result": {"message_code": "\xff\xfe"}}')
        case "huge_body":
            yield f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {BODY_10_MB}\r\n\r\n".encode()
            for _ in range(BODY_10_MB // len(_PIECE)):
                yield _PIECE
        case "endless":
            yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            while True:
                yield b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE)
        case "not_gzip":
            yield _plain(normal.body, ("Content-Encoding", "gzip"))
        case "gzip_bomb":
            yield _plain(_bomb(), ("Content-Encoding", "gzip"))
        case "two_lengths":
            yield http_answer(200, normal.body, [("Content-Length", str(len(normal.body) + 7))])
        case "huge_header":
            yield http_answer(200, normal.body, [("X-Padding", "x" * HEADER_BYTES)])
        case "many_headers":
            yield http_answer(200, normal.body, [(f"X-Header-{number}", "x") for number in range(HEADERS)])
        case _:
            raise AssertionError(f"unknown way of garbage: {way}")


def _bomb() -> bytes:
    """10 MB, compressed to 10 kB."""
    return gzip.compress(b" " * BODY_10_MB, compresslevel=zlib.Z_BEST_COMPRESSION)
