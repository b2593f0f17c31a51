"""What every test stands on: an environment without this machine's own settings, a real Redis, an installation, a stand-in for the API."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from tests.rig import Rig, some_settings
from tests.stand_in import StandIn
from wooshq import Wooshq
from wooshq.installation.embedded import EmbeddedRedis
from wooshq.settings import Settings
from wooshq_worker.observe.few import few

#: A Redis 6.2 or later instead of the embedded one. Its databases 0 and 1 are EMPTIED before each test that uses them.
OTHER_REDIS = "WOOSHQ_TEST_REDIS_URL"

_COMPILED = Path(__file__).parent.parent / ".pytest_cache" / "compiled"
"""Compiled code of processes that tests start, where the environment says that none may be kept beside the sources."""


def pytest_configure() -> None:
    """Before any test is imported: the user who runs the tests may have a token, or a Redis that matters, in the environment."""
    for name in list(os.environ):
        if name.upper().startswith(("PUSHWOOSH_", "WOOSHQ_", "SENTRY_", "CELERY_", "OTEL_")) and name != OTHER_REDIS:
            del os.environ[name]
    # A limit of 200 ms for each example depends on the speed of the machine, and so does how soon the first examples are drawn.
    hypothesis.settings.register_profile("wooshq", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
    hypothesis.settings.load_profile("wooshq")
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        # Every process that a test starts would compile all of wooshq again: half a second of CPU, more than a thousand times.
        os.environ["PYTHONPYCACHEPREFIX"] = str(_COMPILED)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that runs the tests in the background (`make test &`) has Ctrl-C ignored, and every process that they start inherits it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """
    How many processes run tests side by side, for `-n auto`: two more than there are cores, because most tests wait most of the time.

    One if the user has named a Redis: all processes would share it.
    """
    return 1 if OTHER_REDIS in os.environ else (os.cpu_count() or 1) + 2


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No `.env` of the folder in which pytest runs; and a test that forgets to name a data folder does not write into the repository."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv("WOOSHQ_DATA_DIR", str(tmp_path_factory.getbasetemp() / "wooshq"))
    few.forget()  # lines of the test before


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """URL of the Redis that all tests of this process share, with `{db}` where the database's number goes."""
    if url := os.environ.get(OTHER_REDIS):
        bare = url.partition("?")[0]
        yield f"{bare}?db={{db}}" if bare.startswith("unix://") else "/".join(bare.split("/")[:3]) + "/{db}"
        return
    folder = Path(tempfile.mkdtemp(prefix="wq-"))
    with EmbeddedRedis(folder) as embedded:
        yield embedded.url.replace("db=0", "db={db}")
    shutil.rmtree(folder)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The ledger's URL: an empty database."""
    return _emptied(redis_server.replace("{db}", "0"))


@pytest.fixture
def broker_url(redis_server: str) -> str:
    """Celery's URL: another empty database of the same server."""
    url = _emptied(redis_server.replace("{db}", "1"))
    return url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder of the test's own, on a path short enough for a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="wq-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def wooshq(request: pytest.FixtureRequest, redis_url: str, broker_url: str) -> Iterator[Wooshq]:
    """What a producer has: an installation on an empty ledger, without workers. Its settings: `@pytest.mark.settings(…)`."""
    with Wooshq(some_settings(**{"redis_url": redis_url, "broker_url": broker_url, **_marked(request, "settings")})) as made:
        yield made


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    """A stand-in for the API. It accepts every call at once, unless `@pytest.mark.stand_in(answer=…, latency_s=…)` says otherwise."""
    with StandIn(**_marked(request, "stand_in")) as stand_in:
        yield stand_in


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path, api: StandIn) -> Iterator[Rig]:
    """A whole installation that calls `api`. Its settings: `@pytest.mark.settings(…)`."""
    made = Rig(tmp_path, api.url, **_marked(request, "settings"))
    yield made
    made.close()


def _marked(request: pytest.FixtureRequest, name: str) -> dict[str, Any]:
    """What the marks of this name say, of a test, its class and its file: the nearest one counts."""
    said: dict[str, Any] = {}
    for mark in request.node.iter_markers(name):  # the nearest first
        said = {**mark.kwargs, **said}
    return said


def _emptied(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
