"""Transactions commit and roll back while relays are killed and Redis stands still: exactly what was committed arrives, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, func, select
from sqlalchemy.orm import Session

from tests.databases import a_database, make_table
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq.outbox import enqueue_in, outbox_table

OUTBOX = outbox_table(MetaData())
TRANSACTIONS, PRODUCERS = 1000, 4


class Relays:
    """Relay processes, one of which is killed now and then."""

    def __init__(self, rig: Rig, url: str) -> None:
        self._rig = rig
        self._env = {**rig.env, "WOOSHQ_OUTBOX_URL": url}
        self._log = (rig.folder / "relays.log").open("wb")
        self.running: list[subprocess.Popen[bytes]] = []
        self.killed = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "wooshq_worker", "relay", "--batch", "20", "--lease-s", "1", "--poll-s", "0.05"]
        self.running.append(subprocess.Popen(command, env=self._env, cwd=self._rig.folder, stdout=self._log, stderr=self._log))

    def kill_one(self) -> None:
        self.running[0].kill()
        self.running.pop(0).wait()
        self.killed += 1

    def log(self) -> str:
        return (self._rig.folder / "relays.log").read_text(errors="replace")

    def end(self) -> list[int]:
        """End all as a supervisor does. Their exit statuses."""
        for relay in self.running:
            relay.send_signal(signal.SIGTERM)
        return [relay.wait(60) for relay in self.running]


def in_threads(work: Callable[[int], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, args=[n]) for n in range(PRODUCERS)]
    for thread in threads:
        thread.start()
    return threads


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

        def waiting() -> int:
            with engine.connect() as connection:
                return int(connection.execute(select(func.count()).select_from(OUTBOX)).scalar_one())

        rig.start_worker()
        relays = Relays(rig, url)
        relays.start()
        relays.start()
        threads = in_threads(produce)
        dice = random.Random(7)
        for kills in range(6):
            reached = rig.wooshq.counts().get("accepted", 0)
            more = dice.randrange(20, 80)
            wait_until(lambda r=reached, m=more: rig.wooshq.counts().get("accepted", 0) >= min(r + m, 800), saw=relays.log)  # type: ignore[misc]
            relays.kill_one()
            relays.start()
            if kills == 2:
                stop_redis_until(rig, lambda: "relay_waits" in relays.log())
        for thread in threads:
            thread.join()
        wait_until(lambda: waiting() == 0, saw=relays.log)
        wait_until(lambda: rig.wooshq.counts().get("sent", 0) == 800, saw=rig.wooshq.counts)

        assert committed == {f"u{n}" for n in range(TRANSACTIONS) if n % 5}
        assert dict(api.accepted) == dict.fromkeys(committed, 1)
        assert relays.killed == 6
        wait_until(lambda: relays.log().count("relay_started") == 2 + relays.killed)
        assert relays.end() == [0, 0]
        engine.dispose()


def stop_redis_until(rig: Rig, noticed: Callable[[], bool]) -> None:
    """Redis stands still until it was noticed."""
    with rig.redis() as server:
        process = int(server.info("server")["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        wait_until(noticed)
    finally:
        os.kill(process, signal.SIGCONT)
