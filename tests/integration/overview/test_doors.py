"""The overview by its doors: the command line, once and again, and the HTTP API."""

from __future__ import annotations

import json
import signal

import httpx
import pytest

from tests.integration.worker.console.served import served
from tests.rig import GENEROUS_S, Rig, an_intent
from wooshq import Wooshq
from wooshq.aio import AsyncWooshq


def test_a_person_reads_sentences_and_tables_and_the_status_says_whether_something_is_wrong(rig: Rig) -> None:
    rig.wooshq.pause(lane="bulk", why="\x1b[31mcodes first", by="ana")
    rig.wooshq.enqueue(an_intent(lane="bulk"))
    shown = " ".join(rig.terminal("overview", columns=140).split())
    assert "1 thing needs a look." in shown
    assert "look No worker is running." in shown
    assert "note ana paused the bulk lane of all applications: \\x1b[31mcodes first. 1 message waits behind it." in shown
    assert "wooshq resume --lane bulk" in shown
    assert "1 paused" in shown
    assert rig.cli("overview").returncode == 1
    said = json.loads(rig.cli("overview", "--json").stdout)
    assert [finding["kind"] for finding in said["findings"]] == ["no_worker", "paused"]
    assert said["lanes"][1]["reasons"][0]["why"] == "paused"


def test_watching_shows_it_again_until_ctrl_c(rig: Rig) -> None:
    watching = rig.start("overview", "--watch", "--json")
    assert watching.stdout is not None
    first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
    assert first["at"] < second["at"]
    watching.send_signal(signal.SIGINT)
    assert watching.wait(GENEROUS_S) == 130


def test_http_answers_the_same_object(wooshq: Wooshq) -> None:
    with served(wooshq.settings) as http:
        answer = http.get("/v1/overview")
        assert answer.status_code == 200
        assert answer.json().keys() == dict(wooshq.overview()).keys()
        assert answer.json()["findings"][0]["kind"] == "no_worker"
        assert httpx.get(f"{http.base_url}/v1/overview").status_code == 401


async def test_asyncio_gives_the_same(wooshq: Wooshq) -> None:
    async with AsyncWooshq(wooshq.settings) as asynchronous:
        found = await asynchronous.overview()
    assert found.findings == wooshq.overview().findings


@pytest.mark.parametrize("columns", [80, 200])
def test_it_fits_the_terminal(rig: Rig, columns: int) -> None:
    rig.wooshq.enqueue(an_intent())
    assert all(len(line) <= columns for line in rig.terminal("overview", columns=columns).splitlines())
