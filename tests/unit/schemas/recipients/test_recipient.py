"""A row or a mapping becomes a recipient, or is refused with all its problems."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from wooshq_schemas import Columns, IntentInvalid, Recipient, recipient_of


def lines_of(error: pytest.ExceptionInfo[IntentInvalid]) -> list[str]:
    return [str(problem) for problem in error.value.problems]


class WhenAFileHasAHeader:
    @pytest.mark.parametrize(("column", "to"), [("user", "users"), ("hwid", "hwids"), ("push_token", "push_tokens"), ("email", "hwids")])
    def test_one_column_identifies_the_recipient(self, column: str, to: str) -> None:
        assert Columns([column]).recipient(["ann@example.com"]) == Recipient("ann@example.com", to)

    def test_every_other_column_except_locale_is_a_placeholder(self) -> None:
        columns = Columns(["city", "user", "locale", "age"])
        assert columns.recipient(["Bonn", "u1", "de", "41"]) == Recipient("u1", "users", "de", (("age", "41"), ("city", "Bonn")))
        assert columns.recipient(["", "u2", "", ""]) == Recipient("u2", "users", None, (("age", ""), ("city", "")))

    @pytest.mark.parametrize(
        ("names", "says"),
        [
            (["name", "city"], "one of user, hwid, push_token, email is required"),
            (["usr"], "Did you mean user?"),
            (["user", "email"], "these were given: user, email"),
            (["user", "city", "city"], "is the name of two columns"),
            ([], "one of user, hwid, push_token, email is required"),
            (["user", "a\0"], "NUL"),
        ],
    )
    def test_a_wrong_header_is_refused_with_a_reason(self, names: list[str], says: str) -> None:
        with pytest.raises(IntentInvalid) as error:
            Columns(names)
        assert says in "\n".join(lines_of(error))

    @pytest.mark.parametrize(
        ("cells", "says"),
        [
            (["u1"], "has 1 cell, but the header has 3 columns"),
            (["", "de", "x"], "user: must not be empty"),
            ([" u1", "de", "x"], "user: has spaces at its start or end"),
            (["u" * 1025, "de", "x"], "user: is longer than 1024 characters"),
            (["u\0", "de", "x"], "user: has a NUL character"),
            (["u1", "de", "x\0"], "city: has a NUL character"),
        ],
    )
    def test_a_wrong_row_is_refused_with_a_reason(self, cells: list[str], says: str) -> None:
        with pytest.raises(IntentInvalid) as error:
            Columns(["user", "locale", "city"]).recipient(cells)
        assert says in "\n".join(lines_of(error))
        assert "u" * 30 not in "\n".join(lines_of(error))

    def test_an_email_address_must_be_valid(self) -> None:
        with pytest.raises(IntentInvalid):
            Columns(["email"]).recipient(["ann"])


class WhenARecipientIsAMapping:
    def test_a_string_is_a_user(self) -> None:
        assert recipient_of("u1") == Recipient("u1")

    @given(json_values | st.dictionaries(st.sampled_from(["user", "hwid", "email", "locale", "x"]), json_values))
    def test_every_value_is_a_recipient_or_is_refused(self, value: Any) -> None:
        try:
            made = recipient_of(value)
        except IntentInvalid as error:
            assert error.problems
        else:
            assert made.identifier
            assert made.to in ("users", "hwids", "push_tokens")

    @given(st.lists(st.text(max_size=4), min_size=1, max_size=4), st.lists(st.text(max_size=4), max_size=5))
    def test_a_row_and_the_mapping_of_its_cells_are_the_same_recipient(self, names: list[str], cells: list[str]) -> None:
        header = ["user", *(f"c{n}" for n, _ in enumerate(names))]
        try:
            by_row = Columns(header).recipient(cells)
        except IntentInvalid:
            return
        assert by_row == recipient_of(dict(zip(header, cells, strict=False)))


@pytest.mark.parametrize("column", ["user", "n"])
def test_a_number_that_python_cannot_write_is_refused(column: str) -> None:
    with pytest.raises(IntentInvalid):
        recipient_of({"user": "u1", column: 10**5000})
