"""Every way in which an answer comes whole, and what the request says."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable

import pytest

from tests.integration.worker.api.raw_server import BODY, SUCCESS, TOKEN, Caller, an_api, listening, played, the_verdict
from tests.rig import some_settings
from wooshq_worker.api.outcome import Answer, Break, Broke
from wooshq_worker.api.transport import Api
from wooshq_worker.api.verdict import Hold, Retry, Sent


class WhenTheApiAnswers:
    async def test_the_request_has_what_the_api_requires_and_nothing_more(self) -> None:
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

    async def test_connections_are_kept_but_cookies_are_not(self) -> None:
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

    async def test_each_call_carries_its_own_token(self) -> None:
        async def script(caller: Caller) -> None:
            while True:
                request = await caller.request()
                await caller.answer(b'{"message_code": "%s"}' % request.split(b"Token ")[1].split(b"\r\n")[0])

        async with listening(script) as server, an_api(server.url, concurrency=50) as api:
            outcomes = await asyncio.gather(*(api.call(BODY, f"t{n % 7}") for n in range(50)))
        assert [the_verdict(outcome) for outcome in outcomes] == [Sent(f"t{n % 7}") for n in range(50)]

    async def test_a_repeated_header_keeps_all_its_values(self) -> None:
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

    async def test_interim_answers_before_it_are_skipped(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3)
            await caller.answer()

        assert the_verdict((await played(script))[0]) == Sent("C-1")

    async def test_a_large_body_arrives_complete(self) -> None:
        body = b'{"a": "' + b"x" * (3 * 1024 * 1024) + b'"}'

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()

        async with listening(script) as server, an_api(server.url) as api:
            assert isinstance(the_verdict(await api.call(body, TOKEN)), Sent)
        assert server.requests[0].endswith(body)


class WhenARedirectIsAnswered:
    @pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
    async def test_the_other_host_is_not_called_and_the_circuit_is_held(self, status: str) -> None:
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

    async def test_a_redirect_to_the_same_host_is_not_followed(self) -> None:
        async def script(caller: Caller) -> None:
            while True:
                await caller.request()
                await caller.answer(b"", "Location: /messaging/v2/notify", status="307 Again")

        outcome, server = await played(script)
        assert len(server.requests) == 1
        assert isinstance(the_verdict(outcome), Hold)


class WhenTheEnvironmentNamesAProxy:
    async def test_the_token_is_not_sent_to_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()

        async with listening(script) as proxy:
            for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            outcome, _ = await played(script)
        assert isinstance(the_verdict(outcome), Sent)
        assert proxy.connections == 0


class TestTheApisClient:
    async def test_it_is_made_from_settings(self) -> None:
        settings = some_settings(base_url="http://127.0.0.1:9", concurrency=3)
        async with Api.from_settings(settings) as api:
            outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.REFUSED
