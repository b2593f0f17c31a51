"""Accepting an intent: durable when the call returns, bounded in time whatever hangs, once for each key."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.rig import an_intent, some_settings, wait_until
from wooshq import Conflict, IntentInvalid, LedgerUnavailable, NotAccepted, Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.installation.embedded import EmbeddedRedis

#: The promise is 2 s; the rest is for a machine that is slow and busy.
BOUND_S = 6.0


def make(**names: Any) -> Wooshq:
    return Wooshq(some_settings(**names))


class WhenAKeyIsUsedAgain:
    def test_the_same_body_is_one_intent_and_another_body_is_a_conflict_that_names_the_fields(self, wooshq: Wooshq) -> None:
        intent = an_intent(idempotency_key="order-1")
        first = wooshq.enqueue(intent)
        assert wooshq.enqueue(intent) == first
        with pytest.raises(Conflict) as error:
            wooshq.enqueue(an_intent(idempotency_key="order-1", message={"push": {"title": "Other", "body": "Your order left"}}))
        assert error.value.accepted_id == first
        assert error.value.fields == ("message.push.title",)
        assert "Other" not in str(error.value)

    def test_each_application_has_its_own_keys(self, wooshq: Wooshq) -> None:
        assert wooshq.enqueue(an_intent(idempotency_key="k")) != wooshq.enqueue(an_intent(idempotency_key="k", application="CCCCC-DDDDD"))

    def test_an_id_works_like_a_key(self, wooshq: Wooshq) -> None:
        intent_id = "0B8A4D2E-8F7E-4D5E-9A2E-1D2F3A4B5C6D"
        assert wooshq.enqueue(an_intent(id=intent_id)) == intent_id.lower() == wooshq.enqueue(an_intent(id=intent_id))
        with pytest.raises(Conflict):
            wooshq.enqueue(an_intent("somebody else", id=intent_id))

    def test_two_hundred_calls_at_once_accept_one_intent(self, wooshq: Wooshq) -> None:
        async def all_at_once() -> list[str]:
            async with AsyncWooshq(wooshq.settings) as aio:
                return list(await asyncio.gather(*(aio.enqueue(an_intent(idempotency_key="k")) for _ in range(200))))

        assert len(set(asyncio.run(all_at_once()))) == 1

    def test_the_first_one_of_a_batch_wins(self, wooshq: Wooshq) -> None:
        report = wooshq.enqueue_many([an_intent(idempotency_key="k"), an_intent(idempotency_key="k"), an_intent("x", idempotency_key="k")])
        assert (report.accepted, report.refused) == (2, 1)
        assert report.ids[0] == report.ids[1]
        assert "already accepted" in report.errors[2][0].problem


class WhenManyIntentsAreAccepted:
    def test_an_invalid_one_is_reported_by_its_index_and_does_not_stop_the_others(self, wooshq: Wooshq) -> None:
        report = wooshq.enqueue_many(an_intent() if i % 100 else {"to": {}} for i in range(1500))
        assert (report.accepted, report.refused) == (1485, 15)
        assert list(report.errors) == list(range(0, 1500, 100))
        assert [i for i, intent_id in enumerate(report.ids) if intent_id is None] == list(report.errors)
        assert wooshq.counts()["now_queued_transactional"] == 1485

    def test_an_error_of_the_iterable_carries_what_was_accepted_before(self, wooshq: Wooshq) -> None:
        def some() -> Iterator[Any]:
            yield from (an_intent(f"u{i}") for i in range(1200))
            raise OSError("the file is gone")

        with pytest.raises(OSError, match="the file is gone") as error:
            wooshq.enqueue_many(some())
        assert error.value.report.accepted == wooshq.counts()["accepted"] == 1000  # type: ignore[attr-defined]
        assert "1000 intents before this were accepted" in error.value.__notes__[0]

    def test_an_async_iterable_is_read_too(self, wooshq: Wooshq) -> None:
        async def some() -> Any:
            for i in range(700):
                yield an_intent(f"u{i}")

        async def accept() -> int:
            async with AsyncWooshq(wooshq.settings) as aio:
                return (await aio.enqueue_many(some())).accepted

        assert asyncio.run(accept()) == 700


class WhenRedisDoesNotAnswer:
    def _bounded(self, wooshq: Wooshq) -> NotAccepted:
        started = time.monotonic()
        with pytest.raises(NotAccepted) as error:
            wooshq.enqueue(an_intent())
        assert time.monotonic() - started < BOUND_S
        return error.value

    def test_a_refused_connection_gives_a_clear_error_soon(self) -> None:
        url = "redis://127.0.0.1:1/0"
        assert "127.0.0.1:1" in str(self._bounded(make(redis_url=url, broker_url=url)))

    def test_a_host_that_drops_packets_gives_a_clear_error_soon(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            full = [socket.socket() for _ in range(4)]  # a full backlog drops what comes next, as a black hole does
            for one in full:
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
            self._bounded(make(redis_url=url, broker_url=url))
            for one in full:
                one.close()

    def test_a_frozen_server_gives_a_clear_error_soon_and_the_id_is_safe_to_retry(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir), make(data_dir=data_dir) as wooshq:
            wooshq.enqueue(an_intent())
            pid = wooshq.do(_info())
            os.kill(pid, signal.SIGSTOP)
            try:
                error = self._bounded(wooshq)
            finally:
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: wooshq.status(error.intent_id or "") is not None or True)
            assert wooshq.enqueue(an_intent(id=error.intent_id)) == error.intent_id

    def test_a_new_client_is_not_blocked_by_a_frozen_embedded_server(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir) as embedded:
            with redis.Redis.from_url(embedded.url) as server:
                pid = int(server.info("server")["process_id"])
            os.kill(pid, signal.SIGSTOP)
            newcomer, aio = make(data_dir=data_dir), AsyncWooshq(some_settings(data_dir=data_dir))
            try:
                assert "embedded Redis" in str(self._bounded(newcomer))
                started = time.monotonic()
                with pytest.raises(NotAccepted):
                    asyncio.run(aio.enqueue(an_intent()))
                assert time.monotonic() - started < BOUND_S
            finally:
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: not newcomer.installation.opens_slowly)
            assert newcomer.status(newcomer.enqueue(an_intent())) is not None
            newcomer.close()
            asyncio.run(aio.close())

    @pytest.mark.parametrize("call", ["enqueue", "status"])
    def test_an_answer_that_drips_gives_a_clear_error_soon(self, call: str) -> None:
        """A socket's timeout starts again with every byte."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            threading.Thread(target=_drip, args=(listener,), daemon=True).start()
            url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
            wooshq = make(redis_url=url, broker_url="redis://127.0.0.1:1/0")
            if call == "enqueue":
                self._bounded(wooshq)
            else:
                started = time.monotonic()
                with pytest.raises(LedgerUnavailable):
                    wooshq.status("0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d")
                assert time.monotonic() - started < BOUND_S

    def test_a_full_server_refuses_new_intents_and_keeps_the_others(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir) as embedded, make(data_dir=data_dir) as wooshq:
            kept = wooshq.enqueue(an_intent())
            with redis.Redis.from_url(embedded.url) as server:
                server.config_set("maxmemory", 1)
                assert "OOM" in str(self._bounded(wooshq))
                server.config_set("maxmemory", 0)
            assert wooshq.status(kept) is not None

    def test_a_connection_closed_while_idle_is_opened_again(self, wooshq: Wooshq, redis_url: str) -> None:
        wooshq.enqueue(an_intent())
        with redis.Redis.from_url(redis_url) as other:
            other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wooshq.enqueue(an_intent())

    def test_a_broker_out_of_reach_changes_nothing(self, redis_url: str) -> None:
        started = time.monotonic()
        wooshq = make(redis_url=redis_url, broker_url="redis://127.0.0.1:1/0")
        assert wooshq.status(wooshq.enqueue(an_intent())) is not None
        assert time.monotonic() - started < BOUND_S


def _drip(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(65536)
        for byte in b"$100\r\n" + b"x" * 100:
            connection.send(bytes([byte]))
            time.sleep(0.3)


def _info() -> Any:
    from wooshq.ledger.steps import Ask

    info = (yield Ask([("INFO", "server")]))[0]
    return int(info["process_id"] if isinstance(info, dict) else info.split(b"process_id:")[1].split()[0])


class WhenAWebAppForks:
    def test_the_child_accepts_and_publishes_on_its_own(self, wooshq: Wooshq) -> None:
        wooshq.enqueue(an_intent("parent"))
        pid = os.fork()
        if pid == 0:
            try:
                wooshq.enqueue(an_intent("child"))
                os._exit(0 if wooshq.flush(10) else 1)
            except BaseException:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert wooshq.counts()["accepted"] == 2

    def test_threads_share_a_client(self, wooshq: Wooshq) -> None:
        threads = [threading.Thread(target=lambda: [wooshq.enqueue(an_intent()) for _ in range(5)]) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wooshq.counts()["accepted"] == 1000


class WhenAnIntentIsTooLarge:
    @pytest.mark.settings(max_intent_bytes=2000)
    def test_the_error_says_what_to_do(self, wooshq: Wooshq) -> None:
        with pytest.raises(IntentInvalid) as error:
            wooshq.enqueue(an_intent(meta_data={"x": "y" * 3000}))
        assert "WOOSHQ_MAX_INTENT_BYTES" in str(error.value)
