"""Every way in which the body of an answer is incomplete."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from tests.integration.worker.api.raw_server import BODY, GENEROUS_S, SUCCESS, TOKEN, Caller, Clock, Tls, played, talking, the_verdict
from wooshq_worker.api.outcome import Answer, Cut
from wooshq_worker.api.verdict import Dead, Unknown

NO_LIMIT = 1024 * 1024 * 1024


class WhenTheBodyIsCut:
    @pytest.mark.parametrize("length", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
    async def test_half_a_body_of_a_200_is_unknown(self, length: str, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            part = SUCCESS[:20]
            body = part if "Length" in length else b"100\r\n" + part
            await caller.say(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode(), body)

        outcome, _ = await played(script, tls)
        assert isinstance(outcome, Answer)
        assert (outcome.cut, outcome.body) == (Cut.BROKEN, SUCCESS[:20])
        assert isinstance(the_verdict(outcome), Unknown)

    async def test_half_a_body_and_a_reset_is_unknown(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.begin_body()
            caller.reset()

        outcome, _ = await played(script, limit=NO_LIMIT)
        assert isinstance(outcome, Answer)
        assert outcome.cut is Cut.BROKEN
        assert outcome.body.startswith(SUCCESS[:20])
        assert isinstance(the_verdict(outcome), Unknown)

    @pytest.mark.asyncio(loop_factories=["asyncio"])  # a clock that can be put forward
    async def test_a_body_that_stalls_is_unknown(self) -> None:
        clock = Clock()

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.begin_body()
            await caller.gone_in_time(clock, GENEROUS_S)

        outcome, _ = await played(script, limit=NO_LIMIT, read_s=GENEROUS_S, total_s=1e6)
        assert isinstance(outcome, Answer)
        assert outcome.cut is Cut.STALLED
        assert isinstance(the_verdict(outcome), Unknown)

    @pytest.mark.asyncio(loop_factories=["asyncio"])  # a clock that can be put forward
    async def test_a_body_that_does_not_end_is_cut_at_the_total_deadline(self) -> None:
        clock = Clock()

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.begin_body()
            clock.put_forward(GENEROUS_S)
            await caller.gone()

        outcome, _ = await played(script, limit=NO_LIMIT, read_s=1e6, total_s=GENEROUS_S)
        assert isinstance(outcome, Answer)
        assert outcome.cut is Cut.DEADLINE
        assert isinstance(the_verdict(outcome), Unknown)

    async def test_an_error_whose_body_breaks_is_judged_by_its_status(self) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(b'{"code": 3', status="400 Bad Request", length=1000)

        assert isinstance(the_verdict((await played(script))[0]), Dead)

    async def test_ten_megabytes_are_not_read_and_the_connection_is_not_used_again(self, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(b"x" * (10 * 1024 * 1024))

        async with talking(script, tls) as (server, api):
            for _ in range(2):
                outcome = await api.call(BODY, TOKEN)
                assert isinstance(outcome, Answer)
                assert (outcome.cut, len(outcome.body)) == (Cut.LIMIT, 1024 * 1024)
                assert isinstance(the_verdict(outcome), Unknown)
            await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)
        assert server.connections == 2

    async def test_an_endless_body_ends_at_the_limit(self, tls: Tls | None) -> None:
        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                await caller.say(b"10000\r\n", b"x" * 65536, b"\r\n")

        outcome, server = await played(script, tls)
        assert isinstance(outcome, Answer)
        assert outcome.cut is Cut.LIMIT
        await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)

    async def test_a_body_of_exactly_the_limit_is_complete(self) -> None:
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
