"""Where the output goes, and what happens when it cannot go there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig import Rig, an_intent
from wooshq_worker import script


class WhenNobodyReads:
    @pytest.mark.parametrize("args", [["status"], ["--help"], ["gates", "--json"], ["lint"]])
    def test_a_command_that_only_shows_ends_as_done(self, rig: Rig, args: list[str]) -> None:
        rig.wooshq.shut_gate("hand")
        ours, theirs = os.pipe()
        os.close(ours)
        process = rig.start(*args, stdout=theirs)
        os.close(theirs)
        _, err = process.communicate(json.dumps(an_intent()).encode(), timeout=60)
        assert (process.returncode, err) == (0, b"")

    @pytest.mark.parametrize("args", [["status", "--json"], ["--help"], ["lint"], ["send"]])
    def test_a_full_disk_is_one_sentence(self, rig: Rig, args: list[str]) -> None:
        with Path("/dev/full").open("wb") as full:
            process = rig.start(*args, stdout=full)
            _, err = process.communicate(json.dumps(an_intent()).encode(), timeout=60)
        assert (process.returncode, err.decode()) == (1, "Standard output cannot be written: No space left on device.\n")

    def test_people_who_do_not_read_are_no_reason_to_fail(self, rig: Rig) -> None:
        ours, theirs = os.pipe()
        os.close(ours)
        process = rig.start("status", "no-such-id", stderr=theirs)
        os.close(theirs)
        process.communicate(timeout=60)
        assert process.returncode == 1


class WhenTheTerminalKnowsFewCharacters:
    def test_others_are_escaped_and_json_stays_json(self, rig: Rig) -> None:
        rig.env |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        rig.wooshq.shut_gate("hand", why="Prüfung “Ω” 😀")
        assert b"Pr\\xfcfung" in rig.cli("gates").stdout
        assert json.loads(rig.cli("gates", "--json").stdout)["why"] == "Prüfung “Ω” 😀"
        assert rig.cli("dead", "show", "ü").returncode == 1

    def test_a_stranger_cannot_paint_it(self, rig: Rig) -> None:
        rig.wooshq.shut_gate("hand", why="red \x1b[31m and\na new line")
        line = rig.cli("gates").stdout.decode().splitlines()[-1]
        assert line.endswith("red \\x1b[31m and a new line")


class WhenOnlyAWebAppsPartIsInstalled:
    @pytest.mark.parametrize("missing", ["typer", "structlog"])
    def test_the_command_says_what_to_install(self, rig: Rig, missing: str) -> None:
        program = f"import sys; sys.modules[{missing!r}] = None; from wooshq_worker.script import main; main()"
        done = subprocess.run([sys.executable, "-c", program, "worker"], env=rig.env, cwd=rig.folder, capture_output=True, timeout=60)
        assert done.returncode == 2
        assert done.stderr.decode().startswith("The command line needs pip install 'wooshq[worker]'")
        assert len(done.stderr.splitlines()) == 1

    def test_nothing_of_ours_is_mistaken_for_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "wooshq_worker.cli", None)
        with pytest.raises(ModuleNotFoundError):
            script.main()

    def test_the_script_is_that_module(self) -> None:
        project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
        assert 'wooshq = "wooshq_worker.script:main"' in project
