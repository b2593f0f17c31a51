"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer

from wooshq_worker.cli.filters import moment, wanted

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2027-01-01", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T09:00:00Z", datetime(2027, 1, 1, 9, tzinfo=UTC)),
        ("2027-01-01T09:00:00+01:00", datetime(2027, 1, 1, 8, tzinfo=UTC)),
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("1d", NOW - timedelta(days=1)),
        ("5w", NOW - timedelta(weeks=5)),
    ],
)
def test_a_time_a_date_and_an_age_are_moments(text: str, at: datetime) -> None:
    assert moment(text, "--since", NOW) == at


@pytest.mark.parametrize("text", ["yesterday", "2027-13-01", "2027-01-01T09:00:00", "5y", "h", "²h", "99999999999999w", ""])
def test_anything_else_names_the_option_and_what_would_be_right(text: str) -> None:
    with pytest.raises(typer.BadParameter) as error:
        moment(text, "--since", NOW)
    assert error.value.param_hint == "--since"
    assert "2026-05-01, or an age such as 2h" in error.value.message


def test_any_state_is_said_and_not_left_out() -> None:
    assert wanted(state="any", reason=None) == {"state": None}
    assert wanted(state="open") == {"state": "open"}
