"""Identifiers from real files: repaired if their form has one meaning, refused with the reason if they cannot be one."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wooshq_schemas import Columns, IntentInvalid, Recipient, recipient_of
from wooshq_schemas.recipients.no_value import NO_VALUE
from wooshq_schemas.recipients.notes import Note, Notes
from wooshq_schemas.recipients.rules import RowRules

EXACT = RowRules(exact=True)


def read(text: str, kind: str = "user", rules: RowRules = RowRules(), notes: Notes | None = None) -> str:  # noqa: B008 (frozen)
    """The identifier that is read: in a file of one column, in a file of several, and in a mapping it is the same."""
    found = {
        Columns([kind], rules, notes).recipient([text]).identifier,
        Columns([kind, "x"], rules).recipient([text, ""]).identifier,
        recipient_of({kind: text}, rules).identifier,
    }
    (one,) = found
    return one


def why_not(text: str, kind: str = "user") -> str:
    said = set()
    for make in (
        lambda: Columns([kind]).recipient([text]),
        lambda: Columns(["x", kind]).recipient(["", text]),
        lambda: recipient_of({kind: text}),
    ):
        with pytest.raises(IntentInvalid) as error:
            make()
        said.add(str(error.value))
    (one,) = said
    return one


class WhenItsFormHasOneMeaning:
    @pytest.mark.parametrize(
        ("text", "identifier", "note"),
        [
            ('="00123"', "00123", Note.EXCEL_TEXT),
            ('="a""b"', 'a"b', Note.EXCEL_TEXT),
            ("'00123", "00123", Note.EXCEL_TEXT),
            ("'+4917012345", "+4917012345", Note.EXCEL_TEXT),
            ("'=x1", "=x1", Note.EXCEL_TEXT),
            ("'u1'", "u1", Note.EXCEL_TEXT),
            ("u\u200b1", "u1", Note.INVISIBLE),
            ("\ufeffu1", "u1", Note.INVISIBLE),
            ("u1\u2060", "u1", Note.INVISIBLE),
            ("\u202au1\u202c", "u1", Note.INVISIBLE),
            ("\u200eu1\u200f", "u1", Note.INVISIBLE),
            ("\u2066u1\u2069", "u1", Note.INVISIBLE),
            ("u\u00ad1", "u1", Note.INVISIBLE),
        ],
    )
    def test_it_is_repaired_and_noted(self, text: str, identifier: str, note: Note) -> None:
        notes = Notes()
        assert read(text, notes=notes) == identifier
        assert notes.counts == {note: 1}

    @pytest.mark.parametrize(
        "text",
        [
            "mailto:ann@example.com",
            "MAILTO:ann@example.com?subject=Hi",
            "<ann@example.com>",
            "Ann Lee <ann@example.com>",
            "<mailto:ann@example.com>",
            "'mailto:ann@example.com'",
        ],
    )
    def test_an_address_in_another_form_is_repaired_and_noted(self, text: str) -> None:
        notes = Notes()
        assert read(text, "email", notes=notes) == "ann@example.com"
        assert notes.counts[Note.EMAIL] == 1
        # For other kinds, such a text is an identifier as any other.
        assert read("mailto:ann@example.com") == "mailto:ann@example.com"

    def test_a_row_that_is_refused_is_not_noted(self) -> None:
        notes = Notes()
        for text in ("\ufeff", "mailto:", "'None'", "<>"):
            with pytest.raises(IntentInvalid):
                read(text, "email", notes=notes)
        assert notes.counts == {}

    def test_several_repairs_are_made_together(self) -> None:
        notes = Notes()
        assert read('\ufeff="00123"', notes=notes) == "00123"
        assert notes.counts == {Note.INVISIBLE: 1, Note.EXCEL_TEXT: 1}
        assert read('="ann@example.com"', "email") == "ann@example.com"

    @pytest.mark.parametrize("text", ["👩\u200d🚀", "می\u200cخواهم"])
    def test_joiners_stay_because_they_change_what_is_seen(self, text: str) -> None:
        assert read(text) == text

    @pytest.mark.parametrize(
        ("value", "text"), [(5, "5"), (-1, "-1"), (5.0, "5"), (2**60, str(2**60)), (uuid.UUID(int=1), str(uuid.UUID(int=1)))]
    )
    def test_a_number_that_is_whole_and_a_uuid_are_taken(self, value: Any, text: str) -> None:
        assert recipient_of({"user": value}) == Recipient(text)

    def test_a_cell_of_any_column_may_have_the_marks_of_excel(self) -> None:
        notes = Notes()
        made = Columns(["user", "code"], notes=notes).recipient(["u1", '="007"'])
        assert made == recipient_of({"user": "u1", "code": '="007"'}) == Recipient("u1", placeholders=(("code", "007"),))
        assert notes.sentences() == ['In 1 row, the marks that spreadsheets write around a text were removed, as in ="00123" or \'00123.']
        # A text for people may begin with an apostrophe.
        assert Columns(["user", "code"]).recipient(["u1", "'24"]).placeholders == (("code", "'24"),)


class WhenItIsProbablyNone:
    @pytest.mark.parametrize(
        "word",
        [
            "null",
            "NULL",
            "None",
            "none",
            "nan",
            "NaN",
            "undefined",
            "nil",
            "N/A",
            "#N/A",
            "<NA>",
            "(null)",
            "\\N",
            "[object Object]",
            "#REF!",
        ],
    )
    def test_the_word_for_no_value_is_refused_in_every_kind(self, word: str) -> None:
        assert why_not(word) == f"user: is {word}, which programs write if there is no value. Give the identifier or remove the row"
        assert "which programs write if there is no value" in why_not(f'="{word}"', "hwid")

    @pytest.mark.parametrize("text", ["6.94E+12", "6,94E+12", "6.94e+12", "1E+05", "-1.5E-7", "6.94E12", "'6.94E+12"])
    def test_a_number_that_lost_digits_is_refused(self, text: str) -> None:
        assert "is a number in scientific notation, so its last digits are lost. In the spreadsheet, format the" in why_not(text)

    @pytest.mark.parametrize("text", ["5.0", "00123.00"])
    def test_a_whole_number_with_a_point_is_refused_if_it_is_text(self, text: str) -> None:
        assert "ends with .0. Write it without .0" in why_not(text)

    def test_an_apostrophe_before_letters_is_refused(self) -> None:
        assert why_not("'abc") == "user: begins with an apostrophe. Remove it: spreadsheets mark text so"

    @pytest.mark.parametrize("value", [None, float("nan"), True, 1.5, 1e22, [], {}, 10**5000], ids=lambda value: type(value).__name__)
    def test_a_value_that_is_not_a_whole_number_is_refused(self, value: Any) -> None:
        with pytest.raises(IntentInvalid, match=r"user: (must not be null|must be a string or a whole number|has too many digits)"):
            recipient_of({"user": value})

    @pytest.mark.parametrize("text", ["1E5", "12e", "nanna", "Nonesuch", "0", "-", "v1.0", "1.0.0", "null-1", "e+1", "O'Hara", "7e-a"])
    def test_what_only_resembles_it_is_taken(self, text: str) -> None:
        assert read(text) == text

    def test_no_word_of_them_is_read_as_plain(self) -> None:
        for word in NO_VALUE:
            why_not(word)


class WhenIdentifiersAreTakenAsTheyAre:
    @pytest.mark.parametrize("text", ["None", "null", '="1"', "'1", "'abc", "6.94E+12", "5.0", "u\u200b1"])
    def test_nothing_is_repaired_or_suspected(self, text: str) -> None:
        assert read(text, rules=EXACT) == text

    @pytest.mark.parametrize("text", ["", " u1", "u\0", "x" * 2000])
    def test_what_the_api_cannot_take_is_refused_all_the_same(self, text: str) -> None:
        with pytest.raises(IntentInvalid):
            read(text, rules=EXACT)

    def test_other_cells_are_not_changed_either(self) -> None:
        assert Columns(["user", "x"], EXACT).recipient(["u1", '="1"']).placeholders == (("x", '="1"'),)


class WhenTheTextIsAnything:
    @given(st.text(max_size=8) | st.text("'=\"0123.,eE+-N\u200b a", max_size=8), st.sampled_from(["user", "hwid", "push_token", "email"]))
    @example("'", "user")
    @example("''", "user")
    @example('=""', "user")
    @example("\u200b", "user")
    def test_a_file_and_a_mapping_read_the_same_and_reading_again_changes_nothing(self, text: str, kind: str) -> None:
        try:
            found = read(text, kind)
        except IntentInvalid:
            why_not(text, kind)
            return
        assert found == found.strip() != ""
        assert read(found, kind, EXACT) == found
