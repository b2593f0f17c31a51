"""Every way in which a call breaks, on a real socket, and the verdict it gets."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import struct
import subprocess
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from wooshq.settings import Settings
from wooshq_worker.api.judge import judge
from wooshq_worker.api.outcome import Answer, Break, Broke, Cut, Outcome
from wooshq_worker.api.transport import SPARE_CONNECTIONS, Api, trusted
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict

TOKEN = "secret-token-0123456789"
BODY = json.dumps({"transactional": {"users": {"list": ["user-1"]}}}).encode()
SUCCESS = b'{"result": {"message_code": "C-1"}}'
GENEROUS_S = 30.0


class Caller:
    """One connection as the raw server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The whole next request; raises IncompleteReadError where the other side has gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        return head + await self.reader.readexactly(length)

    async def say(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def answer(self, body: bytes = SUCCESS, *headers: str, status: str = "200 OK", length: int | None = None) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
        await self.say("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Returns when the client has closed its side."""
        while await self.reader.read(65536):
            pass


Script = Callable[[Caller], Awaitable[None]]


class Server:
    """What listens: counts connections and whole requests, and plays a script to every connection."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""
        self.all_gone = asyncio.Event()
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.all_gone.clear()
        caller = Caller(reader, writer)
        counted = caller.request

        async def request() -> bytes:
            whole = await counted()
            self.requests.append(whole)
            return whole

        caller.request = request  # type: ignore[method-assign]
        try:
            await self.script(caller)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.open -= 1
            if self.open == 0:
                self.all_gone.set()


@asynccontextmanager
async def listening(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"http{'s' if tls else ''}://{'localhost' if tls else '127.0.0.1'}:{port}"
    try:
        yield server
    finally:
        listener.close()


def an_api(
    url: str,
    *,
    concurrency: int = 4,
    connect_s: float = GENEROUS_S,
    read_s: float = GENEROUS_S,
    total_s: float = 2 * GENEROUS_S,
    limit: int = 1024 * 1024,
    tls: ssl.SSLContext | None = None,
) -> Api:
    return Api(url, concurrency=concurrency, connect_s=connect_s, read_s=read_s, total_s=total_s, answer_limit_bytes=limit, tls=tls)


def the_verdict(outcome: Outcome) -> Verdict:
    return judge(outcome, now=datetime.now(UTC), retry_after_ceiling_s=3600, secrets=lambda: [TOKEN, "user-1"])


async def played(script: Script, **given: float) -> tuple[Answer | Break, Server]:
    """One call to a server that plays `script`."""
    async with listening(script) as server, an_api(server.url, **given) as api:  # type: ignore[arg-type]
        outcome = await api.call(BODY, TOKEN)
    return outcome, server


def is_unknown_by(outcome: Outcome, kind: Broke) -> None:
    assert isinstance(outcome, Break), outcome
    assert outcome.kind is kind
    assert outcome.may_have_been_sent
    assert isinstance(the_verdict(outcome), Unknown)


class WhenTheApiAnswers:
    async def test_the_request_is_what_the_api_wants_and_nothing_more(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()

        outcome, server = await played(script)
        assert the_verdict(outcome) == Sent("C-1")
        (request,) = server.requests
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        assert first == "POST /messaging/v2/notify HTTP/1.1"
        assert body == BODY
        assert headers.pop("user-agent").startswith("wooshq/")
        assert headers == {
            "host": server.url.removeprefix("http://"),
            "authorization": f"Token {TOKEN}",
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "content-length": str(len(BODY)),
        }

    async def test_connections_are_kept_and_no_cookie_is(self) -> None:
        async def script(caller: Caller) -> None:
            while True:
                await caller.request()
                await caller.answer(SUCCESS, "Set-Cookie: a=b; Path=/")

        async with listening(script) as server, an_api(server.url) as api:
            for _ in range(5):
                assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
        assert server.connections == 1
        assert len(server.requests) == 5
        assert not any(b"cookie" in request.lower() for request in server.requests)

    async def test_each_call_speaks_for_its_own_token(self) -> None:
        async def script(caller: Caller) -> None:
            while True:
                request = await caller.request()
                await caller.answer(b'{"message_code": "%s"}' % request.split(b"Token ")[1].split(b"\r\n")[0])

        async with listening(script) as server, an_api(server.url, concurrency=50) as api:
            outcomes = await asyncio.gather(*(api.call(BODY, f"t{n % 7}") for n in range(50)))
        assert [the_verdict(outcome) for outcome in outcomes] == [Sent(f"t{n % 7}") for n in range(50)]

    async def test_doubled_headers_all_come_through(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(b"", "Retry-After: 5", "RETRY-AFTER: 60", "Date: Fri, 01 May 2026 12:00:00 GMT", status="429 Too Many")

        outcome, _ = await played(script)
        assert isinstance(outcome, Answer)
        assert outcome.headers["retry-after"] == ["5", "60"]
        verdict = the_verdict(outcome)
        assert isinstance(verdict, Retry)
        assert (verdict.application_waits, verdict.not_before_s) == (True, 60.0)

    @pytest.mark.parametrize(
        ("encoding", "compress"),
        [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)],
    )
    async def test_a_compressed_answer_is_read(self, encoding: str, compress: Callable[[bytes], bytes]) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(compress(SUCCESS), f"Content-Encoding: {encoding}")

        assert the_verdict((await played(script))[0]) == Sent("C-1")

    async def test_a_few_interim_answers_before_it_are_passed_over(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3)
            await caller.answer()

        assert the_verdict((await played(script))[0]) == Sent("C-1")

    async def test_a_large_body_reaches_it_whole(self) -> None:
        body = b'{"a": "' + b"x" * (3 * 1024 * 1024) + b'"}'

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()

        async with listening(script) as server, an_api(server.url) as api:
            assert isinstance(the_verdict(await api.call(body, TOKEN)), Sent)
        assert server.requests[0].endswith(body)


class WhenNothingWasSent:
    async def test_a_closed_port_is_retried(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with an_api(url) as api:
            outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.REFUSED
        assert not outcome.may_have_been_sent
        assert isinstance(the_verdict(outcome), Retry)

    async def test_a_name_that_does_not_exist_is_retried(self) -> None:
        async with an_api("https://no-such-host.invalid") as api:
            outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.DNS
        assert isinstance(the_verdict(outcome), Retry)

    async def test_a_connection_that_is_never_taken_ends_within_the_time_for_connecting(self) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            crowd = [socket.socket() for _ in range(8)]
            try:
                for one in crowd:
                    one.setblocking(False)
                    one.connect_ex(full.getsockname())
                async with an_api(url, connect_s=0.3) as api:
                    outcome = await api.call(BODY, TOKEN)
            finally:
                for one in crowd:
                    one.close()
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.CONNECT_TIMEOUT
        assert isinstance(the_verdict(outcome), Retry)

    async def test_more_calls_than_connections_are_our_own_fault_and_cost_no_attempt(self) -> None:
        release = asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.request()
            await release.wait()
            await caller.answer()

        async with listening(script) as server, an_api(server.url, concurrency=1) as api:
            under_way = [asyncio.create_task(api.call(BODY, TOKEN)) for _ in range(1 + SPARE_CONNECTIONS)]
            await asyncio.sleep(0)
            refused = await api.call(BODY, TOKEN)
            release.set()
            assert all(isinstance(the_verdict(outcome), Sent) for outcome in await asyncio.gather(*under_way))
            after = await api.call(BODY, TOKEN)
        assert isinstance(refused, Break)
        assert refused.kind is Broke.POOL
        verdict = the_verdict(refused)
        assert isinstance(verdict, Retry)
        assert not verdict.costs_attempt
        assert isinstance(the_verdict(after), Sent)

    async def test_a_closed_client_says_so(self) -> None:
        api = an_api("http://127.0.0.1:9")
        await api.close()
        outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.CLOSED

    async def test_a_kept_connection_that_was_closing_before_the_first_byte(self) -> None:
        """The server's FIN is seen in the same turn of the event loop in which aiohttp has just chosen that connection."""

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()
            await caller.gone()

        async with listening(script) as server, an_api(server.url) as api:
            assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
            connector = api._session.connector
            assert connector is not None
            ((protocol, _),) = next(iter(connector._conns.values()))
            connected = protocol.is_connected

            def closes_just_after_it_was_asked() -> bool:
                assert protocol.transport is not None
                asyncio.get_running_loop().call_soon(protocol.transport.close)
                return connected()

            protocol.is_connected = closes_just_after_it_was_asked  # type: ignore[method-assign]
            outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.NOT_WRITTEN
        assert isinstance(the_verdict(outcome), Retry)
        assert len(server.requests) == 1


class WhenTheAnswerIsLost:
    async def test_accepted_and_closed(self) -> None:
        async def script(caller: Caller) -> None:
            caller.writer.close()

        outcome, _ = await played(script)
        assert isinstance(outcome, Break)
        assert outcome.kind in (Broke.DISCONNECTED, Broke.RESET)  # which one is the kernel's choice: our bytes may meet a closed socket
        assert isinstance(the_verdict(outcome), Unknown)

    async def test_request_read_and_closed(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()

        outcome, server = await played(script)
        is_unknown_by(outcome, Broke.DISCONNECTED)
        assert len(server.requests) == 1

    async def test_request_read_and_reset(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            caller.reset()

        outcome, server = await played(script)
        is_unknown_by(outcome, Broke.RESET)
        assert len(server.requests) == 1

    async def test_half_of_the_headers(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(b"HTTP/1.1 200 OK\r\nContent-Le")

        is_unknown_by((await played(script))[0], Broke.DISCONNECTED)

    async def test_silence(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.gone()

        is_unknown_by((await played(script, read_s=0.3))[0], Broke.SILENT)

    @pytest.mark.parametrize(
        "head",
        [
            b"garbage\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            b"HTTP/1.1 200 OK\r\nX-Large: " + b"x" * 200_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 10_000 + b"\r\n",
            b"HTTP/1.1 2OO OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nNo colon here\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        ],
        ids=["garbage", "TLS on a plain port", "two lengths", "200 kB header", "10,000 headers", "letters", "no colon", "negative length"],
    )
    async def test_what_is_not_http(self, head: bytes) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(head)
            await caller.gone()

        is_unknown_by((await played(script))[0], Broke.MALFORMED)

    async def test_headers_that_drip_end_at_the_total_deadline(self) -> None:
        async def script(caller: Caller) -> None:
            await dripping(caller, b"HTTP/1.1 200 OK\r\nX-Drips: ")

        is_unknown_by((await played(script, total_s=0.6, read_s=GENEROUS_S))[0], Broke.DEADLINE)

    async def test_a_flood_of_interim_answers_ends_at_the_total_deadline(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            while True:
                await caller.say(b"HTTP/1.1 100 Continue\r\n\r\n")
                await asyncio.sleep(0.01)

        is_unknown_by((await played(script, total_s=0.6))[0], Broke.DEADLINE)

    async def test_a_connection_closed_at_the_moment_of_its_reuse_is_unknown_and_not_sent_again(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()
            await caller.reader.readexactly(1)  # the next request has begun to arrive
            caller.reset()

        async with listening(script) as server, an_api(server.url) as api:
            assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
            outcome = await api.call(BODY, TOKEN)
        is_unknown_by(outcome, Broke.RESET)
        assert server.connections == 1

    async def test_a_connection_closed_while_idle_is_not_used_again(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()

        async with listening(script) as server, an_api(server.url) as api:
            for _ in range(3):
                assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
                await server.all_gone.wait()
                async with asyncio.timeout(GENEROUS_S):
                    while api._session.connector._conns and any(  # type: ignore[union-attr]
                        protocol.is_connected()
                        for kept in api._session.connector._conns.values()  # type: ignore[union-attr]
                        for protocol, _ in kept
                    ):
                        await asyncio.sleep(0.001)
        assert (server.connections, len(server.requests)) == (3, 3)


async def dripping(caller: Caller, *parts: bytes) -> None:
    await caller.request()
    await caller.say(*parts)
    while True:
        await asyncio.sleep(0.05)
        await caller.say(b" ")


class WhenTheBodyIsCut:
    @pytest.mark.parametrize("length", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
    async def test_half_a_body_of_a_200_is_unknown(self, length: str) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            part = SUCCESS[:20]
            body = part if "Length" in length else b"100\r\n" + part
            await caller.say(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode(), body)

        outcome, _ = await played(script)
        assert isinstance(outcome, Answer)
        assert (outcome.cut, outcome.body) == (Cut.BROKEN, SUCCESS[:20])
        assert isinstance(the_verdict(outcome), Unknown)

    async def test_half_a_body_and_a_reset_is_unknown(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(SUCCESS[:20], length=1000)
            await asyncio.sleep(0.05)  # lets the half arrive; where it does not, the verdict is the same
            caller.reset()

        assert isinstance(the_verdict((await played(script))[0]), Unknown)

    async def test_a_body_that_stalls_is_unknown(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(SUCCESS[:20], length=1000)
            await caller.gone()

        outcome, _ = await played(script, read_s=0.3)
        assert isinstance(outcome, Answer)
        assert outcome.cut is Cut.STALLED
        assert isinstance(the_verdict(outcome), Unknown)

    async def test_a_body_that_drips_ends_at_the_total_deadline(self) -> None:
        async def script(caller: Caller) -> None:
            await dripping(caller, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", SUCCESS[:20])

        outcome, _ = await played(script, total_s=0.6)
        assert isinstance(outcome, Answer)
        assert outcome.cut is Cut.DEADLINE
        assert isinstance(the_verdict(outcome), Unknown)

    async def test_an_error_whose_body_breaks_is_judged_by_its_status(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(b'{"code": 3', status="400 Bad Request", length=1000)

        assert isinstance(the_verdict((await played(script))[0]), Dead)

    async def test_ten_megabytes_are_not_read_and_the_connection_is_not_used_again(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(b"x" * (10 * 1024 * 1024))

        async with listening(script) as server, an_api(server.url) as api:
            for _ in range(2):
                outcome = await api.call(BODY, TOKEN)
                assert isinstance(outcome, Answer)
                assert (outcome.cut, len(outcome.body)) == (Cut.LIMIT, 1024 * 1024)
                assert isinstance(the_verdict(outcome), Unknown)
            await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)
        assert server.connections == 2

    async def test_an_endless_body_ends_at_the_limit(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                await caller.say(b"10000\r\n", b"x" * 65536, b"\r\n")

        outcome, server = await played(script)
        assert isinstance(outcome, Answer)
        assert outcome.cut is Cut.LIMIT
        await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)

    async def test_exactly_the_limit_is_whole(self) -> None:
        body = SUCCESS.ljust(2048)

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(body)

        outcome, _ = await played(script, limit=2048)
        assert isinstance(outcome, Answer)
        assert outcome.cut is None
        assert (await played(script, limit=2047))[0].cut is Cut.LIMIT  # type: ignore[union-attr]

    async def test_a_gzip_bomb_stops_at_the_limit(self) -> None:
        bomb = gzip.compress(b"\0" * (200 * 1024 * 1024))

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(bomb, "Content-Encoding: gzip")

        outcome, _ = await played(script)
        assert isinstance(outcome, Answer)
        assert (outcome.cut, len(outcome.body)) == (Cut.LIMIT, 1024 * 1024)
        assert isinstance(the_verdict(outcome), Unknown)

    @pytest.mark.parametrize(
        ("encoding", "body"),
        [
            ("gzip", SUCCESS),
            ("gzip", gzip.compress(SUCCESS)[:-16]),
            ("gzip", b""),
            ("deflate", b"\xff\xff"),
            ("br", b"\x0b\x02\x80hello\x03"),
            ("zstd", b"(\xb5/\xfd"),
            ("gzip, gzip", gzip.compress(gzip.compress(SUCCESS))),
        ],
        ids=["not compressed", "cut short", "empty", "bad deflate", "brotli", "zstd", "compressed twice"],
    )
    async def test_a_body_that_is_not_compressed_as_it_says_is_unknown(self, encoding: str, body: bytes) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(body, f"Content-Encoding: {encoding}")

        outcome, _ = await played(script)
        assert isinstance(outcome, Answer)
        assert outcome.cut is Cut.ENCODING
        assert isinstance(the_verdict(outcome), Unknown)


class WhenARedirectIsAnswered:
    @pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
    async def test_nobody_else_sees_the_token_and_the_circuit_is_held(self, status: str) -> None:
        async def never(caller: Caller) -> None:
            await caller.request()

        async with listening(never) as elsewhere:

            async def script(caller: Caller) -> None:
                await caller.request()
                await caller.answer(b"", f"Location: {elsewhere.url}/messaging/v2/notify", status=f"{status} Moved")

            outcome, server = await played(script)
            assert elsewhere.connections == 0
        assert len(server.requests) == 1
        verdict = the_verdict(outcome)
        assert isinstance(verdict, Hold)
        assert verdict.gate == "circuit"

    async def test_not_even_to_itself(self) -> None:
        async def script(caller: Caller) -> None:
            while True:
                await caller.request()
                await caller.answer(b"", "Location: /messaging/v2/notify", status="307 Again")

        outcome, server = await played(script)
        assert len(server.requests) == 1
        assert isinstance(the_verdict(outcome), Hold)


def a_certificate(folder: Path, name: str, *, host: str = "localhost", until: str = "21200101000000Z") -> tuple[Path, Path]:
    """Signed by itself. until: its end; in the past makes it an expired one."""
    key, certificate, asked, config = (folder / f"{name}.{ending}" for ending in ("key", "pem", "csr", "cnf"))
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    config.write_text(
        f"[ca]\ndefault_ca=x\n[x]\ndatabase={folder}/index\nserial={folder}/serial\nnew_certs_dir={folder}\ndefault_md=sha256\n"
        "policy=p\nx509_extensions=e\nunique_subject=no\n[p]\ncommonName=supplied\n"
        f"[e]\nsubjectAltName=DNS:{host}\nbasicConstraints=CA:TRUE\n"
    )
    make = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(asked), "-subj", f"/CN={host}"], check=True, capture_output=True)
    sign = ["openssl", "ca", "-batch", "-selfsign", "-config", str(config), "-in", str(asked)]
    sign += ["-keyfile", str(key), "-out", str(certificate)]
    subprocess.run([*sign, "-startdate", "20200101000000Z", "-enddate", until], check=True, capture_output=True)
    return certificate, key


def serving(certificate: Path, key: Path) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls


class WhenTlsFails:
    async def answered(self, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext | None) -> tuple[Outcome, Server]:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()

        async with listening(script, server_tls) as server, an_api(server.url, tls=client_tls) as api:
            return await api.call(BODY, TOKEN), server

    def is_held(self, outcome: Outcome, server: Server) -> None:
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.TLS
        assert not server.requests
        verdict = the_verdict(outcome)
        assert isinstance(verdict, Hold)
        assert verdict.gate == "circuit"

    async def test_a_certificate_that_is_trusted_is_no_trouble(self, tmp_path: Path) -> None:
        pair = a_certificate(tmp_path, "good")
        outcome, _ = await self.answered(serving(*pair), ssl.create_default_context(cafile=str(pair[0])))
        assert the_verdict(outcome) == Sent("C-1")

    async def test_a_self_signed_certificate_is_held(self, tmp_path: Path) -> None:
        self.is_held(*await self.answered(serving(*a_certificate(tmp_path, "own")), None))

    async def test_a_wrong_host_is_held(self, tmp_path: Path) -> None:
        pair = a_certificate(tmp_path, "other", host="other.example")
        self.is_held(*await self.answered(serving(*pair), ssl.create_default_context(cafile=str(pair[0]))))

    async def test_an_expired_certificate_is_held(self, tmp_path: Path) -> None:
        pair = a_certificate(tmp_path, "old", until="20200102000000Z")
        self.is_held(*await self.answered(serving(*pair), ssl.create_default_context(cafile=str(pair[0]))))

    async def test_a_server_that_refuses_our_version_of_tls_is_held(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.reader.read(4096)
            await caller.say(bytes.fromhex("15 0303 0002 02 46"))  # alert, TLS 1.2, two bytes: fatal, protocol_version
            await caller.gone()

        async with listening(script) as server, an_api(server.url.replace("http:", "https:")) as api:
            outcome = await api.call(BODY, TOKEN)
        self.is_held(outcome, server)

    def test_nothing_older_than_tls_1_2_is_spoken(self) -> None:
        assert trusted().minimum_version is ssl.TLSVersion.TLSv1_2
        assert trusted().verify_mode is ssl.CERT_REQUIRED
        assert trusted().check_hostname

    async def test_a_handshake_that_is_broken_off_was_not_sent(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.reader.read(100)
            caller.reset()

        async with listening(script) as server, an_api(server.url.replace("http:", "https:")) as api:
            outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.CONNECT_FAILED
        assert isinstance(the_verdict(outcome), Retry)

    async def test_a_plain_server_on_the_port_is_held(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.reader.read(100)
            await caller.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await caller.gone()

        async with listening(script) as server, an_api(server.url.replace("http:", "https:")) as api:
            outcome = await api.call(BODY, TOKEN)
        self.is_held(outcome, server)

    async def test_a_handshake_that_stalls_ends_within_the_time_for_connecting(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.gone()

        async with listening(script) as server, an_api(server.url.replace("http:", "https:"), connect_s=0.3) as api:
            outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.CONNECT_TIMEOUT
        assert isinstance(the_verdict(outcome), Retry)


class WhenACallIsCancelled:
    async def test_its_connection_is_closed_and_the_pool_stays_well(self) -> None:
        arrived = asyncio.Event()
        patient = True

        async def script(caller: Caller) -> None:
            while True:
                await caller.request()
                arrived.set()
                if patient:
                    await caller.gone()
                await caller.answer()

        async with listening(script) as server, an_api(server.url, concurrency=2) as api:
            for _ in range(3 * SPARE_CONNECTIONS):
                arrived.clear()
                task = asyncio.create_task(api.call(BODY, TOKEN))
                await arrived.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)
            patient = False
            assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)

    async def test_in_the_middle_of_a_body_too(self) -> None:
        half = asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(SUCCESS[:10], length=1000)
            half.set()
            await caller.gone()

        async with listening(script) as server, an_api(server.url) as api:
            task = asyncio.create_task(api.call(BODY, TOKEN))
            await half.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)


class WhenTheEnvironmentNamesAProxy:
    async def test_the_token_does_not_go_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()

        async with listening(script) as proxy:
            for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            outcome, _ = await played(script)
        assert isinstance(the_verdict(outcome), Sent)
        assert proxy.connections == 0


class TestItsMaking:
    async def test_settings_are_all_it_needs(self) -> None:
        settings = Settings(_env_file=None, base_url="http://127.0.0.1:9", concurrency=3)
        async with Api.from_settings(settings) as api:
            outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.REFUSED

    async def test_it_speaks_through_httpx_aiohttp(self) -> None:
        async with an_api("http://127.0.0.1:9") as api:
            assert isinstance(api._transport, httpx.AsyncBaseTransport)
