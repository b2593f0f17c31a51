"""Operators and the spool: the command line, the doctor, and the processes that move what an app left behind."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.installation.servers import Server
from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq import Wooshq
from wooshq.spool.folder import SpoolFolder


@pytest.fixture
def machine(tmp_path: Path, server: Server, api: StandIn) -> Iterator[Rig]:
    """The machine of an app, and workers on it."""
    made = Rig(tmp_path / "rig", api.url, redis_url=f"redis://127.0.0.1:{server.port}/0", spool_dir=tmp_path / "spool", accept_within_s=5.0)
    yield made
    made.close()


@pytest.fixture
def left(machine: Rig, server: Server) -> str:
    """The id of an intent that an app spooled. The app has ended, and Redis is still away."""
    server.kill()
    with Wooshq(machine.wooshq.settings) as app:
        return app.enqueue(an_intent())


def is_empty(machine: Rig) -> bool:
    folder = SpoolFolder.of(machine.wooshq.settings)
    assert folder is not None
    return folder.is_empty()


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


class WhenAnAppHasEndedBeforeRedisIsBack:
    def test_a_worker_moves_and_sends_it(self, machine: Rig, server: Server, left: str) -> None:
        server.start()
        machine.start_worker()
        wait_until(lambda: is_empty(machine), saw=machine.logs)
        assert [status.state for status in machine.ended([left])] == ["sent"]

    def test_a_relay_without_a_database_moves_it_and_ends_when_it_is_told_to(self, machine: Rig, server: Server, left: str) -> None:
        relay = machine.start("relay", "--poll-s", "0.05")
        server.start()
        wait_until(lambda: is_empty(machine))
        relay.send_signal(signal.SIGTERM)
        relay.communicate(timeout=GENEROUS_S)
        assert relay.returncode == 0
        assert machine.status(left).state == "queued"

    def test_a_relay_that_looks_once_moves_it(self, machine: Rig, server: Server, left: str) -> None:
        server.start()
        assert machine.cli("relay", "--once").returncode == 0
        assert machine.status(left).state == "queued"


class WhenAnOperatorLooks:
    def test_the_spool_shows_what_waits_and_for_how_long(self, machine: Rig, left: str) -> None:
        (found,) = lines(machine.cli("spool", "--json"))
        assert (found["waiting"], found["set_aside"]) == (1, 0)
        assert found["oldest_s"] is not None

    def test_status_says_where_it_lies(self, machine: Rig, left: str) -> None:
        done = machine.cli("status", left)
        assert b"spooled" in done.stdout
        assert str(machine.wooshq.settings.spool_dir).encode() in done.stdout

    def test_move_needs_redis_and_says_so(self, machine: Rig, server: Server, left: str) -> None:
        assert machine.cli("spool", "move").returncode == 3
        server.start()
        done = machine.cli("spool", "move")
        assert (done.returncode, done.stderr) == (0, b"Moved 1 intent into the ledger.\n")

    def test_the_doctor_shows_it(self, machine: Rig, server: Server, left: str) -> None:
        server.start()
        found = {finding["what"]: finding for finding in lines(machine.cli("doctor", "--offline", "--json"))}
        assert found["spool"]["level"] == "ok"
        assert "1 waiting" in str(found["spool"]["says"])

    def test_an_installation_without_a_spool_is_told_what_to_set(self, machine: Rig) -> None:
        del machine.env["WOOSHQ_SPOOL_DIR"]
        done = machine.cli("spool")
        assert done.returncode == 3
        assert b"WOOSHQ_SPOOL_DIR" in done.stderr


class WhenSomethingWasSetAside:
    @pytest.fixture
    def aside(self, machine: Rig, server: Server) -> str:
        machine.wooshq.enqueue(an_intent("u1", idempotency_key="k-1"))
        server.kill()
        with Wooshq(machine.wooshq.settings) as app:
            intent_id = app.enqueue(an_intent("u2", idempotency_key="k-1"))
        server.start()
        done = machine.cli("spool", "move")
        assert done.returncode == 1
        assert b"Set aside: 1" in done.stderr
        return intent_id

    def test_it_is_listed_with_the_reason(self, machine: Rig, aside: str) -> None:
        (row,) = lines(machine.cli("spool", "list", "--json"))
        assert row["id"] == aside
        assert "to.users" in str(row["reason"])
        assert aside.encode() in machine.cli("spool", "list").stdout
        assert b"set_aside" in machine.cli("status", aside).stdout

    def test_it_is_retried_or_discarded(self, machine: Rig, server: Server, aside: str) -> None:
        assert machine.cli("spool", "retry", aside).returncode == 0
        assert machine.cli("spool", "retry", aside).returncode == 1
        assert machine.cli("spool", "move").returncode == 1
        assert machine.cli("spool", "discard", aside).returncode == 0
        assert machine.cli("spool", "list", "--json").stdout == b""
