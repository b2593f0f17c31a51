"""Whatever the command line reads, each line gets an id or its errors, and never a traceback."""

from __future__ import annotations

import json

import pytest
from hypothesis import strategies as st

from tests.rig import Rig
from tests.strategies import drawn, intents, json_values

lines = st.one_of(st.binary(max_size=60), json_values.map(json.dumps).map(str.encode), intents.map(json.dumps).map(str.encode)).map(
    lambda raw: raw.replace(b"\n", b" ").replace(b"\r", b" ")
)


class WhenAnythingIsReadFromStandardInput:
    def test_every_line_gets_an_id_or_its_errors(self, rig: Rig) -> None:
        some = [line for line in drawn(lines, 300) if line.strip()]

        done = rig.cli("send", "--json", stdin=b"\n".join(some))

        said = [json.loads(line) for line in done.stdout.splitlines()]
        assert [answer["line"] for answer in said] == list(range(1, len(some) + 1))
        assert all(("id" in answer) is not bool(answer.get("errors")) for answer in said)
        assert b"Traceback" not in done.stderr
        assert done.returncode == 1
        linted = rig.cli("lint", "--json", stdin=b"\n".join(some))
        assert len(linted.stdout.splitlines()) == len(some)
        assert b"Traceback" not in linted.stderr

    @pytest.mark.parametrize("command", [("dead", "edit", "x", "--patch", "-"), ("send", "-"), ("lint", "-")])
    def test_bytes_that_are_not_text_do_not_crash_it(self, rig: Rig, command: tuple[str, ...]) -> None:
        done = rig.cli(*command, stdin=bytes(range(256)) * 4)
        assert done.returncode in (1, 2)
        assert b"Traceback" not in done.stderr
