"""How values are written for a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wooshq_worker.console.pages.shell import words

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, None, "–"),
        (0, None, "0"),
        (1234567, None, "1 234 567"),
        (0.25, None, "0.25"),
        (3.0, None, "3"),
        (2.5, 2, "2.50"),
        (-1200, None, "-1 200"),
    ],
)
def test_numbers_have_thin_spaces_between_thousands(value: float | None, digits: int | None, text: str) -> None:
    assert plain(words.number(value, digits)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"), (0, "0 s"), (0.0123, "12 ms"), (2.34, "2.3 s"), (59, "59 s"), (119, "119 s"), (120, "2 min"), (3599, "59 min"), (7500, "2 h 5 min"),
        (7200, "2 h"), (90_000, "1 d 1 h"), (20 * 86_400 + 5000, "20 d"), (-30, "−30 s"),
    ],
)  # fmt: skip
def test_durations_have_the_unit_that_says_something(seconds: float | None, text: str) -> None:
    assert plain(words.duration(seconds)) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1 023 B"), (1536, "1.5 KB"), (3 * 1024**3, "3 GB"), (None, "–")])
def test_sizes(count: int | None, text: str) -> None:
    assert plain(words.size(count)) == text


def test_shares() -> None:
    assert [plain(words.percent(share)) for share in (None, 0, 0.125, 1)] == ["–", "0 %", "12.5 %", "100 %"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (1.9, "now"), (5, "5 s ago"), (-90, "in 1 min"), (7200, "2 h ago"), (200_000, "2 d ago"), (-59, "in 59 s")],
)
def test_times_are_relative(seconds: float, text: str) -> None:
    assert plain(words.relative(NOW - timedelta(seconds=seconds), NOW)) == text


def test_a_time_has_the_exact_one_in_its_title() -> None:
    shown = words.ago("2026-05-01T11:00:00+00:00", NOW)
    assert str(shown) == '<time datetime="2026-05-01T11:00:00+00:00" title="2026-05-01 11:00:00 UTC" data-ago>1\u202fh ago</time>'
    assert words.ago(None) == "–"
    assert "2026-05-01 09:00:00 UTC" in words.exact("2026-05-01T11:00:00+02:00")


def test_a_long_id_keeps_its_beginning_and_its_end() -> None:
    assert words.short("018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f") == "018f6d0a…d2e4f"
    assert words.short("short") == "short"


def test_plurals() -> None:
    assert [plain(words.plural(count, "message")) for count in (0, 1, 2000)] == ["0 messages", "1 message", "2 000 messages"]
    assert words.plural(2, "reply", "replies") == "2 replies"


def test_what_stands_in_backticks_is_code_and_nothing_of_a_text_is_markup() -> None:
    assert words.coded('A JSON object: `{"A": "<b>"}`.') == "A JSON object: <code>{&#34;A&#34;: &#34;&lt;b&gt;&#34;}</code>."
    assert words.coded("one ` alone <b>") == "one ` alone &lt;b&gt;"
