"""Optional columns: a value that is missing, odd or not needed does not cost the recipient."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from wooshq_schemas import Columns, IntentInvalid, Recipient, recipient_of
from wooshq_schemas.recipients.rules import RowRules

CITY = RowRules(only=frozenset({"city"}))


class WhenAPlaceholderIsNotAString:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("Bonn", "Bonn"),
            ("", ""),
            (None, ""),  # as an empty cell of a CSV
            (float("nan"), ""),  # as pandas has an empty cell
            (Decimal("NaN"), ""),
            (7, "7"),
            (-(10**30), "-1" + "0" * 30),
            (5.0, "5"),  # as pandas has 5 in a column with an empty cell
            (-0.0, "0"),
            (1.5, "1.5"),
            (1e22, "1e+22"),
            (True, "true"),
            (False, "false"),
            (Decimal("9.90"), "9.90"),
            (Decimal("1E+3"), "1000"),
            (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ],
    )
    def test_it_becomes_the_text_that_json_writes(self, value: Any, text: str) -> None:
        assert recipient_of({"user": "u1", "x": value}) == Recipient("u1", placeholders=(("x", text),))

    @pytest.mark.parametrize(
        "value",
        [[], {}, {"a": 1}, float("inf"), Decimal("-Infinity"), Decimal("1E+999999999"), 10**5000, datetime.date(2026, 5, 1), b"x"],
        ids=lambda value: type(value).__name__,
    )
    def test_a_value_without_a_text_is_refused_where_it_is_needed_and_not_looked_at_elsewhere(self, value: Any) -> None:
        with pytest.raises(IntentInvalid, match=r"city: (must be a string or a number|has too many digits)\. Write it as a string"):
            recipient_of({"user": "u1", "city": value})
        assert recipient_of({"user": "u1", "city": "Bonn", "x": value}, CITY) == Recipient("u1", placeholders=(("city", "Bonn"),))

    @given(json_values)
    def test_no_value_of_a_field_that_is_not_needed_costs_the_recipient(self, value: Any) -> None:
        assert recipient_of({"user": "u1", "x": value}, CITY) == Recipient("u1")


class WhenAColumnIsNotNeeded:
    @pytest.mark.parametrize("name", ["x", "", " ", "x" * 999, "x\0", "x\udcfc"])
    def test_its_name_and_its_values_may_be_anything(self, name: str) -> None:
        columns = Columns(["user", name, "city", name], CITY)
        assert columns.recipient(["u1", "\0", "Bonn", "\udcff"]) == Recipient("u1", placeholders=(("city", "Bonn"),))

    def test_a_column_that_is_needed_must_be_there_once(self) -> None:
        with pytest.raises(IntentInvalid, match="city: is the name of two columns"):
            Columns(["user", "city", "city", "x", "x"], CITY)

    def test_the_locale_is_read_without_being_named(self) -> None:
        assert Columns(["locale", "user", "x"], CITY).recipient(["de", "u1", "?"]) == Recipient("u1", locale="de")
        assert recipient_of({"user": "u1", "locale": "de", "x": "?"}, CITY) == Recipient("u1", locale="de")

    @given(st.lists(st.text(max_size=3), max_size=3), st.text(max_size=3))
    def test_a_row_and_the_mapping_of_its_cells_are_the_same_recipient(self, names: list[str], cell: str) -> None:
        header = ["user", *(f"{name}-" for name in dict.fromkeys(names)), "city"]
        cells = ["u1", *[cell] * (len(header) - 2), "Bonn"]
        assert Columns(header, CITY).recipient(cells) == recipient_of(dict(zip(header, cells, strict=True)), CITY)


class WhenASpreadsheetLeavesEmptyColumns:
    @pytest.mark.parametrize("names", [["user", "city", "", ""], ["", "user", "city"], ["user", " ", "city"]])
    def test_columns_without_a_name_are_ignored(self, names: list[str]) -> None:
        cells = [{"user": "u1", "city": "Bonn"}.get(name, "7") for name in names]
        assert Columns(names).recipient(cells) == Recipient("u1", placeholders=(("city", "Bonn"),))

    def test_empty_cells_after_the_last_column_are_ignored(self) -> None:
        columns = Columns(["user", "city"])
        assert columns.recipient(["u1", "Bonn", "", ""]) == Recipient("u1", placeholders=(("city", "Bonn"),))
        for cells in (["u1", "Bonn", "x"], ["u1", "Bonn", "", "x"], ["u1"]):
            with pytest.raises(IntentInvalid, match="but the header has 2 columns"):
                columns.recipient(cells)
