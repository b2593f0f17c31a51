"""Columns under other names: which one is used for which, defaults for rows without a value, and what is proposed if none identifies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq_schemas import Columns, IntentInvalid, Recipient, recipient_of
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.rules import RowRules

MAP = RowRules(columns={"user": "User ID", "city": "Stadt"})
THERE = RowRules(defaults={"name": "there"})


def both(names: list[str], cells: list[str], rules: RowRules) -> Recipient:
    """The recipient of a row, which is the same as that of a mapping."""
    recipient = Columns(names, rules).recipient(cells)
    assert recipient == recipient_of(dict(zip(names, cells, strict=True)), rules)
    return recipient


def problems_of(names: list[str], rules: RowRules = RowRules()) -> str:  # noqa: B008 (frozen)
    with pytest.raises(IntentInvalid) as error:
        Columns(names, rules)
    return str(error.value)


class WhenColumnsAreRenamed:
    def test_the_named_columns_are_used(self) -> None:
        assert both(["Stadt", "User ID", "x"], ["Bonn", "u1", "7"], MAP) == Recipient("u1", placeholders=(("city", "Bonn"), ("x", "7")))

    def test_names_of_the_file_are_compared_without_spaces_around_them(self) -> None:
        assert Columns([" User ID ", "Stadt\u200b"], MAP).recipient(["u1", "Bonn"]) == Recipient("u1", placeholders=(("city", "Bonn"),))

    def test_a_column_that_has_such_a_name_by_now_is_not_read(self) -> None:
        assert both(["User ID", "user", "Stadt", "city"], ["u1", "x", "Bonn", "y"], MAP) == Recipient(
            "u1", placeholders=(("city", "Bonn"),)
        )

    def test_other_identifying_columns_are_columns_as_any_other(self) -> None:
        rules = RowRules(columns={"user": "user"})
        made = both(["user", "email", "push_token"], ["u1", "ann@x.com", ""], rules)
        assert made == Recipient("u1", placeholders=(("email", "ann@x.com"), ("push_token", "")))
        rules = RowRules(columns={"user": "ID"}, only=frozenset())
        assert recipient_of({"ID": 7, "email": ["a", "b"]}, rules) == Columns(["ID", "email", "email"], rules).recipient(["7", "", ""])

    def test_the_locale_can_be_renamed(self) -> None:
        rules = RowRules(columns={"locale": "Sprache"}, only=frozenset())
        assert both(["user", "Sprache", "locale"], ["u1", "de", "fr"], rules) == Recipient("u1", locale="de")

    def test_the_names_are_noted_as_wooshq_calls_them(self) -> None:
        for_row, for_mapping = Notes(columns=set()), Notes(columns=set())
        Columns(["User ID", "Stadt", "x"], MAP, for_row)
        recipient_of({"User ID": "u1", "Stadt": "", "x": ""}, MAP, for_mapping)
        assert for_row.columns == for_mapping.columns == {"user", "city", "x"}

    def test_a_name_that_the_file_does_not_have_is_an_error(self) -> None:
        assert problems_of(["UserID", "Stadt"], MAP) == "User ID: no column has this name (map). Did you mean UserID?"
        assert "Stadt: no column has this name (map)" in problems_of(["User ID", "x"], MAP)

    def test_a_mapping_without_it_is_refused_if_it_identifies_and_is_taken_otherwise(self) -> None:
        assert recipient_of({"User ID": "u1"}, MAP) == Recipient("u1")
        with pytest.raises(IntentInvalid, match=r"User ID: no column has this name \(map\)"):
            recipient_of({"user": "u1", "Stadt": "Bonn"}, MAP)

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"columns": {"user": "a", "email": "b"}}, "columns: must choose only one of user, hwid"),
            ({"columns": {"user": "a", "city": "a"}}, "columns: must give each column of the file only one name"),
            ({"columns": {"": "a"}}, "columns: a name must not be empty"),
            ({"columns": {"user": 5}}, "columns: must be a mapping of strings"),
            ({"columns": ["user"]}, "columns: must be a mapping"),
            ({"defaults": {"user": "u1"}}, "defaults: must not have user, because all rows without one would be the same"),
            ({"defaults": {"name": "\0"}}, "defaults: .* without NUL"),
            ({"defaults": {"name": "\ud800"}}, "defaults: .* valid Unicode"),
        ],
    )
    def test_rules_that_contradict_each_other_are_refused(self, wrong: dict[str, Any], says: str) -> None:
        with pytest.raises(ValueError, match=says):
            RowRules(**wrong)

    def test_the_rules_are_kept_as_text(self) -> None:
        rules = RowRules({"user": "User ID"}, {"name": "there"}, "cp1252", exact=True, fold_emails=True)
        assert RowRules.from_text(rules.as_text(), frozenset({"x"})) == RowRules(
            {"user": "User ID"}, {"name": "there"}, "cp1252", exact=True, fold_emails=True, only=frozenset({"x"})
        )
        assert (RowRules().as_text(), RowRules(only=frozenset()).as_text(), RowRules.from_text("")) == ("", "", RowRules())


class WhenAColumnHasADefault:
    @pytest.mark.parametrize("cell", ["", " ", "null", "None", "nan", "#N/A"])
    def test_a_cell_without_a_value_gets_it(self, cell: str) -> None:
        assert both(["user", "name"], ["u1", cell], THERE) == Recipient("u1", placeholders=(("name", "there"),))

    def test_another_cell_keeps_its_value(self) -> None:
        assert both(["user", "name"], ["u1", " Ann"], THERE) == Recipient("u1", placeholders=(("name", " Ann"),))

    def test_words_for_no_value_are_values_if_cells_are_taken_as_they_are(self) -> None:
        exact = RowRules(defaults={"name": "there", "locale": "de"}, exact=True)
        assert both(["user", "name"], ["u1", "Null"], exact) == Recipient("u1", locale="de", placeholders=(("name", "Null"),))
        assert both(["user", "name"], ["u1", ""], exact) == Recipient("u1", locale="de", placeholders=(("name", "there"),))

    def test_a_missing_column_gets_it_too(self) -> None:
        wanted = Recipient("u1", placeholders=(("city", "Bonn"), ("name", "there"), ("x", "")))
        assert both(["user", "x", "city"], ["u1", "", "Bonn"], THERE) == wanted
        assert Columns(["user"], THERE).recipient(["u1"]) == recipient_of("u1", THERE) == Recipient("u1", placeholders=(("name", "there"),))
        assert recipient_of({"user": "u1", "name": None}, THERE) == Recipient("u1", placeholders=(("name", "there"),))

    def test_a_column_that_is_not_read_gets_none(self) -> None:
        rules = RowRules(defaults={"name": "there"}, only=frozenset({"city"}))
        assert both(["user", "name"], ["u1", ""], rules) == Recipient("u1")

    def test_the_locale_can_have_one(self) -> None:
        rules = RowRules(defaults={"locale": "de"})
        assert [both(["user", "locale"], ["u1", cell], rules).locale for cell in ("", "null", "fr")] == ["de", "de", "fr"]
        assert both(["user"], ["u1"], rules) == Recipient("u1", locale="de")

    @given(st.dictionaries(st.sampled_from(["name", "city", "a", "z"]), st.sampled_from(["", "x", "null"])))
    def test_placeholders_stay_sorted(self, cells: dict[str, str]) -> None:
        made = both(["user", *cells], ["u1", *cells.values()], RowRules(defaults={"m": "1", "name": "2"}))
        assert list(made.placeholders) == sorted(made.placeholders)


class WhenNoColumnIdentifies:
    @pytest.mark.parametrize(
        ("names", "proposed"),
        [
            (["User ID", "Name", "City"], 'user="User ID"'),
            (["name", "user_id"], 'user="user_id"'),
            (["Name", "UserId", "E-Mail"], 'user="UserId"'),
            (["Kundennummer", "Vorname"], 'user="Kundennummer"'),
            (["Name", "E-Mail"], 'email="E-Mail"'),
            (["DeviceToken", "app"], 'push_token="DeviceToken"'),
            (["device id"], 'hwid="device id"'),
            (["usr"], 'user="usr"'),
            (["USER", "Column 12"], 'user="USER"'),
        ],
    )
    def test_the_columns_are_listed_and_one_is_proposed(self, names: list[str], proposed: str) -> None:
        said = problems_of(names)
        kind, _, name = proposed.partition("=")
        assert said == (
            f"one of user, hwid, push_token, email is required. The columns are: {', '.join(names)}. Did you mean {kind}? "
            f'Then add --map {proposed}, or RowRules(columns={{"{kind}": {name}}})'
        )
        with pytest.raises(IntentInvalid) as error:
            recipient_of(dict.fromkeys(names, "x"))
        assert str(error.value) == said

    def test_the_proposal_works(self) -> None:
        assert Columns(["User ID"], RowRules(columns={"user": "User ID"})).recipient(["u1"]) == Recipient("u1")

    def test_without_a_proposal_the_columns_are_listed(self) -> None:
        assert 'The columns are: Stadt, Vorname. Say which one it is: --map user="NAME"' in problems_of(["Stadt", "Vorname"])

    @pytest.mark.parametrize(
        "names", [["zoe@example.com", "Zoe"], ["u1"], ["u1", "Zoe"], ["zoe"], ["Zoe", "+49170555", "User ID"], ["user 4711", "Zoe"]]
    )
    def test_a_row_of_data_in_place_of_a_header_is_not_shown(self, names: list[str]) -> None:
        said = problems_of(names)
        assert "The first line of a CSV file must be its header" in said
        assert not [name for name in names if name in said]

    def test_many_columns_are_cut(self) -> None:
        assert "and 30 more" in problems_of([f"column {chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(50)])

    def test_several_identifying_columns_say_how_to_choose(self) -> None:
        assert 'or choose one: --map user="user"' in problems_of(["user", "email"])
