"""The servers of web apps, as they really run: each message is sent once, and the server ends cleanly with nothing unpublished."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.installation.servers import Server, a_free_port
from tests.integration.web.served import USE_BEFORE_FORK
from tests.rig import GENEROUS_S, ROOT, Rig, wait_until
from tests.stand_in import StandIn
from wooshq.spool.folder import SpoolFolder

REQUESTS = 300
BIN = Path(sys.executable).parent
GUNICORN = (sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "--graceful-timeout", "30")
UVICORN = (sys.executable, "-m", "uvicorn", "--port", "{port}", "--workers", "2", "--no-access-log")
UWSGI = (
    *(str(BIN / "uwsgi"), "--http-socket", "127.0.0.1:{port}", "--master", "--processes", "2", "--die-on-term", "--need-app"),
    *("--home", str(BIN.parent), "--disable-logging", "--module"),
)
FLASK = "tests.integration.web.served:flask_app"
FASTAPI = "tests.integration.web.served:fastapi_app"


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if importlib.util.find_spec(name) is None and shutil.which(name, path=str(BIN)) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


SERVERS = [
    pytest.param((*GUNICORN, FLASK), id="gunicorn", marks=needs("gunicorn")),
    pytest.param((*GUNICORN, "--preload", FLASK), id="gunicorn --preload", marks=needs("gunicorn")),
    pytest.param((*GUNICORN, "--worker-class", "gthread", "--threads", "8", FLASK), id="gunicorn --threads", marks=needs("gunicorn")),
    pytest.param((*GUNICORN, "--worker-class", "gevent", FLASK), id="gunicorn with gevent", marks=needs("gunicorn", "gevent")),
    pytest.param(
        (*GUNICORN, "--worker-class", "uvicorn_worker.UvicornWorker", FASTAPI),
        id="gunicorn with uvicorn's worker",
        marks=needs("gunicorn", "uvicorn_worker"),
    ),
    pytest.param((*UVICORN, FASTAPI), id="uvicorn --workers", marks=needs("uvicorn")),
    pytest.param((*UWSGI, FLASK, "--enable-threads"), id="uwsgi", marks=needs("uwsgi")),
    pytest.param((*UWSGI, FLASK, "--threads", "4"), id="uwsgi --threads", marks=needs("uwsgi")),
]


SPOOLING = [param for param in SERVERS if param.id != "gunicorn"]


class Served:
    """A server with an app. It runs until `stop`."""

    def __init__(self, rig: Rig, command: Sequence[str], **variables: str) -> None:
        self.port = a_free_port()
        self._log = rig.folder / "server.log"
        places = rig.wooshq.installation.places  # as in production, an app names its servers
        env = {
            **{name: value for name, value in rig.env.items() if name != "WOOSHQ_DATA_DIR"},
            "PYTHONPATH": os.pathsep.join((str(ROOT), rig.env["PYTHONPATH"])),
            "WOOSHQ_REDIS_URL": places.redis_url,
            "WOOSHQ_BROKER_URL": places.broker_url,
            **variables,
        }
        with self._log.open("wb") as log:
            arguments = [part.format(port=self.port) for part in command]
            self.process = subprocess.Popen(arguments, env=env, cwd=rig.folder, stdout=log, stderr=log, start_new_session=True)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def ask(self, user: str) -> dict[str, object]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{user}", method="POST")
        with urllib.request.urlopen(request, timeout=GENEROUS_S) as answer:
            assert answer.status == 202
            told: dict[str, object] = json.loads(answer.read())
            return told

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            self.ask("first")
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Tell it to end, and wait until none of its processes is left. How uvicorn's exit status names a signal is its own affair."""
        self.process.terminate()
        status = self.process.wait(GENEROUS_S)
        assert status in (0, -signal.SIGTERM, 128 + signal.SIGTERM), self.log()
        wait_until(self._is_gone, saw=self.log)

    def _is_gone(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(GENEROUS_S)


@contextmanager
def served(rig: Rig, command: Sequence[str], **variables: str) -> Iterator[Served]:
    server = Served(rig, command, **variables)
    try:
        wait_until(server.is_up, saw=server.log, every_s=0.1)
        yield server
    finally:
        server.kill()


class WhenAServerRunsAnApp:
    @pytest.mark.parametrize("command", SERVERS)
    def test_each_message_is_sent_once_and_the_server_ends_cleanly(self, rig: Rig, api: StandIn, command: Sequence[str]) -> None:
        rig.start_worker()
        users = [f"u{n}" for n in range(REQUESTS)]
        with served(rig, command) as server, ThreadPoolExecutor(8) as pool:
            told = list(pool.map(server.ask, users))
            server.stop()
            assert "bell_not_rung" not in server.log()
            assert "Traceback" not in server.log()

        assert len({one["id"] for one in told}) == REQUESTS
        statuses = rig.ended([str(one["id"]) for one in told])
        assert {status.state for status in statuses} == {"sent"}
        sent = {user: n for user, n in api.accepted.items() if user in set(users)}
        assert sent == dict.fromkeys(users, 1)

    @pytest.mark.skipif(importlib.util.find_spec("gunicorn") is None, reason="not installed: gunicorn")
    def test_an_app_that_used_wooshq_before_the_fork_works_in_each_worker(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        with served(rig, (*GUNICORN, "--preload", FLASK), **{USE_BEFORE_FORK: "1"}) as server, ThreadPoolExecutor(8) as pool:
            told = list(pool.map(server.ask, [f"u{n}" for n in range(REQUESTS)]))
            server.stop()
            assert "bell_not_rung" not in server.log()
        assert {status.state for status in rig.ended([str(one["id"]) for one in told])} == {"sent"}
        wait_until(lambda: {"before-fork", "before-fork-too"} <= api.accepted.keys(), saw=rig.logs)
        assert {n for user, n in api.accepted.items() if user != "first"} == {1}


class WhenRedisIsAwayMeanwhile:
    @pytest.mark.parametrize("command", SPOOLING)
    def test_each_request_is_accepted_and_each_message_is_sent_once(self, tmp_path: Path, api: StandIn, command: Sequence[str]) -> None:
        redis = Server(tmp_path, "--appendonly", "yes", "--appendfsync", "always", "--save", "")
        url = f"redis://127.0.0.1:{redis.port}/0"
        rig = Rig(tmp_path / "rig", api.url, redis_url=url, spool_dir=tmp_path / "spool", accept_within_s=10.0)
        folder = SpoolFolder.of(rig.wooshq.settings)
        assert folder is not None
        users = [f"u{n}" for n in range(60)]
        try:
            with served(rig, command) as server, ThreadPoolExecutor(8) as pool:
                list(pool.map(server.ask, users[:20]))
                redis.kill()
                list(pool.map(server.ask, users[20:40]))
                assert not folder.is_empty()
                redis.start()
                list(pool.map(server.ask, users[40:]))
                wait_until(folder.is_empty, saw=server.log)  # the server's own threads move it
                server.stop()
            rig.start_worker()
            wait_until(lambda: all(api.accepted[user] for user in users), saw=rig.logs)
            assert [api.accepted[user] for user in users] == [1] * len(users)
        finally:
            rig.close()
            redis.kill()
