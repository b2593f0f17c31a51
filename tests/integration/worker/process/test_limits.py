"""A machine with few files, threads or little memory: a worker fits into it, says so, and nobody gets a message twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rig import ROOT, Rig, an_intent, some_settings, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq_worker.doctor.machine import HELPERS, OTHER_THREADS, Machine, calls_that_fit, check, files_needed
from wooshq_worker.doctor.redis_server import CONNECTIONS_OF_A_WORKER, connections
from wooshq_worker.process.health.limits import fitted, helpers

PEOPLE = 600


def limited(rig: Rig, *limits: str, command: str = "worker") -> list[str]:
    """The command line for a process with these limits, as `ulimit` takes them."""
    set_limits = "".join(f"ulimit {limit}; " for limit in limits)
    return ["bash", "-c", f"{set_limits}exec {sys.executable} -m wooshq_worker {command}"]


def start_worker(rig: Rig, *limits: str) -> None:
    log = (rig.folder / f"worker-{len(rig.workers)}.log").open("wb")
    rig.workers.append(subprocess.Popen(limited(rig, *limits), env=rig.env, cwd=rig.folder, stdout=log, stderr=log))


class WhenFewFilesMayBeOpened:
    @pytest.mark.stand_in(latency_s=0.5)
    def test_a_worker_makes_fewer_calls_at_a_time_and_nobody_gets_two(self, rig: Rig, api: StandIn) -> None:
        ids = [i for i in rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(PEOPLE)).ids if i]
        start_worker(rig, "-n 256")
        wait_until(lambda: rig.wooshq.counts().get("sent", 0) == len(ids) == PEOPLE, saw=rig.logs)
        assert (len(api.calls), set(api.accepted.values())) == (PEOPLE, {1})
        assert "unknown" not in rig.wooshq.counts()
        (event,) = rig.events("concurrency_lowered")
        assert (event["level"], event["configured"], event["files"]) == ("warning", 256, 256)
        assert rig.events("worker_starts")[0]["concurrency"] == event["concurrency"] < 256

    def test_the_soft_limit_is_raised_and_nothing_is_lowered(self, rig: Rig) -> None:
        ids = [rig.wooshq.enqueue(an_intent())]
        start_worker(rig, "-Sn 64", "-Hn 4096")
        rig.ended(ids)
        assert rig.events("concurrency_lowered") == []
        if sys.platform == "linux":
            limits = Path(f"/proc/{rig.workers[0].pid}/limits").read_text()
            (files,) = [line.split() for line in limits.splitlines() if line.startswith("Max open files")]
            assert int(files[3]) >= files_needed(256)

    def test_the_doctor_compares(self, rig: Rig) -> None:
        done = subprocess.run(
            limited(rig, "-n 256", command="doctor --offline --json"), env=rig.env, cwd=rig.folder, capture_output=True, check=False
        )
        files = next(one for one in map(json.loads, done.stdout.splitlines()) if one["what"] == "files")
        assert (files["level"], files["says"]) == ("warn", f"only 256 open files are allowed, and a worker needs {files_needed(256)}")
        assert "ulimit -n" in files["mend"]


def every_kind(call: Call, n: int) -> Reply | None:
    """One answer of each kind, and then only good ones."""
    kinds = (
        Reply(200, "nonsense"),
        Reply(200, {"result": {"message_code": "A-1", "unknown_identifiers": ["u1"]}}),
        refusal(400, 3, "users.list[0]: is not valid"),
        refusal(429, 8, "slow down", Retry_After="Wed, 21 Oct 2065 07:28:00 GMT"),
        Reply(503, "<html><title>upstream connect error: reset</title></html>"),
        Reply(cut=True),
        Reply(302, "", {"Location": "https://other.example/"}),
        Reply(422, {"title": "Täxt", "errors": [{"detail": "a@b.example"}]}),
    )
    return kinds[n - 1] if n <= len(kinds) else None


class WhenAnAnswerHasCome:
    @pytest.mark.settings(retry_after_ceiling_s=0.5)
    @pytest.mark.stand_in(answer=every_kind)
    def test_nothing_has_to_be_loaded_any_more(self, rig: Rig, api: StandIn) -> None:
        """An import needs a free file. When none was left, the answer could not be judged, and the message was sent again."""
        site = rig.folder / "site"
        site.mkdir()
        noted = rig.folder / "imports"
        (site / "sitecustomize.py").write_text(
            "import sys\n"
            "class Note:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        print(name, file=open({str(noted)!r}, 'a'))\n"
            "sys.meta_path.insert(0, Note())\n"
        )
        rig.env["PYTHONPATH"] = f"{site}{os.pathsep}{rig.env['PYTHONPATH']}"
        rig.start_worker()
        wait_until(lambda: "ready" in rig.logs(), saw=rig.logs)
        loaded = noted.read_text()
        rig.wooshq.enqueue_many(an_intent(f"u{n}", lane=("bulk", "transactional")[n % 2]) for n in range(60))
        job = rig.wooshq.fan_out({"message": {"push": {"title": "Hi {name}"}}}, ({"user": f"p{n}", "name": f"n{n}"} for n in range(60)))
        assert job.wait(300).is_final
        wait_until(lambda: rig.wooshq.counts().get("sent", 0) > 50, saw=rig.wooshq.counts)
        assert len(api.calls) > 110
        rig.workers[0].terminate()
        assert rig.workers[0].wait(300) == 0
        assert noted.read_text() == loaded


class WhenALimitIsCompared:
    @pytest.mark.parametrize(
        ("machine", "fits"),
        [
            (Machine(), None),
            (Machine(files=1_000_000, memory=64 * 1024**3), 999_920),
            (Machine(files=256), 176),
            (Machine(files=20), 16),
            (Machine(memory=129 * 1024**2), 16),
            (Machine(memory=136 * 1024**2), 128),
            (Machine(files=256, memory=130 * 1024**2), 32),
        ],
    )
    def test_as_many_calls_fit_as_the_scarcest_allows_but_never_too_few(self, machine: Machine, fits: int | None) -> None:
        assert calls_that_fit(machine) == fits
        settings = some_settings()
        assert fitted(settings, machine).concurrency == min(256, fits or 256)

    def test_the_doctor_warns_about_each(self) -> None:
        found = {one.what: one for one in check(some_settings(), Machine(files=100, memory=1024**2 * 64, threads=3))}
        assert {one.level for one in found.values()} == {"warn"}
        assert found["machine memory"].says == "only 64 MB of memory are allowed, and a worker needs 144"
        assert found["threads"].says == f"only 3 more threads are allowed, and a worker needs {OTHER_THREADS + HELPERS}"
        assert {one.level for one in check(some_settings(), Machine())} == {"ok"}

    def test_the_docs_have_the_same_numbers(self) -> None:
        text = (ROOT / "docs" / "operations.md").read_text()
        needed = {one.what: one.says for one in check(some_settings(), Machine(files=1, memory=0, threads=0))}
        assert f"| open files | {files_needed(256)}: one for each call, and {files_needed(0)} |" in text
        assert "| memory | 144 MB: 128 MB, and 64 KB for each call |" in text
        assert "needs 144" in needed["machine memory"]
        assert f"| connections to Redis | {CONNECTIONS_OF_A_WORKER} |" in text

    def test_few_connections_of_redis_are_a_warning(self) -> None:
        assert [connections(now, 100).level for now in (68, 69, 100)] == ["ok", "warn", "warn"]


class WhenFewThreadsCanBeStarted:
    @staticmethod
    def up_to(most: int) -> Callable[[Any], None]:
        left = iter(range(most))

        def start(thread: Any) -> None:
            if next(left, None) is None:
                raise RuntimeError("can't start new thread")
            thread.start()

        return start

    def test_the_worker_uses_what_there_is_and_starts_it_before_the_first_call(self) -> None:
        with helpers(6, 8, self.up_to(11)) as executor:
            assert executor._max_workers == len(executor._threads) == 3
        with helpers(6, 8, self.up_to(100)) as executor:
            assert len(executor._threads) == 6

    def test_too_few_are_an_error_that_says_what_to_do(self) -> None:
        with pytest.raises(RuntimeError, match=r"only 9 threads can be started\. Raise the limit of processes \(pids\)"):
            helpers(6, 8, self.up_to(9))
