"""The sandbox in a thread and as a process, and the addresses that it may listen on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sandbox.wire import GENEROUS_S, TOKEN
from tests.unit.sandbox.bodies import a_body
from wooshq_worker.sandbox import NOTIFY, Sandbox, SandboxThread

ROOT = Path(__file__).parents[3]
PATHS = os.pathsep.join(str(ROOT / layer) for layer in ("schemas", "tasks", "worker"))


def post(url: str, body: Any, token: str = TOKEN) -> tuple[int, Any]:
    """A blocking call, as a test without an event loop makes it."""
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + NOTIFY, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=GENEROUS_S) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "wooshq_worker.sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PATHS},
    )


class WhenItRunsInAThread:
    def test_a_blocking_test_can_use_it(self) -> None:
        with SandboxThread(token=TOKEN) as sandbox:
            sandbox.set_faults({"effect": "status", "status": 503, "first": 1})
            assert [post(sandbox.url, a_body("u1"))[0] for _ in range(2)] == [503, 200]
            assert [call.status for call in sandbox.calls] == [503, 200]
        assert len(sandbox.accepted) == 1, "recorded calls can still be read after the end"
        with pytest.raises(OSError):
            post(sandbox.url, a_body())

    def test_it_can_be_read_while_many_calls_arrive(self) -> None:
        with SandboxThread(token=TOKEN) as sandbox:
            callers = [threading.Thread(target=lambda n=n: [post(sandbox.url, a_body(f"{n}-{i}")) for i in range(25)]) for n in range(4)]
            for caller in callers:
                caller.start()
            while any(caller.is_alive() for caller in callers):
                assert len(sandbox.calls) <= sandbox.summary()["calls"]
            assert sandbox.count == 100
            assert [call.order for call in sandbox.calls] == list(range(1, 101))
            assert sandbox.doubled == 0

    def test_it_stops_without_waiting_for_a_hang(self) -> None:
        def lost(url: str) -> None:
            with pytest.raises(OSError):
                post(url, a_body())

        began = time.monotonic()
        with SandboxThread(token=TOKEN) as sandbox:
            sandbox.set_faults({"effect": "hang"})
            caller = threading.Thread(target=lost, args=(sandbox.url,))
            caller.start()
            while sandbox.count == 0:
                assert time.monotonic() - began < GENEROUS_S
                time.sleep(0.01)
        caller.join()
        assert time.monotonic() - began < GENEROUS_S

    def test_a_port_in_use_is_an_error_in_the_callers_thread(self) -> None:
        with SandboxThread() as first, pytest.raises(OSError):
            SandboxThread(port=first.port).start()


class WhenItRunsAsAProcess:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_prints_its_url_and_ends_at_a_signal(self, number: signal.Signals) -> None:
        process = start("--port", "0", "--token", TOKEN)
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert post(url, a_body())[0] == 200
            assert post(url, a_body(), token="other")[0] == 401
            process.send_signal(number)
            rest, errors = process.communicate(timeout=GENEROUS_S)
            assert (process.returncode, rest, errors) == (0, "", "")
        finally:
            process.kill()
            process.wait()

    def test_a_port_in_use_is_a_readable_error(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            process = start("--port", str(taken.getsockname()[1]))
            output, errors = process.communicate(timeout=GENEROUS_S)
        assert (process.returncode, output) == (3, "")
        assert errors.startswith("cannot listen on 127.0.0.1:")
        assert "Traceback" not in errors

    def test_other_hosts_are_a_readable_error(self) -> None:
        process = start("--host", "0.0.0.0")
        output, errors = process.communicate(timeout=GENEROUS_S)
        assert (process.returncode, output) == (2, "")
        assert "not loopback" in errors


class WhenAHostIsGiven:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.com", ""])
    def test_a_host_other_than_loopback_needs_allow_other_hosts(self, host: str) -> None:
        with pytest.raises(ValueError, match="loopback"):
            Sandbox(host=host)
        assert Sandbox(host=host, allow_other_hosts=True).host == host

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
    def test_loopback_is_accepted(self, host: str) -> None:
        assert Sandbox(host=host, port=8081).url.endswith(":8081")

    @pytest.mark.parametrize("parameters", [{"port": -1}, {"port": 65536}, {"record": "some"}, {"latency_s": -1}])
    def test_a_value_that_is_not_valid_is_refused_at_once(self, parameters: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            Sandbox(**parameters)
