"""Every way in which the request may have been read and no answer comes."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.worker.api.raw_server import (
    BODY,
    GENEROUS_S,
    TOKEN,
    Caller,
    Tls,
    dripping,
    is_unknown_by,
    no_kept_connections,
    played,
    talking,
    the_verdict,
)
from wooshq_worker.api.outcome import Break, Broke
from wooshq_worker.api.verdict import Retry, Sent, Unknown


class WhenTheAnswerIsLost:
    async def test_a_connection_that_is_accepted_and_closed(self, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            caller.writer.close()

        outcome, server = await played(script, tls)
        assert isinstance(outcome, Break)
        # The first, if wooshq knows of the end before it writes. Of the others the kernel chooses: our bytes may meet a closed socket.
        assert outcome.kind in (Broke.NOT_WRITTEN, Broke.DISCONNECTED, Broke.RESET)
        assert isinstance(the_verdict(outcome), Retry if outcome.kind is Broke.NOT_WRITTEN else Unknown)
        assert not server.requests

    async def test_a_request_that_is_read_before_the_connection_closes(self, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()

        outcome, server = await played(script, tls)
        is_unknown_by(outcome, Broke.DISCONNECTED)
        assert len(server.requests) == 1

    async def test_a_request_that_is_read_before_the_connection_is_reset(self, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            caller.reset()

        outcome, server = await played(script, tls)
        is_unknown_by(outcome, Broke.RESET)
        assert len(server.requests) == 1

    async def test_headers_that_end_halfway(self, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(b"HTTP/1.1 200 OK\r\nContent-Le")

        is_unknown_by((await played(script, tls))[0], Broke.DISCONNECTED)

    async def test_a_server_that_stays_silent(self, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.gone()

        is_unknown_by((await played(script, tls, read_s=0.3))[0], Broke.SILENT)

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
    async def test_an_answer_that_is_not_http(self, head: bytes) -> None:
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

    async def test_a_connection_that_closes_at_the_moment_of_its_reuse_is_not_called_again(self, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()
            await caller.reader.readexactly(1)  # the next request has begun to arrive
            caller.reset()

        async with talking(script, tls) as (server, api):
            assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
            outcome = await api.call(BODY, TOKEN)
        is_unknown_by(outcome, Broke.RESET)
        assert server.connections == 1

    async def test_a_connection_that_closed_while_idle_is_not_used_again(self, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()

        async with talking(script, tls) as (server, api):
            for _ in range(3):
                assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
                await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)
                await no_kept_connections(api)
        assert (server.connections, len(server.requests)) == (3, 3)
