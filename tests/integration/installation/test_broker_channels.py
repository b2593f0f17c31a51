"""A channel of the broker is closed: nothing of it stays open in this process, whatever happened to its connection."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.rig import an_intent, wait_until
from wooshq import Wooshq


def kill(server: redis.Redis, own: set[str]) -> None:
    for each in own:
        server.client_kill_filter(_id=each)


def nothing(server: redis.Redis, own: set[str]) -> None:
    return None


@pytest.mark.parametrize("before_it_is_closed", [nothing, kill], ids=["that works", "that is lost"])
class WhenAChannelWithAnUnacknowledgedMessageIsClosed:
    def test_all_its_connections_are_closed_and_it_is_forgotten(
        self, wooshq: Wooshq, redis_url: str, before_it_is_closed: Callable[[redis.Redis, set[str]], None]
    ) -> None:
        wooshq.enqueue(an_intent())
        wooshq.flush()
        with redis.Redis.from_url(redis_url) as server:
            connected = lambda: {each["id"] for each in server.client_list()}  # noqa: E731
            others = connected()
            connection = wooshq.installation.app.connection_for_read()
            channel: Any = connection.channel()
            message = channel.basic_get(wooshq.installation.app.lanes["transactional"])
            assert message is not None
            before_it_is_closed(server, connected() - others)

            channel.close()
            channel.close()

            wait_until(lambda: connected() <= others, within_s=10, saw=server.client_list)
            connection.close()
            forgotten = weakref.ref(channel)
            del channel, message
            gc.collect()
            assert forgotten() is None
