"""The module's functions keep the settings of their first call. `reset` closes everything, and the next call reads them again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import redis

import wooshq
import wooshq.aio
from tests.rig import APPLICATION, an_intent, some_settings, wait_until
from wooshq import SettingsInvalid, Wooshq, enqueue
from wooshq.aio import AsyncWooshq


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> Iterator[pytest.MonkeyPatch]:
    """An environment that names a Redis; the namespace is `before`."""
    monkeypatch.setenv("WOOSHQ_REDIS_URL", redis_url)
    monkeypatch.setenv("PUSHWOOSH_APPLICATION", APPLICATION)
    monkeypatch.setenv("WOOSHQ_NAMESPACE", "before")
    wooshq.reset()
    asyncio.run(wooshq.aio.reset())
    yield monkeypatch
    wooshq.reset()
    asyncio.run(wooshq.aio.reset())


def accepted(redis_url: str, namespace: str) -> int:
    with Wooshq(some_settings(redis_url=redis_url, namespace=namespace)) as looking:
        return looking.counts().get("accepted", 0)


def run(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(call())


FACES: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
    (lambda: enqueue(an_intent()), wooshq.reset),
    (lambda: run(lambda: wooshq.aio.enqueue(an_intent())), lambda: run(wooshq.aio.reset)),
]


class WhenTheEnvironmentChanges:
    @pytest.mark.parametrize(("call", "reset"), FACES)
    def test_the_settings_of_the_first_call_are_kept_until_reset(
        self, environment: pytest.MonkeyPatch, redis_url: str, call: Callable[[], Any], reset: Callable[[], Any]
    ) -> None:
        call()
        environment.setenv("WOOSHQ_NAMESPACE", "after")
        call()
        assert (accepted(redis_url, "before"), accepted(redis_url, "after")) == (2, 0)
        reset()
        call()
        assert (accepted(redis_url, "before"), accepted(redis_url, "after")) == (2, 1)

    def test_jobs_and_dead_letters_follow(self, environment: pytest.MonkeyPatch, redis_url: str) -> None:
        wooshq.fan_out({"message": {"push": {"title": "Hi"}}}, ["u1"])
        environment.setenv("WOOSHQ_NAMESPACE", "after")
        wooshq.reset()
        assert wooshq.bulk.list() == []
        job = wooshq.fan_out({"message": {"push": {"title": "Hi"}}}, ["u1"])
        assert [one.id for one in wooshq.bulk.list()] == [job.id]
        assert wooshq.dead_letters.list() == []

    def test_another_server_is_used(self, environment: pytest.MonkeyPatch) -> None:
        enqueue(an_intent())
        environment.setenv("WOOSHQ_REDIS_URL", "redis://127.0.0.1:1/0")
        wooshq.reset()
        with pytest.raises(wooshq.NotAccepted, match=r"127\.0\.0\.1:1"):
            enqueue(an_intent())

    def test_settings_that_were_not_valid_are_read_again(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("WOOSHQ_REDIS_URL", "nonsense")
        with pytest.raises(SettingsInvalid):
            enqueue(an_intent())
        wooshq.reset()
        environment.delenv("WOOSHQ_REDIS_URL")
        with pytest.raises(SettingsInvalid, match="is not set"):
            enqueue(an_intent())

    def test_no_connection_is_left(self, environment: pytest.MonkeyPatch, redis_url: str) -> None:
        async def both() -> None:
            await wooshq.aio.enqueue(an_intent())
            await wooshq.aio.reset()

        with redis.Redis.from_url(redis_url) as server:
            before = len(server.client_list())
            for _ in range(3):
                enqueue(an_intent())
                wooshq.reset()
                asyncio.run(both())
            wait_until(lambda: len(server.client_list()) <= before, saw=server.client_list)


class WhenTheSettingsWereGiven:
    def test_they_stay(self, environment: pytest.MonkeyPatch, redis_url: str) -> None:
        mine = Wooshq(some_settings(redis_url=redis_url, namespace="mine"))
        mine.enqueue(an_intent())
        mine.reset()
        mine.enqueue(an_intent())
        mine.close()

        async def in_asyncio() -> None:
            async with AsyncWooshq(some_settings(redis_url=redis_url, namespace="mine")) as client:
                await client.reset()
                await client.enqueue(an_intent())

        asyncio.run(in_asyncio())
        assert accepted(redis_url, "mine") == 3
