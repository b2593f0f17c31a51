"""What a fan-out writes besides: rejected rows, its id, its progress. It is tried before anyone is sent to, and stops no job."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rig import GENEROUS_S, Rig
from tests.stand_in import StandIn

#: No file can be created here, not even by root, who may write to a folder without permissions.
UNWRITABLE = "/proc"

pytestmark = pytest.mark.skipif(not Path(UNWRITABLE).is_dir(), reason="needs Linux")


@pytest.fixture
def template(tmp_path: Path) -> str:
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"message": {"push": {"title": "Sale"}}}))
    return str(path)


def a_csv(tmp_path: Path, good: int, bad: int = 1) -> str:
    path = tmp_path / "people.csv"
    path.write_text("user\n" + "".join(f"u{i}\n" for i in range(good)) + "two,cells\n" * bad)
    return str(path)


def fanout(rig: Rig, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wooshq_worker", "fanout", *args]
    given = {"cwd": rig.folder, "stdout": subprocess.PIPE, **more}
    return subprocess.run(command, env=rig.env, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=GENEROUS_S, **given)


def words(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.replace("│", " ").split())


class WhenTheFolderCannotBeWritten:
    def test_no_job_starts_and_the_option_that_helps_is_named(self, rig: Rig, template: str, tmp_path: Path) -> None:
        done = fanout(rig, "--template", template, "--recipients", a_csv(tmp_path, 5), cwd=UNWRITABLE)
        assert done.returncode == 2
        assert "--rejects" in words(done)
        assert "The current folder cannot be written" in words(done)
        assert rig.wooshq.bulk.list() == []

    def test_another_file_helps(self, rig: Rig, template: str, tmp_path: Path) -> None:
        rejects = tmp_path / "rejects.ndjson"
        args = ["--template", template, "--recipients", a_csv(tmp_path, 5), "--rejects", str(rejects), "--detach"]
        done = fanout(rig, *args, cwd=UNWRITABLE)
        assert (done.returncode, rig.wooshq.bulk.list()[0].total) == (1, 5), done.stderr
        assert json.loads(rejects.read_text())["row"] == "two,cells"

    def test_a_resume_is_checked_in_the_same_way(self, rig: Rig, api: StandIn, template: str, tmp_path: Path) -> None:
        def breaks() -> Any:
            yield from (f"u{i}" for i in range(12_000))
            raise OSError

        ids: list[str] = []
        with pytest.raises(OSError):
            rig.wooshq.fan_out(json.loads(Path(template).read_text()), breaks(), opened=ids.append)
        args = ["--resume", ids[0], "--recipients", a_csv(tmp_path, 13_000), "--detach"]
        assert fanout(rig, *args, cwd=UNWRITABLE).returncode == 2
        assert rig.wooshq.bulk.show(ids[0]).state == "feeding"
        done = fanout(rig, *args, "--rejects", str(tmp_path / "rejects.ndjson"), cwd=UNWRITABLE)
        assert (done.returncode, rig.wooshq.bulk.show(ids[0]).total) == (1, 13_000), done.stderr

    @pytest.mark.parametrize("name", ["x" * 300, "/proc/rejects.ndjson"])
    def test_a_named_file_is_tried_too(self, rig: Rig, template: str, tmp_path: Path, name: str) -> None:
        done = fanout(rig, "--template", template, "--recipients", a_csv(tmp_path, 5), "--rejects", name)
        assert (done.returncode, "cannot be written" in words(done)) == (2, True), done.stderr
        assert rig.wooshq.bulk.list() == []

    def test_a_folder_is_not_a_file(self, rig: Rig, template: str, tmp_path: Path) -> None:
        done = fanout(rig, "--template", template, "--recipients", a_csv(tmp_path, 5), "--rejects", str(tmp_path))
        assert (done.returncode, "is a folder: name a file in it" in words(done)) == (2, True)

    def test_trying_leaves_no_file(self, rig: Rig, template: str, tmp_path: Path) -> None:
        rejects = tmp_path / "rejects.ndjson"
        people = a_csv(tmp_path, 5, bad=0)
        before = set(tmp_path.iterdir())
        for more in ([], ["--rejects", str(rejects)]):
            assert fanout(rig, "--template", template, "--recipients", people, "--detach", *more).returncode == 0
        assert set(tmp_path.iterdir()) == before


class WhenAnOutputFailsDuringTheJob:
    @pytest.mark.parametrize("bad", [1, 9], ids=["when the file is closed", "with many rows"])
    def test_rejected_rows_are_counted_and_everyone_else_is_sent_to(
        self, rig: Rig, api: StandIn, template: str, tmp_path: Path, bad: int
    ) -> None:
        rig.start_worker()
        args = ["--template", template, "--recipients", a_csv(tmp_path, 2500, bad), "--rejects", "/dev/full"]
        done = fanout(rig, *args)
        assert done.returncode == 1
        assert words(done).count("Rejected rows cannot be written to /dev/full (No space left on device). The job continues") == 1
        assert f"{bad} row" in words(done)
        assert "2,500 of 2,500 sent" in words(done)
        assert len(api.accepted) == 2500

    def test_a_job_whose_id_cannot_be_printed_goes_on_and_names_it_elsewhere(
        self, rig: Rig, api: StandIn, template: str, tmp_path: Path
    ) -> None:
        rig.start_worker()
        with Path("/dev/full").open("wb") as full:
            done = fanout(rig, "--template", template, "--recipients", a_csv(tmp_path, 100, bad=0), stdout=full)
        (job,) = rig.wooshq.bulk.list()
        assert (done.returncode, job.state, job.sent) == (1, "done", 100)
        assert f"The job {job.id} continues." in words(done)
        assert words(done).count("Standard output cannot be written") == 1
