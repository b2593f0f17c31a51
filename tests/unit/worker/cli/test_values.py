"""Times, durations and percentages as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer

from wooshq_worker.cli.values import duration_s, fraction, moment

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
def test_a_bad_time_is_refused_with_the_option_and_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter) as error:
        moment(text, "--since", NOW)
    assert error.value.param_hint == "--since"
    assert "2026-05-01, or an age such as 2h" in error.value.message


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1w", 604800)])
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert duration_s(text, "--step-wait") == seconds


@pytest.mark.parametrize(("text", "part"), [("5%", 0.05), ("0.05", 0.05), ("100%", 1)])
def test_a_percentage_is_a_fraction(text: str, part: float) -> None:
    assert fraction(text, "--stop-at") == part


@pytest.mark.parametrize("text", ["soon", "-1", "", "5 m"])
def test_a_bad_duration_or_percentage_is_refused_with_the_option(text: str) -> None:
    for read, option in ((duration_s, "--step-wait"), (fraction, "--stop-at")):
        with pytest.raises(typer.BadParameter) as error:
            read(text, option)
        assert error.value.param_hint == option
