"""The demo fits a terminal of 80 columns, and names next steps that can be typed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.stand_in import StandIn
from wooshq_worker.cli.demo import command_as_called


def test_nothing_is_cut_at_80_columns(tmp_path: Path) -> None:
    with StandIn() as api:
        rig = Rig(tmp_path, api.url)
        seen = rig.terminal("demo", columns=80)
        rig.close()
    lines = seen.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in seen
    assert "(s)" not in seen
    assert "10 dead letters, 10 replayed and closed" in seen
    assert "users.list[n]: is not valid" in seen
    assert "5 recipients refused; the others in their calls received the message once" in seen
    assert any(line.startswith("  python -m wooshq_worker doctor ") for line in lines)


def test_the_command_is_named_as_it_must_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / ".venv" / "bin" / "wooshq"
    script.parent.mkdir(parents=True)
    script.touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), "demo"])
    monkeypatch.setenv("PATH", "/usr/bin")
    assert command_as_called() == ".venv/bin/wooshq"
    monkeypatch.setenv("PATH", str(script.parent))
    assert command_as_called() == "wooshq"
