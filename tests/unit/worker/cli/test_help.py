"""`--help` of every command."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from wooshq.ledger.gates import MEANS, GateName
from wooshq_worker.cli import app
from wooshq_worker.sandbox.control import EXAMPLES

COMMANDS = (
    "send", "status", "cancel", "lint", "worker", "demo", "sandbox", "doctor", "health", "dead", "dead list", "dead groups", "dead show", "dead edit",
    "dead replay", "dead discard", "dead export", "gates", "gates open", "gates shut", "fanout", "bulk", "bulk list", "bulk show", "bulk pause",
    "bulk resume", "bulk cancel", "bulk retry-failed", "bulk unreached", "bulk continue", "replays", "replays list", "replays show",
    "replays start", "replays pause", "replays resume", "replays cancel", "resend", "forget", "audit", "pause", "resume", "limits", "limits set", "limits unset", "changes", "metrics",
)  # fmt: skip


def help_of(command: str) -> str:
    done = CliRunner().invoke(app, [*command.split(), "--help"], prog_name="wooshq")
    assert done.exit_code == 0, done.output
    return done.output


def test_the_version_is_shown() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output.split()[0]) == (0, "wooshq")


def test_exit_statuses_and_first_steps_are_named() -> None:
    said = help_of("")
    for words in ("0  all done", "1  something was", "2  the command was used wrongly", "3  nothing could be done", "wooshq demo"):
        assert words in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_and_no_type_names(command: str) -> None:
    said = help_of(command)
    assert f"  wooshq {command}" in said.partition("Example")[2]
    assert not re.search(r"<(bool|str|path|list|int|float)\b|x>=", said)


def test_each_gate_is_explained() -> None:
    said = help_of("gates")
    assert set(MEANS) == set(GateName)
    for name, means in MEANS.items():
        assert re.search(rf"{name} +{re.escape(means)}", said)


def test_each_control_of_the_sandbox_has_its_example() -> None:
    said = help_of("sandbox")
    for way, example in EXAMPLES.items():
        assert way in said
        assert (example if isinstance(example, str) else json.dumps(example)) in said
