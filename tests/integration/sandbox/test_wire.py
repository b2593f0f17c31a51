"""How the sandbox reads HTTP: requests in pieces, several at once, chunked, too large, and bytes that are not HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.integration.sandbox.wire import GENEROUS_S, TOKEN, connect, read_answer, request_bytes, send
from tests.unit.sandbox.bodies import a_body
from wooshq_worker.sandbox import NOTIFY, Sandbox
from wooshq_worker.sandbox.wire import BUFFER_LIMIT


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=TOKEN) as running:
        yield running


HEAD = f"POST {NOTIFY} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {TOKEN}\r\nContent-Type: application/json\r\n".encode()


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;note=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n"


class WhenARequestArrivesInPieces:
    async def test_it_can_arrive_byte_by_byte(self, sandbox: Sandbox) -> None:
        reader, writer = await connect(sandbox)
        for byte in request_bytes(a_body()):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await read_answer(reader)).status == 200
        writer.close()
        assert sandbox.count == 1

    @pytest.mark.parametrize("trailer", [b"\r\n", b"X-Trailer: 1\r\n\r\n"])
    async def test_it_can_be_chunked(self, sandbox: Sandbox, trailer: bytes) -> None:
        body = json.dumps(a_body()).encode()
        reader, writer = await connect(sandbox)
        for piece in (HEAD, b"Transfer-Encoding: chunked\r\n\r\n", chunked(body, 100)[:150], chunked(body, 100)[150:], trailer):
            writer.write(piece)
            await asyncio.sleep(0.01)
        writer.write(request_bytes(a_body("next")))
        assert (await read_answer(reader)).status == 200
        assert (await read_answer(reader)).status == 200
        writer.close()
        assert [one.recipients for one in sandbox.calls] == [("user-1",), ("next",)]

    async def test_a_client_that_expects_100_continue_receives_it(self, sandbox: Sandbox) -> None:
        body = json.dumps(a_body()).encode()
        reader, writer = await connect(sandbox)
        writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        async with asyncio.timeout(GENEROUS_S):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_answer(reader)).status == 200
        writer.close()


class WhenManyRequestsArriveAtOnce:
    async def test_they_are_answered_in_order(self, sandbox: Sandbox) -> None:
        reader, writer = await connect(sandbox)
        writer.write(b"".join(request_bytes(a_body(f"u{number}")) for number in range(2000)))
        for _ in range(2000):
            assert (await read_answer(reader)).status == 200
        writer.close()
        assert [one.recipients[0] for one in sandbox.calls] == [f"u{number}" for number in range(2000)]

    async def test_a_slow_request_delays_the_others_on_its_connection(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "latency", "latency_s": 0.2, "recipient": "slow"})
        reader, writer = await connect(sandbox)
        writer.write(request_bytes(a_body("slow")) + request_bytes({}))
        assert [(await read_answer(reader)).status for _ in range(2)] == [200, 400]
        writer.close()

    async def test_more_bytes_than_may_wait_behind_a_slow_request_are_answered_after_it(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "latency", "latency_s": 0.3, "recipient": "slow"})
        reader, writer = await connect(sandbox)
        large = request_bytes(a_body(text="x" * 4096))
        assert 500 * len(large) > 4 * BUFFER_LIMIT
        writer.write(request_bytes(a_body("slow")) + large * 500)
        assert [(await read_answer(reader)).status for _ in range(501)] == [200] * 501
        writer.close()

    async def test_the_bytes_that_wait_behind_a_hang_are_limited(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "hang"})
        _, writer = await connect(sandbox)
        writer.write(request_bytes(a_body()))
        with pytest.raises(TimeoutError):
            # The buffers of the kernel on both sides are much smaller than this.
            async with asyncio.timeout(1):
                for _ in range(64):
                    writer.write(b" " * (1024 * 1024))
                    await writer.drain()
        writer.transport.abort()


class WhenARequestIsTooLarge:
    async def test_it_is_refused_from_its_content_length(self, sandbox: Sandbox) -> None:
        seen = await send(sandbox, HEAD + b"Content-Length: 10485761\r\n\r\n")
        assert (seen.status, json.loads(seen.body)["code"]) == (413, 3)
        assert sandbox.calls[0].status == 413

    async def test_a_client_that_is_still_sending_can_read_the_answer(self, sandbox: Sandbox) -> None:
        seen = await send(sandbox, request_bytes(raw=b" " * (11 * 1024 * 1024)))
        assert seen.status == 413

    async def test_the_sizes_of_chunks_add_up(self, sandbox: Sandbox) -> None:
        sandbox.body_limit = 1000
        assert (await send(sandbox, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b" " * 2000, 600))).status == 413

    async def test_the_largest_allowed_request_is_accepted(self, sandbox: Sandbox) -> None:
        body = json.dumps(a_body()).encode()
        seen = await send(sandbox, request_bytes(raw=body + b" " * (10 * 1024 * 1024 - len(body)), Connection="close"))
        assert seen.status == 200

    async def test_headers_are_limited_too(self, sandbox: Sandbox) -> None:
        assert (await send(sandbox, HEAD + b"X: " + b"x" * 70_000)).status == 431


class WhenTheBytesAreNotHttp:
    @pytest.mark.parametrize(
        "data, status",
        [
            (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
            (b"hello\r\n\r\n", 400),
            (b"GET / HTTP/2.0\r\n\r\n", 505),
            (HEAD + b"no colon\r\n\r\n", 400),
            (HEAD + b"Name : value\r\n\r\n", 400),
            (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
            (HEAD + b"Content-Length: -5\r\n\r\n", 400),
            (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400),
            (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        ],
    )
    async def test_they_are_refused_and_the_connection_ends(self, sandbox: Sandbox, data: bytes, status: int) -> None:
        seen = await send(sandbox, data + request_bytes(a_body()))
        assert (seen.status, seen.ended) == (status, "closed")
        assert sandbox.count == 0

    async def test_the_sandbox_keeps_running(self, sandbox: Sandbox) -> None:
        await send(sandbox, b"\x00\x01\r\n\r\n")
        assert (await send(sandbox, request_bytes(a_body(), Connection="close"))).status == 200


class WhenAConnectionShouldEnd:
    @pytest.mark.parametrize("version, header", [("1.1", b"Connection: close\r\n"), ("1.0", b"")])
    async def test_it_ends_after_the_answer(self, sandbox: Sandbox, version: str, header: bytes) -> None:
        body = json.dumps(a_body()).encode()
        head = HEAD.replace(b"HTTP/1.1", f"HTTP/{version}".encode())
        seen = await send(sandbox, head + header + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert (seen.status, seen.ended) == (200, "closed")
