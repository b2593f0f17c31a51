"""Locales: a tag becomes a locale that the API knows, and no locale costs a recipient."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from wooshq_schemas import Columns, IntentInvalid, recipient_of
from wooshq_schemas.recipients.notes import Note, Notes


class WhenALocaleIsUnderstood:
    @pytest.mark.parametrize(
        ("given", "locale"),
        [
            ("en", "en"),
            ("EN", "en"),
            (" de ", "de"),
            ("fr-CA", "fr"),
            ("pt_BR", "pt"),
            ("zh-TW", "zh-Hant"),
            ("zh_Hans_CN", "zh-Hans"),
            ("zh-yue-HK", "zh-Hant"),
            ("zh", "zh"),
            ("sr-Latn-RS", "sr"),
            ("en-US-u-ca-buddhist", "en"),  # an extension of BCP 47 begins with one letter
            ("de-DE-x-phone", "de"),
            ("de_DE.UTF-8", "de"),
            ("ca_ES@valencia", "ca"),
            ("default", "default"),
            ("Default", "default"),
        ],
    )
    def test_it_becomes_one_of_the_api_and_nothing_is_noted(self, given: str, locale: str) -> None:
        notes = Notes()
        assert Columns(["user", "locale"], notes=notes).recipient(["u1", given]).locale == locale
        assert recipient_of({"user": "u1", "locale": given}, notes=notes).locale == locale
        assert notes.sentences() == []

    @pytest.mark.parametrize("given", ["", " ", "null", "None", "NaN", "undefined", "N/A", "C", "POSIX"])
    def test_a_text_that_means_no_locale_is_no_locale(self, given: str) -> None:
        notes = Notes()
        assert Columns(["user", "locale"], notes=notes).recipient(["u1", given]).locale is None
        assert recipient_of({"user": "u1", "locale": given}, notes=notes).locale is None
        assert notes.sentences() == []


class WhenALocaleIsNotOneOfTheApi:
    @pytest.mark.parametrize(
        "given", ["fil-PH", "haw-US", "yue-Hant-HK", "i-klingon", "ckb", "gsw_CH", "german", "Deutsch (AT)", "de-", "en us", "?", "x" * 999]
    )
    def test_the_recipient_gets_the_default_and_it_is_counted(self, given: str) -> None:
        notes = Notes()
        assert Columns(["user", "locale"], notes=notes).recipient(["u1", given]).locale == "default"
        assert recipient_of({"user": "u1", "locale": given}, notes=notes).locale == "default"
        assert notes.counts == {Note.LOCALE: 2}

    def test_one_sentence_says_how_many_and_shows_no_value(self) -> None:
        notes = Notes()
        columns = Columns(["user", "locale"], notes=notes)
        columns.recipient(["u1", "fil-PH"])
        assert notes.sentences() == [
            "In 1 row, the locale is not one that Pushwoosh knows. These recipients get the texts of the locale default."
        ]
        for _ in range(1_999):
            columns.recipient(["u1", "Zoe Example"])
        (said,) = notes.sentences()
        assert said.startswith("In 2,000 rows, ")
        assert "Zoe" not in said

    def test_a_row_that_is_refused_is_not_counted(self) -> None:
        notes = Notes()
        with pytest.raises(IntentInvalid):
            Columns(["user", "locale"], notes=notes).recipient(["", "fil-PH"])
        with pytest.raises(IntentInvalid):
            recipient_of({"user": "", "locale": "fil-PH"}, notes=notes)
        assert notes.counts == {}

    @given(st.text(max_size=12) | st.sampled_from(["de", "zh-Hant"]))
    def test_no_text_in_the_column_costs_the_recipient(self, locale: str) -> None:
        assert Columns(["user", "locale"]).recipient(["u1", locale]).identifier == "u1"

    @given(json_values)
    def test_no_json_value_of_the_field_costs_the_recipient(self, locale: Any) -> None:
        assert recipient_of({"user": "u1", "locale": locale}).identifier == "u1"
