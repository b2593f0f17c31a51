"""The texts of a request with the values of a recipient."""

from __future__ import annotations

from typing import Any

import pytest

from wooshq_schemas.template.filled import filled, filled_texts

VALUES = {"city": "new york", "first name": "Ann", "empty": ""}


class WhenATextHasPlaceholders:
    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("In {city}", "In new york"),
            ("{ city }!", "new york!"),
            ("{city|CapitalizeFirst|town}", "New york"),
            ("{city|CapitalizeAllFirst}", "New York"),
            ("{city|UPPERCASE|}", "NEW YORK"),
            ("{city|lowercase|town}", "new york"),
            ("{city|something else|town}", "new york"),
            ("Hi {first name||you}", "Hi Ann"),
            ("{empty|regular|nothing}", ""),
            ("{tag|CapitalizeFirst|friend}", "friend"),
            ("{tag|CapitalizeFirst|}", "{tag|CapitalizeFirst|}"),
            ("{tag}", "{tag}"),
            ("{city}{city}", "new yorknew york"),
            ("{} {1} {color: red}", "{} {1} {color: red}"),
        ],
    )
    def test_it_is_filled_as_pushwoosh_fills_it(self, text: str, read: str) -> None:
        assert filled(text, VALUES) == read


def request(**inner: Any) -> dict[str, Any]:
    return {"transactional": {"dynamic_content_placeholders": VALUES, **inner}}


class WhenARequestHasTexts:
    def test_a_text_that_all_platforms_share_is_given_once(self) -> None:
        block = {"title": "Hi {first name}", "body": "In {city}", "sound": "{city}"}
        content = {"localized_content": {"default": {"ios": block, "android": block}}}
        assert filled_texts(request(payload={"content": content})) == {"title": "Hi Ann", "body": "In new york"}

    def test_texts_that_differ_name_their_platform(self) -> None:
        content = {"localized_content": {"default": {"ios": {"title": "A", "body": "x"}, "android": {"title": "B", "body": "x"}}}}
        assert filled_texts(request(payload={"content": content})) == {"ios.title": "A", "android.title": "B", "body": "x"}

    def test_an_email_has_a_subject_and_a_body(self) -> None:
        email = {"subject": {"default": "In {city}"}, "body": "<p>{first name}</p>", "from": {"name": "x"}}
        assert filled_texts(request(email_payload=email)) == {"subject": "In new york", "body": "<p>Ann</p>"}

    def test_a_message_that_pushwoosh_stores_has_none(self) -> None:
        assert filled_texts(request(payload={"preset": "AAAAA-BBBBB"})) == {}
