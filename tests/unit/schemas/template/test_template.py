"""A template is written once. Each recipient gets the request that an intent for this recipient would become."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import clean, intents, word
from tests.unit.schemas.build import APPLICATION, NOW, example
from wooshq_schemas import IntentInvalid, NotifyRequest, Template, load_stored, parse_intent, parse_template, render

TEXTS = {"title": {"en": "Hi", "de": "Hallo"}, "body": "Your order left"}


def a_template(data: Any = ..., **fields: Any) -> Template:
    return parse_template({"message": {"push": TEXTS}, **fields} if data is ... else data, application=APPLICATION, now=NOW)


def sent(template: Template, *identifiers: str, to: str = "users", locale: str | None = None, **placeholders: str) -> dict[str, Any]:
    values = tuple(sorted(placeholders.items()))
    made = json.loads(template.body(to, identifiers, locale=locale, placeholders=values, now=NOW))
    assert made == template.request(to, identifiers, locale=locale, placeholders=values, now=NOW)
    return made["transactional"]  # type: ignore[no-any-return]


class WhenItIsMade:
    def test_it_is_an_intent_without_to(self) -> None:
        inner = sent(a_template(), "u1", "u2")
        assert inner["users"] == {"list": ["u1", "u2"]}
        assert (inner["application"], inner["message_type"]) == (APPLICATION, "MESSAGE_TYPE_TRANSACTIONAL")
        assert "dynamic_content_placeholders" not in inner

    def test_the_exact_form_is_a_body_without_its_list(self) -> None:
        body = example("transactional-users")
        del body["transactional"]["users"]
        inner = sent(a_template({"request": body}), "u9", to="hwids", city="Bonn")
        assert inner["hwids"] == {"list": ["u9"]}
        assert inner["dynamic_content_placeholders"]["city"] == "Bonn"
        assert "users" not in inner

    @pytest.mark.parametrize(
        ("data", "field"),
        [
            ({"to": {"users": ["u1"]}, "message": {"push": {"title": "x"}}}, "to"),
            ({"message": {"push": {"title": "x"}}, "lane": "bulk"}, "lane"),
            ({"message": {"push": {"titel": "x"}}}, "message.push.titel"),
            ({"message": {"push": {"title": "x"}}, "id": "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"}, "id"),
            ({}, "message"),
            ([], ""),
            ("{", ""),
            ({"request": {"segment": {"code": "x"}}}, "request.segment"),
            ({"request": {"transactional": {"users": {"list": ["u"]}}}}, "request.transactional.users"),
        ],
    )
    def test_the_problem_names_the_field(self, data: Any, field: str) -> None:
        with pytest.raises(IntentInvalid) as error:
            a_template(data)
        assert field in {problem.field for problem in error.value.problems}

    @pytest.mark.parametrize("at", [NOW, NOW - timedelta(days=1), "2020-01-01T00:00:00Z", "2020-01-01T00:00:00+02:00"])
    def test_an_expiry_in_the_past_is_refused(self, at: Any) -> None:
        with pytest.raises(IntentInvalid, match="expires_at: is in the past"):
            a_template(expires_at=at.isoformat() if isinstance(at, datetime) else at)

    def test_an_expiry_in_the_future_is_not(self) -> None:
        assert a_template(expires_at=(NOW + timedelta(seconds=1)).isoformat()).expires_at is not None
        assert parse_template({"message": {"push": TEXTS}, "expires_at": "2020-01-01T00:00:00Z"}, application=APPLICATION, now=None)

    def test_its_json_loads_as_the_same_template(self) -> None:
        template = a_template(placeholders={"shop": "Bonn"}, tags={"team": "a"})
        again = Template.load_stored(template.to_json(), 1)
        assert again.to_json() == template.to_json()
        assert sent(again, "u1") == sent(template, "u1")


class WhenARecipientHasPlaceholders:
    def test_they_replace_those_of_the_template(self) -> None:
        inner = sent(a_template(placeholders={"shop": "Bonn", "name": "you"}), "u1", name="Ann")
        assert inner["dynamic_content_placeholders"] == {"shop": "Bonn", "name": "Ann"}

    def test_their_values_are_only_text(self) -> None:
        odd = {"a": '"}, {"', "b": "{0.__class__}", "c": "%s {{d}}", "d": "\u2028</script>"}
        assert sent(a_template(), 'u"1', **odd)["dynamic_content_placeholders"] == odd


class WhenARecipientHasALocale:
    def test_the_recipient_gets_the_texts_of_the_locale(self) -> None:
        content = sent(a_template(), "u1", locale="de")["payload"]["content"]["localized_content"]
        assert {locale: blocks["ios"] for locale, blocks in content.items()} == {"default": {"title": "Hallo", "body": "Your order left"}}

    def test_recipients_with_locales_that_no_text_has_share_the_fallback(self) -> None:
        template = a_template()
        assert [template.locale_of(locale) for locale in ("de", "fr", "ja", None)] == ["de", "default", "default", None]
        assert a_template({"message": {"sms": {"body": "x"}}}).locale_of("de") is None

    def test_the_exact_form_and_emails_have_locales_too(self) -> None:
        email = {"message": {"email": {"subject": {"en": "Hi", "de": "Hallo"}, "body": "<p>"}}}
        assert sent(a_template(email), "u1", locale="de")["email_payload"]["subject"] == {"default": "Hallo"}
        body = sent(a_template(), "u1")
        del body["users"]
        exact = a_template({"request": {"transactional": body}})
        assert exact.locales == {"en", "de", "default"}
        assert list(sent(exact, "u1", locale="de")["payload"]["content"]["localized_content"]) == ["default"]


@given(
    intents,
    st.lists(word, min_size=1, max_size=4),
    st.sampled_from(["users", "hwids", "push_tokens"]),
    st.sampled_from([None, "de", "default"]),
    st.dictionaries(word, clean, max_size=2),
)
def test_a_request_is_what_an_intent_for_these_recipients_would_be(
    body: dict[str, Any], recipients: list[str], to: str, locale: str | None, placeholders: dict[str, str]
) -> None:
    data = {name: value for name, value in body.items() if name not in ("to", "id", "lane", "return_unknown_identifiers")}
    template = parse_template(data, application=APPLICATION)
    recipients = list(dict.fromkeys(recipients))
    values = tuple(sorted(placeholders.items()))
    at = datetime(2026, 5, 1, 9, 0, 0, tzinfo=UTC)

    made = json.loads(template.body(to, recipients, locale=locale, placeholders=values, now=at))

    assert made == template.request(to, recipients, locale=locale, placeholders=values, now=at)
    NotifyRequest.model_validate(made)
    if locale is None:
        merged = {**data.get("placeholders", {}), **placeholders}
        one = parse_intent({**data, "to": {to: recipients}, **({"placeholders": merged} if merged else {})}, application=APPLICATION)
        assert render(one, now=at) == made
    letter = template.intent(to, recipients[0], locale=locale, placeholders=values)
    assert render(load_stored(letter.to_json(), 1), now=at) == template.request(
        to, recipients[:1], locale=locale, placeholders=values, now=at
    )


class WhenItsTextsNamePlaceholders:
    @pytest.mark.parametrize(
        ("message", "names"),
        [
            ({"push": {"title": "Hi {name}", "body": {"en": "{city|CapitalizeFirst|here}", "de": "{ stadt }"}}}, {"name", "city", "stadt"}),
            ({"push": {"title": "Hi", "body": "{}, {1}, { not | closed", "data": {"url": "{id}"}}}, {"id"}),
            ({"sms": {"body": "{{code}}"}}, {"code"}),
            ({"email": {"subject": "{name}", "template": "WELCOME"}}, None),
            ({"preset": "XXXXX-XXXXX"}, None),
        ],
    )
    def test_they_are_found_unless_pushwoosh_stores_the_content(self, message: dict[str, Any], names: set[str] | None) -> None:
        assert parse_template({"message": message}, application=APPLICATION).names_in_texts == names

    @pytest.mark.parametrize(
        ("message", "names"),
        [
            ({"push": {"title": "Hi {name}", "body": "{ {city} } {{1}} {{}} {{{"}}, ()),
            ({"push": {"title": {"en": "{{name}}, {{ name }}", "de": "{{ stadt|CapitalizeFirst|hier }}"}}}, ("name", "stadt")),
            ({"email": {"subject": "Hi", "body": "<b>{{city}}</b>"}}, ("city",)),
            ({"push": {"title": "{% if Name == 'Ann' %}Hi {{Name}}{% endif %}"}}, ()),
        ],
    )
    def test_those_in_doubled_braces_are_known_unless_the_text_is_liquid(self, message: dict[str, Any], names: tuple[str, ...]) -> None:
        assert parse_template({"message": message}, application=APPLICATION).names_in_doubled_braces == names
