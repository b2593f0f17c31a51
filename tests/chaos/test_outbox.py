"""Transactions commit and roll back while relays are killed and Redis stands still: exactly what was committed arrives, once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, create_engine, func, select, text
from sqlalchemy.orm import Session

from tests.databases import a_database, make_table
from tests.databases.django_project import DjangoProject
from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq.outbox import enqueue_in, outbox_table

OUTBOX = outbox_table(MetaData())
TRANSACTIONS, PRODUCERS = 1000, 4


class Relays:
    """Relay processes, one of which is killed now and then."""

    def __init__(self, rig: Rig, command: Sequence[str], env: Mapping[str, str], *, started: str = "relay_started") -> None:
        self._rig = rig
        self._command = command
        self._env = env
        self._started = started
        self.running: list[tuple[subprocess.Popen[bytes], Path]] = []
        self.killed = 0

    def start(self) -> None:
        file = self._rig.folder / f"relay-{len(self.running) + self.killed}.log"
        command = [*self._command, "--batch", "20", "--lease-s", "1", "--poll-s", "0.05"]
        with file.open("wb") as log:
            relay = subprocess.Popen(command, env=self._env, cwd=self._rig.folder, stdout=log, stderr=log)
        self.running.append((relay, file))

    def kill_one(self) -> None:
        relay, _ = self.running.pop(0)
        relay.kill()
        relay.wait()
        self.killed += 1

    def log(self) -> str:
        return "".join(file.read_text(errors="replace") for file in self._rig.folder.glob("relay-*.log"))

    def have_started(self) -> None:
        """Wait until those that run have connected to everything."""
        for _, file in self.running:
            wait_until(lambda file=file: self._started in file.read_text(errors="replace"), saw=self.log)  # type: ignore[misc]

    def end(self) -> list[int]:
        """End all as a supervisor does. Their exit statuses."""
        self.have_started()
        for relay, _ in self.running:
            relay.send_signal(signal.SIGTERM)
        return [relay.wait(60) for relay, _ in self.running]


def assert_exactly_what_is_committed_arrives(
    rig: Rig, api: StandIn, relays: Relays, producing: Callable[[], set[str]], engine: Engine
) -> None:
    """producing: waits for the producers, and returns whose transactions were committed."""
    rig.start_worker()
    relays.start()
    relays.start()
    dice = random.Random(7)
    for kills in range(6):
        wanted = min(800, rig.wooshq.counts().get("accepted", 0) + dice.randrange(20, 80))
        wait_until(lambda n=wanted: rig.wooshq.counts().get("accepted", 0) >= n, saw=relays.log)  # type: ignore[misc]
        relays.kill_one()
        relays.start()
        if kills == 2:
            stop_redis(rig, engine, relays)
    committed = producing()
    wait_until(lambda: rows_in(engine) == 0, saw=relays.log)
    wait_until(lambda: rig.wooshq.counts().get("sent", 0) == 801, saw=rig.wooshq.counts)

    assert committed == {f"u{n}" for n in range(TRANSACTIONS) if n % 5}
    assert dict(api.accepted) == dict.fromkeys([*committed, "meanwhile"], 1)
    assert relays.end() == [0, 0]


@pytest.mark.settings(accept_within_s=1.0)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "postgresql-socket", "mariadb"])
def test_exactly_what_was_committed_arrives_once(kind: str, rig: Rig, api: StandIn, tmp_path: Path) -> None:
    with a_database(kind, tmp_path) as url:
        make_table(url)
        engine = create_engine(url, connect_args={"timeout": 120} if kind == "sqlite" else {})
        committed: set[str] = set()

        def produce(which: int) -> None:
            for n in range(which, TRANSACTIONS, PRODUCERS):
                with Session(engine) as session:
                    enqueue_in(session, an_intent(f"u{n}"), wooshq=rig.wooshq)
                    if n % 5 == 0:
                        session.rollback()
                    else:
                        session.commit()
                        committed.add(f"u{n}")

        threads = [threading.Thread(target=produce, args=[n]) for n in range(PRODUCERS)]
        for thread in threads:
            thread.start()

        def producing() -> set[str]:
            for thread in threads:
                thread.join()
            return committed

        relays = Relays(rig, [sys.executable, "-m", "wooshq_worker", "relay"], {**rig.env, "WOOSHQ_OUTBOX_URL": url})
        assert_exactly_what_is_committed_arrives(rig, api, relays, producing, engine)
        engine.dispose()


PRODUCE = """
import sys
from django.db import transaction
from orders.models import Order
from wooshq.django import enqueue
committed = []
for n in range(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])):
    try:
        with transaction.atomic():
            Order.objects.create(user=f"u{n}")
            enqueue({"to": {"users": [f"u{n}"]}, "message": {"push": {"title": "Hi", "body": "x"}}})
            if n % 5 == 0:
                raise KeyError
        committed.append(f"u{n}")
    except KeyError:
        pass
print(json.dumps(committed))
"""


@pytest.mark.settings(accept_within_s=1.0)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_exactly_what_was_committed_through_django_arrives_once(kind: str, rig: Rig, api: StandIn, tmp_path: Path) -> None:
    with a_database(kind, tmp_path) as url:
        project = DjangoProject(tmp_path, url, rig.env)
        assert project.run("migrate", "-v", "0").returncode == 0
        producers = [project.start_python(PRODUCE, str(n), str(TRANSACTIONS), str(PRODUCERS)) for n in range(PRODUCERS)]

        def producing() -> set[str]:
            return {user for producer in producers for user in json.loads(producer.communicate(timeout=GENEROUS_S)[0])}

        engine = create_engine(url)
        relays = Relays(rig, project.command("wooshq_relay"), {**project.env, "PYTHONUNBUFFERED": "1"}, started="The relay runs")
        assert_exactly_what_is_committed_arrives(rig, api, relays, producing, engine)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT COUNT(*) FROM orders_order")).scalar_one() == 800
        engine.dispose()


def rows_in(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(OUTBOX)).scalar_one())


def stop_redis(rig: Rig, engine: Engine, relays: Relays) -> None:
    """Redis stands still until a relay has noticed it. Meanwhile an app goes on."""
    relays.have_started()
    with rig.redis() as server:
        process = int(server.info("server")["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        with Session(engine) as session, session.begin():
            enqueue_in(session, an_intent("meanwhile"), wooshq=rig.wooshq)
        wait_until(lambda: "relay_waits" in relays.log(), saw=relays.log)
    finally:
        os.kill(process, signal.SIGCONT)
