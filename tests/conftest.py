"""What every test stands on: an environment without this machine's own settings, and a real Redis."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from wooshq.installation.embedded import EmbeddedRedis
from wooshq.settings import Settings

#: A Redis 6.2 or later instead of the embedded one. Its databases 0 and 1 are EMPTIED before each test that uses them.
OTHER_REDIS = "WOOSHQ_TEST_REDIS_URL"


def pytest_configure() -> None:
    """Before any test is imported: whoever runs the tests may have a token, or a Redis that matters, in the environment."""
    for name in list(os.environ):
        if name.upper().startswith(("PUSHWOOSH_", "WOOSHQ_", "SENTRY_", "CELERY_")) and name != OTHER_REDIS:
            del os.environ[name]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that runs the tests behind (`make test &`) has Ctrl-C ignored, and every process that they start would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No `.env` of the folder in which pytest runs; and who forgets to name a data folder does not write into the repository."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv("WOOSHQ_DATA_DIR", str(tmp_path_factory.getbasetemp() / "wooshq"))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """URL of the Redis that all tests of this run share, with `{db}` where the database's number goes."""
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


def _emptied(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
