"""A chart in a list: all its bars are one shape."""

from __future__ import annotations

from wooshq_worker.console.pages.shell.charts import strip


def test_it_has_a_bar_for_each_value_that_is_not_zero() -> None:
    assert str(strip([0, 3, 0, 1], "Letters")).count("M") == 2
    assert 'd=""' in str(strip([0, 0], "Letters"))
    assert "<svg" in str(strip([], "Letters"))


def test_the_largest_value_is_the_tallest_bar() -> None:
    assert "h9v31z" in strip([4, 2], "Letters", width=20, height=32)
    assert "h9v15.5z" in strip([4, 2], "Letters", width=20, height=32)


def test_its_label_is_text() -> None:
    assert "&lt;script&gt;" in strip([1], "<script>")
