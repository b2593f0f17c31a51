"""Redis goes and comes back, and producers and relays are killed at any moment: everything that was accepted arrives, once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from tests.integration.installation.servers import Server
from tests.rig import ROOT, Rig, wait_until
from tests.stand_in import StandIn
from wooshq.spool.aside import read_aside
from wooshq.spool.folder import SpoolFolder

ROUNDS = 8


def producer(rig: Rig, kind: str, n: int) -> subprocess.Popen[bytes]:
    env = {**rig.env, "PYTHONPATH": os.pathsep.join((str(ROOT), rig.env["PYTHONPATH"]))}
    with (rig.folder / f"told-{kind}-{n}").open("wb") as out, (rig.folder / f"log-{kind}-{n}").open("wb") as log:
        command = [sys.executable, "-m", "tests.chaos.spooling_process", kind, f"{kind}-{n}"]
        return subprocess.Popen(command, env=env, cwd=rig.folder, stdout=out, stderr=log)


def told(rig: Rig) -> list[str]:
    """Users whose `enqueue` had returned. A last line without its end was cut by a kill."""
    lines = [line for file in rig.folder.glob("told-*") for line in file.read_text().splitlines(keepends=True)]
    return [line.strip() for line in lines if line.endswith("\n")]


class WhenRedisAndProducersAreKilledAgainAndAgain:
    def test_everything_that_was_accepted_arrives_once(self, tmp_path: Path, api: StandIn) -> None:
        dice = Random(11)
        server = Server(tmp_path, "--appendonly", "yes", "--appendfsync", "always", "--save", "")
        url = f"redis://127.0.0.1:{server.port}/0"
        rig = Rig(tmp_path / "rig", api.url, redis_url=url, spool_dir=tmp_path / "spool", accept_within_s=2.0)
        folder = SpoolFolder.of(rig.wooshq.settings)
        assert folder is not None
        spooled = 0
        relay = rig.start("relay", "--poll-s", "0.05", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for n in range(ROUNDS):
                if n % 2:
                    server.kill()
                running = [producer(rig, kind, n) for kind in ("one", "many", "asyncio")]
                before = len(told(rig))
                wait_until(lambda before=before: len(told(rig)) > before + 50, saw=lambda: [p.poll() for p in running])  # noqa: B023
                time.sleep(dice.uniform(0, 0.5))
                spooled += not folder.is_empty()
                if n % 2:
                    server.start()
                    time.sleep(dice.uniform(0, 0.5))  # what was kept is being moved
                for process in (*running, relay):
                    process.kill()
                    process.wait()
                relay = rig.start("relay", "--poll-s", "0.05", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(folder.is_empty, saw=folder.segments)
            accepted = told(rig)
            rig.start_worker()
            wait_until(lambda: all(api.accepted[user] for user in accepted), saw=rig.wooshq.counts, every_s=0.2)
        finally:
            relay.kill()
            relay.wait()
            rig.close()
            server.kill()
        print(f"{len(accepted)} were accepted, and {sum(api.accepted.values())} arrived")
        assert spooled > 0
        assert set(api.accepted.values()) == {1}
        assert {aside.record for aside, _ in read_aside(folder) if aside is not None} <= {None}, "only lines that a kill has torn"
