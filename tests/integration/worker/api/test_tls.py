"""TLS that fails: the token goes only to a server that proves its identity."""

from __future__ import annotations

import ssl
from pathlib import Path

from tests.integration.worker.api.certificates import a_certificate, serving
from tests.integration.worker.api.raw_server import BODY, TOKEN, Caller, Server, an_api, listening, the_verdict
from wooshq_worker.api.outcome import Break, Broke, Outcome
from wooshq_worker.api.transport import trusted
from wooshq_worker.api.verdict import Hold, Retry, Sent


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

    async def test_a_trusted_certificate_is_accepted(self, tmp_path: Path) -> None:
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

    async def test_a_server_that_refuses_our_tls_version_is_held(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.reader.read(4096)
            await caller.say(bytes.fromhex("15 0303 0002 02 46"))  # alert, TLS 1.2, two bytes: fatal, protocol_version
            await caller.gone()

        async with listening(script) as server, an_api(server.url.replace("http:", "https:")) as api:
            outcome = await api.call(BODY, TOKEN)
        self.is_held(outcome, server)

    def test_tls_1_2_is_the_oldest_version(self) -> None:
        assert trusted().minimum_version is ssl.TLSVersion.TLSv1_2
        assert trusted().verify_mode is ssl.CERT_REQUIRED
        assert trusted().check_hostname

    async def test_a_handshake_that_breaks_off_is_retried(self) -> None:
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

    async def test_a_handshake_that_stalls_ends_within_the_connect_timeout(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.gone()

        async with listening(script) as server, an_api(server.url.replace("http:", "https:"), connect_s=0.3) as api:
            outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.CONNECT_TIMEOUT
        assert isinstance(the_verdict(outcome), Retry)
