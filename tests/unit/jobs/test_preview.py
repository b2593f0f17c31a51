"""A preview says what a job would do. It needs no Redis, and nothing is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.rig import some_settings
from wooshq import IntentInvalid, Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.jobs.preview import Preview
from wooshq.settings import Settings

TEMPLATE: dict[str, Any] = {"message": {"push": {"title": {"en": "Sale", "de": "Rabatt"}, "body": "In {city|CapitalizeFirst|town}"}}}


@pytest.fixture
def settings() -> Settings:
    """No server listens there."""
    return some_settings(redis_url="redis://127.0.0.1:9/0")


@pytest.fixture
def wooshq(settings: Settings) -> Wooshq:
    return Wooshq(settings)


def people(n: int, **more: Any) -> list[dict[str, Any]]:
    return [{"user": f"u{i}", "city": "lyon", "locale": ["en", "de", "fr-CA"][i % 3], **more} for i in range(n)]


class WhenRecipientsFitTheTemplate:
    def test_it_counts_calls_and_recipients_by_locale(self, wooshq: Wooshq) -> None:
        seen = wooshq.bulk.preview(TEMPLATE, [*people(9000), *people(5), {"user": ""}])
        assert (seen.recipients, seen.calls, seen.duplicates, seen.refused) == (9000, 9, 5, 1)
        assert [(one.locale, one.texts, one.recipients) for one in seen.locales] == [
            ("de", "de", 3000),
            ("en", "en", 3000),
            ("fr", "default", 3000),
        ]
        assert seen.would_start

    def test_it_shows_three_recipients_and_one_of_each_locale(self, wooshq: Wooshq) -> None:
        rows = [{"user": f"a{i}", "city": "ulm", "locale": "en"} for i in range(5)] + people(6)
        seen = wooshq.bulk.preview(TEMPLATE, rows)
        assert [(one.identifier, one.locale) for one in seen.examples] == [
            ("a0", "en"),
            ("a1", "en"),
            ("a2", "en"),
            ("u1", "de"),
            ("u2", "fr"),
        ]
        assert seen.examples[3].texts == {"title": "Rabatt", "body": "In Lyon"}

    def test_an_example_is_the_request_that_would_be_sent(self, wooshq: Wooshq) -> None:
        seen = wooshq.bulk.preview(TEMPLATE, people(1, mail="ann@example.com"))
        inner = seen.examples[0].request["transactional"]
        assert inner["users"] == {"list": ["u0"]}
        assert inner["dynamic_content_placeholders"] == {"city": "lyon"}
        assert inner["payload"]["content"]["localized_content"]["default"]["ios"]["body"] == "In {city|CapitalizeFirst|town}"
        assert (seen.columns_sent, seen.columns_not_sent) == (["city"], ["mail"])

    def test_everybody_may_get_the_same(self, wooshq: Wooshq) -> None:
        seen = wooshq.bulk.preview({"message": {"sms": {"body": "Hi"}}}, ["u1", "u2"])
        assert [(one.locale, one.texts, one.recipients) for one in seen.locales] == [(None, None, 2)]
        assert [one.texts for one in seen.examples] == [{"body": "Hi"}, {"body": "Hi"}]

    def test_only_the_first_may_be_taken(self, wooshq: Wooshq) -> None:
        told: list[Any] = []
        rows = [{"user": "u1"}, {"user": "u1"}, {"user": ""}, {"user": "u2"}, {"user": ""}, {"user": "u3"}]
        seen = wooshq.bulk.preview({"message": {"sms": {"body": "Hi"}}}, rows, limit=2, refused=told.append)
        assert (seen.recipients, seen.duplicates, seen.refused, [one.place for one in told]) == (2, 1, 1, [2])

    def test_it_notes_a_placeholder_in_doubled_braces(self, wooshq: Wooshq) -> None:
        seen = wooshq.bulk.preview({"message": {"push": {"title": "Hi {{city}}"}}}, people(1))
        (note,) = seen.notes
        assert "{{city}}" in note
        assert "Write {city}" in note
        assert seen.would_start

    def test_it_notes_recipients_without_a_value(self, wooshq: Wooshq) -> None:
        assert wooshq.bulk.preview(TEMPLATE, [*people(3), "u9"]).notes == [
            "1 of the 4 recipients that were checked have no city, and the message uses {city}. "
            "A default for them: --default city=VALUE, or RowRules(defaults=…)."
        ]

    def test_it_is_the_same_in_asyncio(self, wooshq: Wooshq, settings: Settings) -> None:
        async def preview() -> Preview:
            return await AsyncWooshq(settings).bulk.preview(TEMPLATE, people(30))

        assert asyncio.run(preview()).locales == wooshq.bulk.preview(TEMPLATE, people(30)).locales


class WhenTheJobWouldNotStart:
    def test_it_says_why_and_shows_the_rest(self, wooshq: Wooshq) -> None:
        seen = wooshq.bulk.preview({"message": {"push": {"title": "In {cty}"}}}, people(3))
        assert not seen.would_start
        assert [problem["field"] for problem in seen.problems] == ["cty"]
        assert seen.examples[0].texts == {"title": "In {cty}"}
        assert wooshq.bulk.preview({"message": {"push": {"title": "In {cty}"}}}, people(3), allow_missing=True).would_start

    def test_recipients_at_the_end_count(self, wooshq: Wooshq) -> None:
        seen = wooshq.bulk.preview({"message": {"sms": {"body": "Hi"}}}, [*people(3000), *[{"user": ""}] * 40])
        assert seen.problems[0]["problem"].startswith("40 of 3,040 rows are not valid. The limit is 30.")

    def test_an_invalid_template_and_wrong_options_are_errors(self, wooshq: Wooshq) -> None:
        with pytest.raises(IntentInvalid):
            wooshq.bulk.preview({"message": {"push": {"titel": "x"}}}, ["u1"])
        with pytest.raises(ValueError, match="limit"):
            wooshq.bulk.preview(TEMPLATE, ["u1"], limit=0)
        with pytest.raises(TypeError, match="recipients"):
            wooshq.bulk.preview(TEMPLATE, "u1")
