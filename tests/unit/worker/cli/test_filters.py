"""The filter of dead letters: the same options in every command that takes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import typer
import typer.main

from wooshq.letters.filter import Conditions
from wooshq_worker.cli import app
from wooshq_worker.cli.filters import wanted_of


def options_of(command: str) -> dict[str, Any]:
    """The options of `wooshq dead COMMAND` with their defaults, in the order of `--help`."""
    found: Any = typer.main.get_command(app).commands["dead"].commands[command]  # type: ignore[attr-defined]
    return {param.name: param.default for param in found.params}


@pytest.mark.parametrize(
    ("command", "state"), [("list", "open"), ("groups", "open"), ("export", "any"), ("replay", None), ("discard", None)]
)
def test_every_filter_of_the_python_api_is_an_option(command: str, state: str | None) -> None:
    options = options_of(command)
    wanted = [name for name in Conditions.__annotations__ if state or name != "state"]
    assert [name for name in options if name in wanted] == wanted
    assert options.get("state") == state


def test_options_that_were_not_given_are_left_out() -> None:
    assert wanted_of(reason="invalid", lane=None, since="2027-01-01", tag="shop=a=b") == {
        "reason": "invalid",
        "since": datetime(2027, 1, 1, tzinfo=UTC),
        "tag": ("shop", "a=b"),
    }


def test_any_state_is_passed_on_as_every_state() -> None:
    assert wanted_of(state="any", reason=None) == {"state": None}
    assert wanted_of(state="open") == {"state": "open"}


def test_a_tag_without_a_value_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="NAME=VALUE") as error:
        wanted_of(tag="shop")
    assert error.value.param_hint == "--tag"
