"""A recipient out of a row or a mapping, or everything that is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from wooshq_schemas import Columns, IntentInvalid, Recipient, recipient_of


def told(error: pytest.ExceptionInfo[IntentInvalid]) -> list[str]:
    return [str(problem) for problem in error.value.problems]


class WhenAFileHasAHeader:
    @pytest.mark.parametrize(("column", "to"), [("user", "users"), ("hwid", "hwids"), ("push_token", "push_tokens"), ("email", "hwids")])
    def test_one_column_names_the_recipient(self, column: str, to: str) -> None:
        assert Columns([column]).recipient(["ann@example.com"]) == Recipient("ann@example.com", to)

    def test_every_other_column_is_a_placeholder_but_for_the_locale(self) -> None:
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
            (["user", ""], "has a column without a name"),
            ([], "one of user, hwid, push_token, email is required"),
            (["user", "a\0"], "NUL"),
        ],
    )
    def test_a_header_that_is_none_is_refused_in_words(self, names: list[str], says: str) -> None:
        with pytest.raises(IntentInvalid) as error:
            Columns(names)
        assert says in "\n".join(told(error))

    @pytest.mark.parametrize(
        ("cells", "says"),
        [
            (["u1"], "has 1 cell, but the header has 3 columns"),
            (["", "de", "x"], "user: must not be empty"),
            ([" u1", "de", "x"], "user: has spaces at its start or end"),
            (["u" * 1025, "de", "x"], "user: is longer than 1024 characters"),
            (["u\0", "de", "x"], "user: has a NUL character"),
            (["u1", "german", "x"], "locale: is not a locale"),
            (["u1", "de", "x\0"], "city: has a NUL character"),
        ],
    )
    def test_a_row_that_is_none_is_refused_in_words(self, cells: list[str], says: str) -> None:
        with pytest.raises(IntentInvalid) as error:
            Columns(["user", "locale", "city"]).recipient(cells)
        assert says in "\n".join(told(error))
        assert "u" * 30 not in "\n".join(told(error))

    def test_an_address_must_be_one(self) -> None:
        with pytest.raises(IntentInvalid):
            Columns(["email"]).recipient(["ann"])


class WhenARecipientIsAMapping:
    def test_a_text_is_a_user(self) -> None:
        assert recipient_of("u1") == Recipient("u1")

    def test_whole_numbers_are_texts_and_nothing_else_is_turned_into_one(self) -> None:
        assert recipient_of({"user": "u1", "points": 7, "name": "Ann"}).placeholders == (("name", "Ann"), ("points", "7"))
        with pytest.raises(IntentInvalid) as error:
            recipient_of({"user": "u1", "a": None, "b": True, "c": 1.5, "d": [], "locale": 7})
        assert [line.partition(":")[0] for line in told(error)] == ["a", "b", "c", "d", "locale"]

    @given(json_values | st.dictionaries(st.sampled_from(["user", "hwid", "email", "locale", "x"]), json_values))
    def test_whatever_it_is_it_is_a_recipient_or_is_refused(self, value: Any) -> None:
        try:
            made = recipient_of(value)
        except IntentInvalid as error:
            assert error.problems
        else:
            assert made.identifier
            assert made.to in ("users", "hwids", "push_tokens")

    @given(st.lists(st.text(max_size=4), min_size=1, max_size=4), st.lists(st.text(max_size=4), max_size=5))
    def test_a_row_is_what_the_mapping_of_its_cells_is(self, names: list[str], cells: list[str]) -> None:
        header = ["user", *(f"c{n}" for n, _ in enumerate(names))]
        try:
            by_row = Columns(header).recipient(cells)
        except IntentInvalid:
            return
        assert by_row == recipient_of(dict(zip(header, cells, strict=True)))


@pytest.mark.parametrize(
    ("given", "locale"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("fr-CA", "fr"),
        ("pt_BR", "pt"),
        ("zh-TW", "zh-Hant"),
        ("zh_Hans_CN", "zh-Hans"),
        ("zh", "zh"),
        ("default", "default"),
    ],
)
def test_a_locale_comes_down_to_one_of_the_api_s(given: str, locale: str) -> None:
    assert recipient_of({"user": "u1", "locale": given}).locale == locale


def test_a_number_is_told_how_to_be_an_identifier() -> None:
    with pytest.raises(IntentInvalid, match='Use "42"'):
        recipient_of({"user": 42})


@pytest.mark.parametrize("column", ["user", "n"])
def test_a_number_that_python_does_not_write_is_refused_like_any_other(column: str) -> None:
    with pytest.raises(IntentInvalid):
        recipient_of({"user": "u1", column: 10**5000})
