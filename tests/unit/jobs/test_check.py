"""A job whose recipients do not fit its template does not start."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wooshq.errors import JobRefused
from wooshq.jobs.check import Checks, Look
from wooshq_schemas import Template, parse_template
from wooshq_schemas.recipients.rules import RowRules

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PRESET: dict[str, Any] = {"message": {"preset": "AAAAA-BBBBB"}}


def push(text: str = "Hi {city}", **more: Any) -> dict[str, Any]:
    return {"message": {"push": {"title": text}}, **more}


def a_template(data: dict[str, Any]) -> Template:
    return parse_template(data, now=NOW, application="AAAAA-BBBBB")


def look(data: dict[str, Any], *people: Any, **checks: Any) -> Look:
    made = Look(a_template(data), Checks(**checks))
    for one in people:
        made.take(one)
    return made


def said(*given: Any, **checks: Any) -> str:
    with pytest.raises(JobRefused) as refused:
        look(*given, **checks).refuse()
    return str(refused.value)


class WhenATextNamesAColumnThatNobodyHas:
    def test_the_job_is_refused_with_the_columns_and_the_one_that_was_meant(self) -> None:
        text = said(push("Hi {nmae}"), {"user": "u1", "name": "Ann", "city": "Bonn"})
        assert text == (
            "nmae: the message uses {nmae}, but no recipient has this column. The columns are: city, name. "
            "Did you mean {name}? If the text has a default, or Pushwoosh has such a tag: allow_missing=True, or --allow-missing"
        )

    @pytest.mark.parametrize(
        "text",
        ["{city}", "{ city }", "{city|CapitalizeFirst|there}", "https://x.example/?c={city}"],
        ids=["plain", "spaces", "default", "link"],
    )
    def test_however_the_text_names_it(self, text: str) -> None:
        assert "the message uses {city}" in said(push(text), "u1")

    def test_in_any_text_of_any_locale_and_in_the_exact_form(self) -> None:
        assert "{city}" in said(push({"en": "Hi", "fr": "À {city}"}), {"user": "u1", "town": "x"})  # type: ignore[arg-type]
        content = {"localized_content": {"default": {"ios": {"title": "Hi {city}"}}}}
        exact = {"request": {"transactional": {"application": "AAAAA-BBBBB", "schedule": {"after": "1s"}, "payload": {"content": content}}}}
        assert "{city}" in said(exact, {"user": "u1"})

    def test_a_value_of_the_template_is_enough(self) -> None:
        look(push("Hi {city}", placeholders={"city": "you"}), "u1").refuse()

    def test_one_recipient_who_has_it_is_enough(self) -> None:
        look(push(), "u1", {"user": "u2", "city": "Bonn"}).refuse()

    def test_recipients_without_it_are_counted_if_others_have_it(self) -> None:
        seen = look(push(), "u1", "u2", {"user": "u3", "city": "Bonn"}, {"user": "u4", "city": ""})
        assert list(seen.sentences()) == [
            "3 of the 4 recipients that were checked have no city, and the message uses {city}. "
            "A default for them: --default city=VALUE, or RowRules(defaults=…)."
        ]
        assert list(look(push(placeholders={"city": "you"}), "u1", {"user": "u3", "city": "Bonn"}).sentences()) == []
        assert list(look(push(), {"user": "u3", "city": "Bonn"}).sentences()) == []

    def test_a_default_that_the_message_does_not_use_is_said(self) -> None:
        rows = RowRules(defaults={"cty": "Bonn", "locale": "de"})
        seen = Look(a_template(push()), Checks(), rows)
        seen.take({"user": "u1", "city": "Bonn"})
        assert list(seen.sentences()) == ["The default for cty is not used, because the message does not use {cty}."]

    def test_it_can_be_allowed(self) -> None:
        look(push(), "u1", allow_missing=True).refuse()

    def test_every_problem_is_said_at_once(self) -> None:
        assert said(push("{a} {b}"), "u1").count("no recipient has this column") == 2

    def test_nothing_is_said_about_nobody(self) -> None:
        look(push()).refuse()


class WhenColumnsAreSent:
    def test_only_those_that_the_template_names_are(self) -> None:
        template = a_template(push("{city} {name}", placeholders={"shop": "x"}))
        assert Checks().columns(template) == {"city", "name", "shop"}
        assert Checks(also=["spend"]).columns(template) == {"city", "name", "shop", "spend"}
        seen = look(push(), {"user": "u1", "city": "Bonn", "email_hash": "x", "notes": "y"})
        assert seen.columns_not_sent == ("email_hash", "notes")

    def test_a_name_that_no_column_has_is_refused(self) -> None:
        assert "spent: is to be sent (also), but no recipient has this column. The columns are: city, spend." in said(
            push(), {"user": "u1", "city": "Bonn", "spend": "5"}, also=["spent"]
        )

    def test_for_a_text_that_pushwoosh_stores_they_must_be_named(self) -> None:
        row = {"user": "u1", "city": "Bonn", "notes": "x"}
        assert "cannot see which columns it uses. The columns are: city, notes." in said(PRESET, row)
        assert look(PRESET, row, also=["city"]).columns_not_sent == ("notes",)
        look(PRESET, row, also=["city"]).refuse()
        look(PRESET, row, also=[]).refuse()
        look(PRESET, row, also=[""]).refuse()
        look({**PRESET, "placeholders": {"city": "you"}}, row).refuse()
        look(PRESET, "u1").refuse()


class WhenRecipientsAreEmailAddresses:
    @pytest.mark.parametrize("message", [{"push": {"title": "x"}}, {"sms": {"body": "x"}}, {"whatsapp": {"body": "x"}}])
    @pytest.mark.parametrize("row", [{"email": "ann@example.com"}, {"hwid": "ann@example.com"}])
    def test_a_message_that_is_not_an_email_is_refused(self, message: Any, row: Any) -> None:
        text = said({"message": message}, "u1", row)
        assert "an email address cannot receive this message" in text
        assert "ann@" not in text

    def test_an_exact_request_without_an_email_payload_is_refused(self) -> None:
        inner = {
            "application": "AAAAA-BBBBB",
            "schedule": {"after": "1s"},
            "payload": {"content": {"localized_content": {"default": {"ios": {"title": "x"}}}}},
        }
        assert "an email address" in said({"request": {"transactional": inner}}, {"email": "ann@example.com"})

    def test_an_email_and_a_stored_message_are_not(self) -> None:
        row = {"email": "ann@example.com"}
        look({"message": {"email": {"subject": "x", "body": "x"}}}, row).refuse()
        look(PRESET, row).refuse()
        look({"message": {"email": {"subject": "x", "body": "x"}}}, {"user": "u1"}).refuse()


class WhenRowsAreNotValid:
    @pytest.mark.parametrize(
        ("max_rejects", "rows", "allowed"),
        [
            ("1%", 100, 10),
            ("1%", 50_288, 502),
            ("2.5%", 1000, 25),
            ("0%", 5000, 10),
            ("100%", 5000, 5000),
            (0, 5000, 0),
            ("7", 5000, 7),
            (12, 5, 12),
        ],
    )
    def test_so_many_may_be(self, max_rejects: str | int, rows: int, allowed: int) -> None:
        assert Checks(max_rejects=max_rejects).allowed(rows) == allowed

    @pytest.mark.parametrize("wrong", ["", "ten", "-1", "101%", "1.5", "%", True, 0.5, "1e3"])
    def test_a_limit_that_cannot_be_read_is_refused(self, wrong: Any) -> None:
        with pytest.raises(ValueError, match="max_rejects: must be"):
            Checks(max_rejects=wrong)

    def test_the_job_is_refused_with_the_most_frequent_problem(self) -> None:
        bad = [{"usr": "x"}] * 15 + [{"user": ""}] * 5
        text = said(push("Hi"), *bad, *[f"u{n}" for n in range(100)])
        assert text.startswith("20 of 120 rows are not valid. The limit is 10. The most frequent problem (15 rows): one of user, ")
        assert text.endswith('or RowRules(columns={"user": "usr"}). To start anyway: max_rejects=…, or --max-rejects N or N%')
        look(push("Hi"), *bad, *[f"u{n}" for n in range(100)], max_rejects="20%").refuse()

    def test_a_list_without_any_recipient_is_refused_however_short_it_is(self) -> None:
        assert said(push("Hi"), {"user": ""}) == "the only row is not valid. The problem: user: must not be empty."
        none_valid = said(push("Hi"), {"user": ""}, {"user": ""}, max_rejects="100%")
        assert none_valid == "none of the 2 rows is valid. The most frequent problem (2 rows): user: must not be empty."
        look(push("Hi")).refuse()

    def test_a_value_in_a_column_that_is_not_sent_is_no_problem(self) -> None:
        assert look(push(), {"user": "u1", "city": "Bonn", "notes": [1, {}]}).rejected == 0
