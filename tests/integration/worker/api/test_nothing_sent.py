"""Every way in which a call breaks before a byte is sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from tests.integration.worker.api.raw_server import BODY, GENEROUS_S, TOKEN, Caller, an_api, listening, the_verdict
from wooshq_worker.api.http1.connection import Connection
from wooshq_worker.api.outcome import Break, Broke
from wooshq_worker.api.transport import SPARE_CONNECTIONS
from wooshq_worker.api.verdict import Retry, Sent


class WhenNothingWasSent:
    async def test_a_refused_connection_is_retried(self) -> None:
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

    async def test_a_connection_that_is_never_accepted_ends_within_the_connect_timeout(self) -> None:
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
            in_progress = [asyncio.create_task(api.call(BODY, TOKEN)) for _ in range(1 + SPARE_CONNECTIONS)]
            await asyncio.sleep(0)
            refused = await api.call(BODY, TOKEN)
            release.set()
            assert all(isinstance(the_verdict(outcome), Sent) for outcome in await asyncio.gather(*in_progress))
            after = await api.call(BODY, TOKEN)
        assert isinstance(refused, Break)
        assert refused.kind is Broke.POOL
        verdict = the_verdict(refused)
        assert isinstance(verdict, Retry)
        assert not verdict.costs_attempt
        assert isinstance(the_verdict(after), Sent)

    async def test_a_closed_client_breaks(self) -> None:
        api = an_api("http://127.0.0.1:9")
        await api.close()
        outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.CLOSED

    async def test_a_client_that_is_closed_while_it_connects_breaks_at_once(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.gone()

        async with listening(script) as server, an_api(server.url.replace("http:", "https:")) as api:
            call = asyncio.create_task(api.call(BODY, TOKEN))
            async with asyncio.timeout(GENEROUS_S):
                while not server.connections:
                    await asyncio.sleep(0.001)
            await api.close()
            outcome = await asyncio.wait_for(call, GENEROUS_S / 2)
            await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.CLOSED
        assert isinstance(the_verdict(outcome), Retry)

    async def test_a_connection_that_closes_before_the_first_byte_is_retried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server closes a new connection in the moment between its making and the writing of the request."""

        async def script(caller: Caller) -> None:
            caller.writer.close()

        async with listening(script) as server, an_api(server.url) as api:
            connect = api._pool._connector.connect

            async def connect_and_see_it_close(protocol: Callable[[], Connection]) -> Connection:
                connection = await connect(protocol)
                async with asyncio.timeout(GENEROUS_S):
                    while connection.is_open:
                        await asyncio.sleep(0.001)
                return connection

            monkeypatch.setattr(api._pool._connector, "connect", connect_and_see_it_close)
            outcome = await api.call(BODY, TOKEN)
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.NOT_WRITTEN
        assert isinstance(the_verdict(outcome), Retry)
        assert not server.requests
