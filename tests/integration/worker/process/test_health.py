"""`wooshq health`: is the worker on this machine live, and is it ready? Cheap, and about this worker alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.installation.servers import Server
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq_worker.process.health.ask import quick
from wooshq_worker.process.health.state import Health, State, default_folder, forget_ended, health_of, read_all, write

NOW = 1000.0


def a_state(**changes: Any) -> State:
    """A worker that is well."""
    return State(**{"pid": os.getpid(), "phase": "running", "began_at": NOW - 500, "written_at": NOW - 1, **changes})


def asked(rig: Rig, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status of the command, and what it says of each worker."""
    done = rig.cli("health", "--json", *options)
    assert done.stderr == b""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def states(rig: Rig) -> list[State]:
    return read_all(rig.folder / "health")


def health(rig: Rig) -> list[Health]:
    """The same without a process."""
    return [health_of(state, time.monotonic()) for state in states(rig)]


def test_a_worker_whose_lanes_have_work_and_that_receives_none_is_live_and_not_ready() -> None:
    assert health_of(a_state(deaf_s=5.0), NOW) == Health(live=True, ready=True)
    assert health_of(a_state(deaf_s=15.0), NOW) == Health(True, False, ("it has received nothing for 15 s, although its lanes have work",))


class WhenAWorkerRuns:
    def test_it_is_live_and_ready_until_it_is_told_to_end(self, rig: Rig) -> None:
        assert asked(rig) == (1, [])
        worker = rig.start_worker()
        wait_until(lambda: [one.ready for one in health(rig)] == [True], saw=rig.logs)
        assert asked(rig, "--ready") == (0, [{"pid": worker.pid, "phase": "running", "live": True, "ready": True, "why": []}])
        assert asked(rig, "--pid", str(os.getpid())) == (1, [])
        worker.terminate()
        assert worker.wait(300) == 0
        assert states(rig) == []

    @pytest.mark.settings(api_token="")
    def test_without_a_token_it_is_live_and_not_ready(self, rig: Rig) -> None:
        rig.start_worker()
        wait_until(
            lambda: [one.why for one in health(rig)] == [("PUSHWOOSH_API_TOKEN is not set, so it holds every message",)], saw=rig.logs
        )

    def test_one_that_was_killed_is_not_counted(self, rig: Rig) -> None:
        killed = rig.start_worker()
        wait_until(lambda: states(rig))
        rig.kill(killed)
        assert asked(rig) == (1, [])
        other = rig.start_worker()
        wait_until(lambda: [one.pid for one in states(rig)] == [other.pid], saw=rig.logs)
        assert [file.name for file in (rig.folder / "health").glob("*.json")] == [f"worker-{other.pid}.json"]

    def test_one_that_is_frozen_is_not_live(self, rig: Rig) -> None:
        worker = rig.start_worker()
        wait_until(lambda: [one.ready for one in health(rig)] == [True], saw=rig.logs)
        worker.send_signal(signal.SIGSTOP)
        try:
            (state,) = states(rig)
            (later,) = [health_of(one, state.written_at + 21) for one in states(rig)]
        finally:
            worker.send_signal(signal.SIGCONT)
        assert later == Health(live=False, ready=False, why=("it has given no sign of life for 21 s",))

    def test_a_folder_that_cannot_be_written_costs_no_message(self, rig: Rig, api: StandIn) -> None:
        (rig.folder / "health").write_text("a file")
        rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent())])
        (event,) = rig.events("health_not_written")
        assert (event["level"], event["folder"]) == ("warning", str(rig.folder / "health"))


class WhenRedisIsAway:
    def test_the_worker_is_live_and_not_ready_and_then_ready_again(self, data_dir: Path, tmp_path: Path, api: StandIn) -> None:
        server = Server(data_dir, "--save", "", "--appendonly", "yes")
        rig = Rig(tmp_path, api.url, redis_url=f"redis://127.0.0.1:{server.port}/0", broker_url=f"redis://127.0.0.1:{server.port}/1")
        try:
            rig.start_worker()
            wait_until(lambda: [one.ready for one in health(rig)] == [True], saw=rig.logs)
            server.kill()
            wait_until(lambda: all(one.ledger_lost_s and one.broker_lost_s for one in states(rig)), saw=rig.logs)
            (state,) = states(rig)
            assert health_of(state, state.written_at).live
            away = State(**{**vars_of(state), "ledger_lost_s": 12.0, "broker_lost_s": 34.0})
            assert health_of(away, state.written_at).why == (
                "Redis has not answered for 12 s",
                "it has not been connected to the broker for 34 s",
            )
            server.start()
            wait_until(lambda: [(one.ledger_lost_s, one.broker_lost_s) for one in states(rig)] == [(None, None)], saw=rig.logs)
            assert health(rig)[0].ready
        finally:
            rig.close()
            server.kill()


def vars_of(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in State.__dataclass_fields__}


class WhenAStateIsJudged:
    @pytest.mark.parametrize(
        ("state", "live", "ready"),
        [
            (a_state(), True, True),
            (a_state(written_at=NOW - 20), True, True),
            (a_state(written_at=NOW - 21), False, False),
            (a_state(written_at=NOW + 500), False, False),
            (a_state(loop_s=20.0), True, True),
            (a_state(loop_s=21.0), False, False),
            (a_state(ledger_lost_s=10.0, broker_lost_s=10.0), True, True),
            (a_state(ledger_lost_s=11.0), True, False),
            (a_state(broker_lost_s=11.0), True, False),
            (a_state(phase="stopping"), True, False),
            (a_state(phase="starting", began_at=NOW - 100), True, False),
            (a_state(phase="starting", began_at=NOW - 130), False, False),
        ],
    )
    def test_each_threshold_counts(self, state: State, live: bool, ready: bool) -> None:
        judged = health_of(state, NOW)
        assert (judged.live, judged.ready) == (live, ready)
        assert bool(judged.why) is not ready


class WhenTheCommandIsRun:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("WOOSHQ_HEALTH_DIR", str(tmp_path / "health"))
        return tmp_path / "health"

    def test_all_workers_must_be_well_and_each_has_a_line(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        now = time.monotonic()
        write(State(os.getpid(), "running", now, now), folder)
        write(State(os.getppid(), "running", now, now, broker_lost_s=60.0), folder)
        assert (quick([]), quick(["--ready"]), quick(["--ready", "--pid", str(os.getpid())])) == (0, 1, 0)
        said = capsys.readouterr().out.splitlines()
        assert set(said[:2]) == {
            f"worker {os.getpid()}: live and ready",
            f"worker {os.getppid()}: live, not ready: it has not been connected to the broker for 60 s",
        }

    def test_without_a_worker_it_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert (quick([]), quick(["--pid", "1"])) == (1, 1)
        assert capsys.readouterr().out == "No worker is running here.\nNo worker with the process id 1 is running here.\n"

    def test_the_folder_may_be_named_in_the_env_file(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WOOSHQ_HEALTH_DIR")
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".env").write_text(f"WOOSHQ_HEALTH_DIR={folder}\n")
        write(State(os.getpid(), "running", time.monotonic(), time.monotonic()), folder)
        assert quick([]) == 0

    @pytest.mark.parametrize("arguments", [["--help"], ["--pid"], ["--pid", "x"], ["--other"]])
    def test_everything_else_is_left_to_the_whole_command_line(self, arguments: list[str]) -> None:
        assert quick(arguments) is None

    def test_it_loads_nothing_that_takes_long(self, rig: Rig) -> None:
        program = "import sys; from wooshq_worker.__main__ import main; sys.argv = ['wooshq', 'health']\ntry: main()\nfinally: print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-S", "-c", program], env=rig.env, cwd=rig.folder, capture_output=True, text=True, check=False
        )
        said, loaded = done.stdout.splitlines()
        assert (done.returncode, said) == (1, "No worker is running here.")
        assert {name.partition(".")[0] for name in loaded.split()} - set(sys.stdlib_module_names) == {"__main__", "wooshq_worker"}


class WhenFilesAreLeftOrForged:
    def test_files_of_ended_processes_and_of_other_versions_are_ignored(self, tmp_path: Path) -> None:
        write(a_state(), tmp_path)
        (tmp_path / "worker-1.json").write_text('{"pid": 1, "other": true}')
        (tmp_path / "worker-2.json").write_text("nonsense")
        write(a_state(pid=2**22 + 1), tmp_path)
        assert [state.pid for state in read_all(tmp_path)] == [os.getpid()]
        forget_ended(tmp_path)
        assert not (tmp_path / f"worker-{2**22 + 1}.json").exists()
        assert (tmp_path / f"worker-{os.getpid()}.json").exists()

    @pytest.mark.parametrize("make", [lambda path: path.symlink_to("/tmp"), lambda path: path.write_text("")])
    def test_a_folder_that_is_something_else_is_not_written_to(self, tmp_path: Path, make: Callable[[Path], Any]) -> None:
        make(tmp_path / "health")
        with pytest.raises(NotADirectoryError):
            write(a_state(), tmp_path / "health")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
    def test_so_it_is_for_a_folder_of_another_user(self, tmp_path: Path) -> None:
        (tmp_path / "health").mkdir()
        os.chown(tmp_path / "health", 12345, 12345)
        with pytest.raises(PermissionError, match="another user"):
            write(a_state(), tmp_path / "health")

    def test_the_files_are_private(self, tmp_path: Path) -> None:
        write(a_state(), tmp_path / "a" / "health")
        assert (tmp_path / "a" / "health").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "health" / f"worker-{os.getpid()}.json").stat().st_mode & 0o777 == 0o600
        assert default_folder().name == f"wooshq-{os.geteuid()}"
