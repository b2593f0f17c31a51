"""Charts are SVG that is valid whatever the values are, says what it shows, and escapes what it is given."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq_worker.console.pages.shell import charts

SVG = {"svg": "http://www.w3.org/2000/svg"}
VALUES = st.lists(st.floats(0, 1e12) | st.integers(0, 10**9), max_size=80)


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


@pytest.mark.parametrize("chart", [charts.sparkline, charts.bars])
@given(values=VALUES, label=st.text(st.characters(blacklist_categories=["Cc", "Cs", "Cn"])))
def test_any_values_make_a_picture_within_its_box(chart: Callable[..., str], values: list[float], label: str) -> None:
    drawn = parsed(chart(values, label, width=100, height=20))
    assert (drawn.get("role"), drawn.get("aria-label")) == ("img", label)
    assert "style" not in {name for element in drawn.iter() for name in element.attrib}
    for element in drawn.iter():
        for name in ("x", "y", "width", "height"):
            assert 0 <= float(element.get(name, 0)) <= 100


def test_a_line_goes_from_the_oldest_to_the_newest_and_ends_at_the_largest() -> None:
    line = parsed(charts.sparkline([0, 5, 10], "sent", width=100, height=20)).find("polyline")
    assert line is not None
    assert line.get("points") == "0,18 50,10 100,2"


def test_bars_say_their_values_and_none_is_invisible() -> None:
    drawn = parsed(charts.bars([0, 1, 1000], "dead", titles=["09:00: 0", "10:00: 1", "<b>"], height=48))
    heights = [float(bar.get("height", 0)) for bar in drawn.findall("rect")]
    assert heights[0] == 0
    assert heights[1] == 1.5
    assert heights[2] == 47
    assert [bar.findtext("title") for bar in drawn.findall("rect")] == ["09:00: 0", "10:00: 1", "<b>"]


def test_parts_of_a_whole_leave_out_what_is_none() -> None:
    drawn = parsed(charts.parts([("sent", 90, "good"), ("dead", 10, "bad"), ("waiting", 0, "quiet")], "a job"))
    assert [(bar.get("data-tone"), bar.findtext("title")) for bar in drawn.findall("rect")] == [("good", "sent: 90"), ("bad", "dead: 10")]
    assert parsed(charts.parts([], "nothing")).findall("rect") == []


def test_labels_are_escaped() -> None:
    assert "<script>" not in charts.bars([1], '"><script>', titles=["<script>"])


def test_a_strip_has_a_bar_for_each_value_that_is_not_zero() -> None:
    assert str(charts.strip([0, 3, 0, 1], "Letters")).count("M") == 2
    assert 'd=""' in str(charts.strip([0, 0], "Letters"))
    assert "<svg" in str(charts.strip([], "Letters"))


def test_the_largest_value_of_a_strip_is_the_tallest_bar() -> None:
    assert "h9v31z" in charts.strip([4, 2], "Letters", width=20, height=32)
    assert "h9v15.5z" in charts.strip([4, 2], "Letters", width=20, height=32)


def test_the_label_of_a_strip_is_text() -> None:
    assert "&lt;script&gt;" in charts.strip([1], "<script>")
