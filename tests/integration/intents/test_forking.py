"""An app that forks: its children accept and publish on their own, whatever the parent's threads do at that moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

REPOSITORY = Path(__file__).parents[3]
#: `python -m tests.integration.intents.forking_process 500` takes a minute, and shows the same.
CHILDREN = 100


@pytest.fixture(scope="module")
def said(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ledger, broker = redis_server.replace("{db}", "0"), redis_server.replace("{db}", "1")
    for url in (ledger, broker):
        with redis.Redis.from_url(url) as client:
            client.flushdb()
    as_celery_takes_it = broker.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
    # Tracing and a hundred children make the first use slow, and the traced parent must not give up.
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / layer) for layer in ("", "schemas", "tasks")),
        "PUSHWOOSH_APPLICATION": "A-1",
        "WOOSHQ_REDIS_URL": ledger,
        "WOOSHQ_BROKER_URL": as_celery_takes_it,
        "WOOSHQ_ACCEPT_WITHIN_S": "60",
    }
    command = [sys.executable, "-m", "tests.integration.intents.forking_process", str(CHILDREN)]
    folder = tmp_path_factory.mktemp("forks")  # without a `.env`
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    with redis.Redis.from_url(broker) as client:
        return {**told, "messages": client.llen("transactional")}


class WhenAnAppForksDuringItsFirstUse:
    def test_each_child_accepts_and_publishes_and_none_hangs(self, said: dict[str, Any]) -> None:
        assert said["forked"] > CHILDREN / 2
        assert said["ends"] == {"published": said["forked"]}
        assert said["messages"] == said["forked"] + 2  # one of the parent, and one of the child that counted its lines

    def test_the_first_use_imports_nothing(self, said: dict[str, Any]) -> None:
        assert said["imported"] == []
