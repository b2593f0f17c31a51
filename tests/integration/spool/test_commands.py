"""Operators and the spool: the command line, the doctor, and the processes that move what an app left behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.installation.servers import Server
from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq import Wooshq
from wooshq.spool.aside import edit_aside
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


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
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

    def test_a_person_reads_it_as_of_the_outbox(self, machine: Rig, server: Server, left: str) -> None:
        shown = machine.cli("spool")
        said = {line[:20].strip(): line[21:] for line in shown.stdout.decode().splitlines()}
        assert list(said) == ["folder", "waiting", "oldest", "set aside", "used"]
        assert (said["waiting"], said["set aside"]) == ("1", "0")
        assert re.fullmatch(r"waits for [\d.,]+ s", said["oldest"])
        assert re.fullmatch(r"[\d,]+ of [\d,]+ bytes", said["used"])
        assert b"did not answer" in shown.stderr
        server.start()
        assert machine.cli("spool").stderr == b""

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

    def test_it_is_discarded(self, machine: Rig, aside: str) -> None:
        assert machine.cli("spool", "discard", aside).returncode == 0
        assert machine.cli("spool", "list", "--json").stdout == b""
        assert machine.cli("spool", "discard", aside).returncode == 1

    def test_it_is_shown_with_its_intent(self, machine: Rig, aside: str) -> None:
        (shown,) = lines(machine.cli("spool", "show", aside, "--json"))
        assert (shown["id"], shown["intent"]["to"], shown["line"]) == (aside, {"users": ["u2"]}, None)
        said = machine.cli("spool", "show", aside).stdout.decode()
        assert "to.users" in said
        assert '"k-1"' in said or "'k-1'" in said
        assert machine.cli("spool", "show", str(uuid.uuid4())).returncode == 1

    def test_it_is_mended_and_the_retry_moves_it_at_once(self, machine: Rig, aside: str) -> None:
        (shown,) = lines(machine.cli("spool", "show", aside, "--json"))
        intent = dict(shown["intent"], idempotency_key="k-2")
        assert machine.cli("spool", "edit", aside, "-", stdin=json.dumps({**shown, "intent": intent})).returncode == 0
        (changed,) = lines(machine.cli("spool", "show", aside, "--json"))
        assert (changed["intent"]["idempotency_key"], "changed since" in str(changed["reason"])) == ("k-2", True)
        done = machine.cli("spool", "retry", aside)
        assert (done.returncode, done.stderr.decode()) == (0, f"{aside}: It is in the ledger.\n")
        assert machine.status(aside).state == "queued"
        assert machine.cli("spool", "retry", aside).returncode == 1

    def test_what_is_no_intent_changes_nothing(self, machine: Rig, aside: str, tmp_path: Path) -> None:
        (before,) = lines(machine.cli("spool", "show", aside, "--json"))
        for text, why in (
            ('{"to": {}}', b"message"),
            (json.dumps({**before, "id": str(uuid.uuid4())}), b"is the id of another intent"),
            (json.dumps({**before["intent"], "id": str(uuid.uuid4())}), b"is the id of another intent"),
        ):
            refused = machine.cli("spool", "edit", aside, "-", stdin=text)
            assert (refused.returncode, why in refused.stderr) == (1, True)
        assert machine.cli("spool", "edit", aside, str(tmp_path / "missing")).returncode == 2
        assert lines(machine.cli("spool", "show", aside, "--json")) == [before]

    def test_unchanged_it_is_refused_again_at_once(self, machine: Rig, aside: str) -> None:
        done = machine.cli("spool", "retry", aside)
        assert (done.returncode, b"set aside again" in done.stderr, b"to.users" in done.stderr) == (1, True, True)
        assert [row["id"] for row in lines(machine.cli("spool", "list", "--json"))] == [aside]

    def test_while_redis_is_away_a_retry_waits_and_says_that_it_is_in_vain(self, machine: Rig, server: Server, aside: str) -> None:
        server.kill()
        done = machine.cli("spool", "retry", aside)
        assert (done.returncode, b"It waits until Redis is back" in done.stderr, b"will be set aside again" in done.stderr) == (
            0,
            True,
            True,
        )
        (found,) = lines(machine.cli("spool", "--json"))
        assert (found["waiting"], found["set_aside"]) == (1, 0)

    def test_what_was_done_while_redis_was_away_comes_into_the_audit_log_later(self, machine: Rig, server: Server, aside: str) -> None:
        server.kill()
        assert machine.cli("spool", "discard", aside, "--why", "test data", "--by", "ana").returncode == 0
        folder = SpoolFolder.of(machine.wooshq.settings)
        assert folder is not None
        assert folder.has_acts()
        server.start()
        assert machine.cli("spool", "move").returncode == 0
        (act,) = machine.wooshq.audit(what="spool").found
        assert (act.by, act.did, act.what, act.why, act.count) == ("ana", "discarded", f"spool {aside}", "test data", 1)
        assert act.result.startswith("deleted")
        assert not folder.has_acts()
        assert machine.wooshq.audit(id=aside).found == (act,)

    def test_an_edited_intent_counts_as_spooled_now(self, machine: Rig, server: Server, aside: str) -> None:
        folder = SpoolFolder.of(machine.wooshq.settings)
        assert folder is not None
        edit_aside(folder, aside, an_intent("u2", idempotency_key="k-2", ttl_s=3600), machine.wooshq.settings)
        (line,) = folder.aside()
        assert json.loads(line)["record"]["at_ms"] >= json.loads(line)["at_ms"]

    def test_a_line_that_cannot_be_read_is_shown_as_it_is_and_cannot_be_changed(self, machine: Rig, server: Server) -> None:
        folder = SpoolFolder.of(machine.wooshq.settings)
        assert folder is not None
        folder.append([b"w1 torn caf\xc3\xa9 \xff\n"])
        assert machine.cli("spool", "move").returncode == 1
        (row,) = lines(machine.cli("spool", "list", "--json"))
        (shown,) = lines(machine.cli("spool", "show", str(row["id"]), "--json"))
        assert (shown["intent"], shown["line"]) == (None, "w1 torn café \ufffd")
        assert b"torn" in machine.cli("spool", "show", str(row["id"])).stdout
        for act in (("edit", str(row["id"]), "-"), ("retry", str(row["id"]))):
            refused = machine.cli("spool", *act, stdin=json.dumps(an_intent()))
            assert (refused.returncode, b"cannot be read" in refused.stderr) == (1, True)
