"""`wooshq console` on a terminal, when there are no tokens yet."""

from __future__ import annotations

import pytest

from wooshq_worker.cli.commands.running.console import _tell


def test_a_person_is_told_the_token_of_this_run_and_how_to_log_in(capsys: pytest.CaptureFixture[str]) -> None:
    _tell("wq_of-this-run")
    said = " ".join(capsys.readouterr().err.split())
    assert "Authorization: Bearer wq_of-this-run" in said
    assert "To log in, open the address below in a browser of this machine" in said
