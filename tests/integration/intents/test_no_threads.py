"""A process in which no thread can start, because of a limit or because it ends: what is in the ledger counts as accepted, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.fan_outs import TEMPLATE, personal
from tests.integration.installation.servers import Server
from tests.rig import APPLICATION, ROOT, an_intent, some_settings
from wooshq import NotAccepted, Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.settings import Settings


@contextmanager
def no_threads() -> Iterator[None]:
    """A new thread would need more memory than any machine has, so the system refuses to start it."""
    before = threading.stack_size(1 << 46)
    try:
        with pytest.raises(RuntimeError):
            threading.Thread(target=print).start()
        yield
    finally:
        threading.stack_size(before)


async def enqueue_without_threads(settings: Settings) -> str:
    wooshq = AsyncWooshq(settings)
    with no_threads():
        return await wooshq.enqueue(an_intent())


def published(url: str) -> int:
    with redis.Redis.from_url(url.replace("redis+socket://", "unix://").replace("virtual_host=", "db=")) as client:
        return int(client.llen("transactional"))


class WhenNoThreadCanStart:
    def test_an_intent_is_accepted_and_published_as_soon_as_a_thread_can(self, wooshq: Wooshq, broker_url: str) -> None:
        with no_threads():
            ids = [wooshq.enqueue(an_intent(f"u{n}")) for n in range(2)]
            report = wooshq.enqueue_many(an_intent(f"u{n}") for n in range(3))
            assert not wooshq.flush(0.1)
        assert report.accepted == 3
        assert {status.state for status in map(wooshq.status, ids) if status} == {"queued"}
        assert published(broker_url) == 0

        wooshq.enqueue(an_intent())

        assert wooshq.flush()
        assert published(broker_url) >= 1
        assert not wooshq.installation.publisher._has_work

    def test_a_job_starts(self, wooshq: Wooshq) -> None:
        with no_threads():
            job = wooshq.fan_out(TEMPLATE, personal(3))
        assert job.show().total == 3

    def test_an_async_caller_learns_that_an_intent_is_accepted(self, redis_url: str, broker_url: str) -> None:
        settings = some_settings(redis_url=redis_url, broker_url=broker_url)
        intent_id = asyncio.run(enqueue_without_threads(settings))
        with Wooshq(settings) as wooshq:
            assert wooshq.status(intent_id)

    def test_an_async_caller_whose_redis_has_a_name_learns_what_became_of_it(self, tmp_path: Path) -> None:
        """asyncio looks up names in a thread."""
        server = Server(tmp_path)
        settings = some_settings(redis_url=f"redis://localhost:{server.port}/0")
        with pytest.raises(NotAccepted) as error:
            asyncio.run(enqueue_without_threads(settings))
        assert not error.value.maybe_done
        server.kill()

    def test_an_embedded_redis_that_cannot_be_opened_accepts_nothing(self, data_dir: Path) -> None:
        settings = some_settings(redis_url="embedded", data_dir=data_dir)
        with Wooshq(settings) as first, Wooshq(settings) as wooshq:
            wooshq.installation.close()
            with no_threads(), pytest.raises(NotAccepted) as error:
                wooshq.enqueue(an_intent())
            with pytest.raises(NotAccepted) as async_error:
                asyncio.run(enqueue_without_threads(settings))
            assert not error.value.maybe_done
            assert not async_error.value.maybe_done
            assert "no thread can start" in str(error.value)
            wooshq.enqueue(an_intent(id=error.value.intent_ids[0]))
            assert first.counts()["accepted"] == 1


AT_THE_END = """
import atexit, threading, time
atexit.register(lambda: print(enqueue({intent})))
from wooshq import enqueue
{first}
threading.Thread(target=lambda: [threading.main_thread().join(), print(enqueue({intent}))]).start()
"""


class WhenTheInterpreterEnds:
    @pytest.mark.parametrize("first", ["", "enqueue({intent})"], ids=["its first use", "a later use"])
    def test_an_intent_is_accepted(self, wooshq: Wooshq, redis_url: str, broker_url: str, first: str, tmp_path: Path) -> None:
        """Newer versions of Python start no thread then."""
        program = AT_THE_END.format(intent=an_intent(), first=first.format(intent=an_intent()))
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(ROOT / layer) for layer in ("schemas", "tasks")),
            "PUSHWOOSH_APPLICATION": APPLICATION,
            "WOOSHQ_REDIS_URL": redis_url,
            "WOOSHQ_BROKER_URL": broker_url,
            "WOOSHQ_ACCEPT_WITHIN_S": "60",
        }
        done = subprocess.run([sys.executable, "-c", program], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        assert all(wooshq.status(intent_id) for intent_id in done.stdout.split())
        assert len(done.stdout.split()) == 2
