"""Numbers and times in sentences."""

from __future__ import annotations

import pytest

from wooshq.overview.words import duration, several, size, some_of


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0 s"),
        (0.42, "0.4 s"),
        (12.4, "12 s"),
        (59.7, "60 s"),
        (90, "90 s"),
        (120, "2 min"),
        (185, "3 min"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (86_400, "1 day"),
        (4.5 * 86_400, "4 days"),
    ],
)
def test_a_duration_has_one_or_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_names_beyond_the_third_are_counted() -> None:
    assert some_of(["a"]) == "a"
    assert some_of(["a", "b"]) == "a and b"
    assert some_of(list("abcdefgh")) == "a, b, c and 5 more"


def test_numbers_have_their_words() -> None:
    assert several(1, "retry", "retries") == "1 retry"
    assert several(2000, "retry", "retries") == "2,000 retries"
    assert size(900 * 1024) == "900 KB"
    assert size(1.5 * 1024**3) == "1.5 GB"
    assert size(5e13) == "46,566 GB"
