"""Connections of `wooshq.aio` end with the event loop in which they were made, however often a program makes a loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from asgiref.sync import async_to_sync

from tests.integration.installation.servers import Server
from tests.rig import an_intent, some_settings, wait_until
from wooshq.aio import AsyncWooshq

LOOPS = 300
FEW = 8
"""Connections of the publisher, of the test itself, and of a loop that has not ended."""


@pytest.fixture
def server(data_dir: Path) -> Iterator[redis.Redis]:
    """A Redis of this test's own, because its connections are counted."""
    made = Server(data_dir, "--save", "")
    with made.client() as client:
        yield client
    made.kill()


@pytest.fixture
def client(server: redis.Redis) -> AsyncWooshq:
    port = server.connection_pool.connection_kwargs["port"]
    return AsyncWooshq(some_settings(redis_url=f"redis://127.0.0.1:{port}/0", accept_within_s=60))


def connections(server: redis.Redis) -> int:
    return int(server.info("clients")["connected_clients"])


class WhenManyLoopsUseOneClient:
    def test_a_loop_that_ended_holds_no_connection(self, server: redis.Redis, client: AsyncWooshq) -> None:
        for n in range(LOOPS):
            assert asyncio.run(client.enqueue(an_intent(f"u{n}")))
            assert connections(server) <= FEW

    def test_so_it_is_for_an_async_view_of_django_under_wsgi(self, server: redis.Redis, client: AsyncWooshq) -> None:
        """Django runs such a view through `async_to_sync`, in a loop of its own for each request."""
        view = async_to_sync(client.enqueue)
        for n in range(LOOPS):
            assert view(an_intent(f"u{n}"))
            assert connections(server) <= FEW

    def test_so_it_is_for_loops_in_threads(self, server: redis.Redis, client: AsyncWooshq) -> None:
        async def twenty(thread: int) -> set[str]:
            return set(await asyncio.gather(*(client.enqueue(an_intent(f"u{thread}-{n}")) for n in range(20))))

        with ThreadPoolExecutor(8) as pool:
            ids = set().union(*pool.map(lambda thread: asyncio.run(twenty(thread)), range(40)))
        assert len(ids) == 800
        wait_until(lambda: connections(server) <= FEW, saw=lambda: server.client_list())

    def test_loops_that_are_closed_without_ceremony_are_forgotten(self, server: redis.Redis, client: AsyncWooshq) -> None:
        """Without `shutdown_asyncgens`, which `asyncio.run` calls. Their connections end when Python frees them."""
        for n in range(LOOPS):
            loop = asyncio.new_event_loop()
            assert loop.run_until_complete(client.enqueue(an_intent(f"u{n}")))
            loop.close()
            if n % 20 == 0:
                gc.collect()
                assert connections(server) <= FEW + 20

    def test_an_error_or_a_cancelled_call_leaves_nothing_either(self, server: redis.Redis, client: AsyncWooshq) -> None:
        async def cancelled(n: int) -> None:
            task = asyncio.ensure_future(client.enqueue(an_intent(f"u{n}")))
            await asyncio.sleep(0.001 * (n % 3))
            task.cancel()

        async def failed(n: int) -> None:
            await client.enqueue(an_intent(f"u{n}"))
            raise KeyError

        for n in range(60):
            asyncio.run(cancelled(n))
            with pytest.raises(KeyError):
                asyncio.run(failed(n))
        wait_until(lambda: connections(server) <= FEW, saw=lambda: server.client_list())

    def test_a_loop_keeps_its_connections_as_long_as_it_runs(self, server: redis.Redis, client: AsyncWooshq) -> None:
        async def many() -> int:
            for n in range(200):
                await client.enqueue(an_intent(f"u{n}"))
            return int(server.info("stats")["total_connections_received"])

        before = int(server.info("stats")["total_connections_received"])
        assert asyncio.run(many()) - before < 50  # also those of the publisher
