"""An embedded Redis that ended while processes use it: each of them starts it again by itself, with what was accepted."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.integration.installation.embedded.test_sharing import kill_server, servers
from tests.rig import Rig, an_intent, some_settings, wait_until
from tests.stand_in import StandIn
from wooshq import NotAccepted, Settings, Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.installation.embedded import EmbeddedRedis
from wooshq.settings.server_url import EMBEDDED


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return some_settings(redis_url=EMBEDDED, data_dir=tmp_path / "data", application="AAAAA-BBBBB", accept_within_s=30.0)


def test_an_app_accepts_again_at_once_or_soon(settings: Settings) -> None:
    with Wooshq(settings) as wooshq:
        before = wooshq.enqueue(an_intent())
        for n in range(3):
            kill_server(settings.data_dir)

            def accepts(user: str = f"u{n}") -> bool:
                try:
                    return bool(wooshq.enqueue(an_intent(user)))
                except NotAccepted:  # it took longer than a second, on a machine that has much to do
                    return False

            wait_until(accepts)
        found = wooshq.status(before)
        assert found is not None
        assert found.state == "queued"


async def test_so_does_an_app_with_asyncio(settings: Settings) -> None:
    async with AsyncWooshq(settings) as wooshq:
        await wooshq.enqueue(an_intent())
        await asyncio.to_thread(kill_server, settings.data_dir)
        accepted = None
        while accepted is None:  # the test's own timeout ends it
            try:
                accepted = await wooshq.enqueue(an_intent("u2"))
            except NotAccepted:
                await asyncio.sleep(0.05)


def test_a_worker_starts_it_without_being_asked_and_sends_what_waits(rig: Rig, api: StandIn) -> None:
    rig.start_worker()
    rig.ended([rig.wooshq.enqueue(an_intent())])
    folder = Path(rig.env["WOOSHQ_DATA_DIR"])
    killed = kill_server(folder)
    wait_until(lambda: servers(folder) not in ([], [killed]), saw=rig.logs)
    assert "embedded_redis_restarted" in rig.logs()
    rig.ended([rig.wooshq.enqueue(an_intent("u2"))])
    assert api.accepted == {"u1": 1, "u2": 1}


def test_a_server_that_is_only_slow_is_left_alone(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as embedded:
        [pid] = servers(tmp_path)
        os.kill(pid, signal.SIGSTOP)
        try:
            embedded.restart_soon()
            assert embedded._restarting is not None
            embedded._restarting.join()
            assert servers(tmp_path) == [pid]
        finally:
            os.kill(pid, signal.SIGCONT)


def test_who_has_released_it_never_starts_it_again(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as embedded:
        pass
    embedded.restart_soon()
    assert embedded._restarting is None
    assert servers(tmp_path) == []
