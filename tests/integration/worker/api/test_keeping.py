"""Connections that are kept for another call: how long, and what may not be kept."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.worker.api.raw_server import BODY, GENEROUS_S, SUCCESS, TOKEN, Caller, Clock, an_api, listening, the_verdict
from wooshq_worker.api.http1 import connect
from wooshq_worker.api.http1.pool import KEEPALIVE_S
from wooshq_worker.api.verdict import Sent


async def answering(caller: Caller) -> None:
    while True:
        await caller.request()
        await caller.answer()


@pytest.mark.asyncio(loop_factories=["asyncio"])  # a clock that can be put forward
class WhenAConnectionIsIdle:
    async def test_it_is_used_again_while_it_is_fresh(self) -> None:
        clock = Clock()
        async with listening(answering) as server, an_api(server.url) as api:
            for _ in range(5):
                assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
                clock.put_forward(KEEPALIVE_S * 0.9)
        assert (server.connections, len(server.requests)) == (1, 5)

    async def test_it_is_closed_before_the_server_might_close_it(self) -> None:
        clock = Clock()
        async with listening(answering) as server, an_api(server.url) as api:
            await asyncio.gather(*(api.call(BODY, TOKEN) for _ in range(4)))
            assert server.open == 4
            clock.put_forward(KEEPALIVE_S)
            await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)
            assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
        assert server.connections == 5

    async def test_one_that_is_too_old_is_not_used_before_it_is_closed_either(self) -> None:
        clock = Clock()
        async with listening(answering) as server, an_api(server.url) as api:
            await api.call(BODY, TOKEN)
            clock.put_forward(KEEPALIVE_S)
            assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
        assert server.connections == 2


class WhenAServerSaysTooMuch:
    async def test_a_second_answer_is_not_taken_for_that_to_the_next_request(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(*[b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(SUCCESS), SUCCESS] * 2)
            await caller.gone()

        async with listening(script) as server, an_api(server.url) as api:
            for _ in range(2):
                assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
        assert (server.connections, len(server.requests)) == (2, 2)

    async def test_words_on_an_idle_connection_close_it(self) -> None:
        idle = asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer()
            await idle.wait()
            await caller.answer(b"", status="408 Request Timeout")
            await caller.gone()

        async with listening(script) as server, an_api(server.url) as api:
            assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
            idle.set()
            await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)
            assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)
        assert (server.connections, len(server.requests)) == (2, 2)


class WhenManyConnectionsAreMadeAtOnce:
    async def test_the_name_is_asked_for_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []
        look_up = connect._look_up

        def noted(host: str, port: int) -> object:
            asked.append(host)
            return look_up(host, port)

        monkeypatch.setattr(connect, "_look_up", noted)
        async with listening(answering) as server, an_api(server.url.replace("127.0.0.1", "localhost"), concurrency=50) as api:
            outcomes = await asyncio.gather(*(api.call(BODY, TOKEN) for _ in range(50)))
        assert all(isinstance(the_verdict(outcome), Sent) for outcome in outcomes)
        assert asked == ["localhost"]
