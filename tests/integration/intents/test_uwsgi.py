"""
uWSGI without threads: the publisher's thread runs only during a request, so a message is published before `enqueue` returns.

uWSGI is not installed for the tests. They give wooshq what it sees there: a module `uwsgi` that says whether there are threads.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Iterator
from types import ModuleType

import pytest
import redis

from tests.rig import an_intent, some_settings
from wooshq import Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.installation import publish
from wooshq.ledger.steps import Ask, Steps


@pytest.fixture
def broker(redis_server: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.replace("{db}", "1")) as client:
        yield client


def in_uwsgi(monkeypatch: pytest.MonkeyPatch, *, has_threads: int) -> None:
    uwsgi = ModuleType("uwsgi")
    uwsgi.has_threads = has_threads  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    publish._warn_once.cache_clear()


def a_worker_answers(wooshq: Wooshq) -> None:
    """The bell that was rung last. So the next call must ring again."""

    def forget_bells() -> Steps[None]:
        yield Ask([("DEL", wooshq.ledger.keys.fixed("bells"))])

    wooshq.do(forget_bells())


@pytest.fixture
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    in_uwsgi(monkeypatch, has_threads=0)


@pytest.fixture
def other_threads_stand_still() -> Iterator[None]:
    """No thread gets its turn before this one waits: what uWSGI does, made sure of."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.settings(accept_within_s=60)
@pytest.mark.usefixtures("without_threads")
class WhenUwsgiHasNoThreads:
    @pytest.mark.usefixtures("other_threads_stand_still")
    def test_each_message_is_published_when_enqueue_returns(self, wooshq: Wooshq, broker: redis.Redis) -> None:
        for number in (1, 2, 3):
            a_worker_answers(wooshq)
            wooshq.enqueue(an_intent())
            assert not wooshq.installation.publisher._has_work
            assert broker.llen("transactional") == number
        wooshq.enqueue_many([an_intent(), an_intent()])
        assert not wooshq.installation.publisher._has_work

    def test_asyncio_too(self, wooshq: Wooshq, broker: redis.Redis) -> None:
        async def enqueue() -> int:
            async with AsyncWooshq(wooshq.settings) as made:
                await made.enqueue(an_intent())
                return int(broker.llen("transactional"))  # type: ignore[arg-type]

        assert asyncio.run(enqueue()) == 1

    def test_it_is_said_once(self, wooshq: Wooshq, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, "wooshq.publish"):
            for _ in range(3):
                a_worker_answers(wooshq)
                wooshq.enqueue(an_intent())
        (said,) = [record.message for record in caplog.records if record.name == "wooshq.publish"]
        assert "uwsgi_without_threads" in said
        assert "--enable-threads" in said


@pytest.mark.usefixtures("without_threads")
class WhenTheBrokerHangsThere:
    def test_only_one_call_waits_for_it(self, redis_url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            broker_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
            with Wooshq(some_settings(redis_url=redis_url, broker_url=broker_url, accept_within_s=10)) as wooshq:
                began = time.monotonic()
                for _ in range(20):
                    a_worker_answers(wooshq)
                    wooshq.enqueue(an_intent())
                assert time.monotonic() - began < 20  # 50 s, if each of them waited for the 2.5 s
                assert wooshq.counts()["accepted"] == 20


class WhenUwsgiHasThreads:
    def test_enqueue_does_not_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        in_uwsgi(monkeypatch, has_threads=1)
        assert not publish.threads_stand_still()

    def test_neither_does_it_if_a_module_of_the_app_has_the_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "uwsgi", ModuleType("uwsgi"))
        assert not publish.threads_stand_still()
