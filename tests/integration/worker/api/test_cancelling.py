"""A call that is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.worker.api.raw_server import BODY, GENEROUS_S, SUCCESS, TOKEN, Caller, an_api, listening, the_verdict
from wooshq_worker.api.transport import SPARE_CONNECTIONS
from wooshq_worker.api.verdict import Sent


class WhenACallIsCancelled:
    async def test_its_connection_is_closed_and_the_pool_still_works(self) -> None:
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
                await asyncio.wait_for(arrived.wait(), GENEROUS_S)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)
            patient = False
            assert isinstance(the_verdict(await api.call(BODY, TOKEN)), Sent)

    async def test_inside_a_body_its_connection_is_closed_too(self) -> None:
        half = asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.request()
            await caller.answer(SUCCESS[:10], length=1000)
            half.set()
            await caller.gone()

        async with listening(script) as server, an_api(server.url) as api:
            task = asyncio.create_task(api.call(BODY, TOKEN))
            await asyncio.wait_for(half.wait(), GENEROUS_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.all_gone.wait(), GENEROUS_S)
