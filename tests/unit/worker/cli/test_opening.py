"""A command opens its installation with `open_wooshq`, so that it works on a developer's machine without any setting."""

from __future__ import annotations

from pathlib import Path

import wooshq_worker.cli.commands as commands


def test_no_command_opens_an_installation_in_another_way() -> None:
    others = [path.name for path in Path(commands.__path__[0]).glob("*.py") if "with Wooshq(" in path.read_text()]
    assert others == []
