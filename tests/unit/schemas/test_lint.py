from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.schemas.build import NOW, a_body, a_push, an_intent, example
from wooshq_schemas import lint


def warned(body: dict[str, Any], **options: Any) -> dict[str, str]:
    return {
        warn.field.rsplit("localized_content.", 1)[-1]: warn.problem + " " + warn.hint for warn in lint(an_intent(body, **options), now=NOW)
    }


class WhenNothingIsWrong:
    def test_there_is_no_warning(self) -> None:
        assert warned(a_body()) == {}


class WhenAMessageIsLong:
    @pytest.mark.parametrize(
        "platform, block, limit",
        [
            ("IOS", "ios", 4096),
            ("ANDROID", "android", 4096),
            ("AMAZON", "amazon", 6144),
            ("WINDOWS", "windows", 5000),
            ("CHROME", "chrome", 4096),
        ],
    )
    def test_each_service_has_its_limit(self, platform: str, block: str, limit: int) -> None:
        assert warned({**a_push(body="x" * (limit - 100)), "platforms": [platform]}) == {}
        assert set(warned({**a_push(body="x" * limit), "platforms": [platform]})) == {f"default.{block}"}

    def test_every_platform_has_its_own_warning(self) -> None:
        assert set(warned(a_push(body="x" * 5000))) == {"default.ios", "default.android"}

    def test_a_voip_push_may_be_larger(self) -> None:
        assert warned({**a_push(body="x" * 4500, voip=True), "platforms": ["IOS"]}) == {}

    def test_the_data_counts_too(self) -> None:
        assert set(warned({**a_push(body="x", data={"a": "y" * 5000}), "platforms": ["IOS"]})) == {"default.ios"}

    @pytest.mark.parametrize(
        "text, parts",
        [("x" * 160, 0), ("x" * 161, 2), ("я" * 70, 0), ("я" * 71, 2), ("€" * 80, 0), ("€" * 81, 2), ("ä€" * 81, 2), ("😀" * 36, 2)],
    )
    def test_the_parts_of_an_sms_are_counted(self, text: str, parts: int) -> None:
        said = warned(a_body(message={"sms": {"body": text}}))
        assert ("default.sms.body" in said) == bool(parts)
        assert f"takes {parts} SMS" in said.get("default.sms.body", "takes 0 SMS")


class WhenSomethingIsProbablyAMistake:
    def test_a_placeholder_in_doubled_braces_is_told_how_to_write_it(self) -> None:
        said = warned({**a_push(title="Hi {{name}}", body="{city}, {{ name }}"), "placeholders": {"name": "{{x}}"}})
        assert set(said) == {"default.ios.title", "default.ios.body"}, "once for each text, whatever its platforms"
        assert "Write {name}" in said["default.ios.title"]
        assert warned(a_push(title="{% if x %}{{name}}{% endif %}", body="{name}")) == {}

    def test_the_hint_names_the_nearest_field(self) -> None:
        said = warned(a_push(title="x", overrides={"IOS": {"soud": "x"}}))
        assert "Did you mean sound?" in said["default.ios.soud"]

    def test_an_unknown_field_of_an_open_block_is_the_only_warning(self) -> None:
        content = {"localized_content": {"default": {"ios": {"tilte": "x", "body": "y"}}}}
        body = {"transactional": {"users": {"list": ["u"]}, "payload": {"content": content}, "schedule": {"after": "5s"}}}
        assert [warn.hint for warn in lint(an_intent({"request": body}), now=NOW)] == ["Did you mean title?"]

    def test_the_exact_form_is_checked_too(self) -> None:
        body = example("segment-quick-start")
        inner = body["segment"]
        inner["payload"]["content"]["localized_content"] = {"de": {"ios": {"titel": "x"}}}
        inner["send_rate"] = {"valeu": 1}
        inner["application"] = "short"
        said = warned({"request": body})
        assert {"segment.application", "segment.send_rate.valeu", "de.ios.titel", "segment.payload.content.localized_content"} == set(said)

    def test_a_schedule_in_the_past_is_a_warning(self) -> None:
        said = lint(an_intent({"request": example("segment-quick-start")}), now=NOW + timedelta(days=2))
        assert [warn.field for warn in said] == ["segment.schedule.at"]

    def test_an_expiry_in_the_past_is_a_warning(self) -> None:
        assert set(warned(a_body(expires_at="2026-05-01T11:59:59Z"))) == {"expires_at"}
        assert warned(a_body(expires_at="2026-05-01T12:00:01Z")) == {}

    @pytest.mark.parametrize(
        "push, blocks",
        [
            ({"title": "", "body": " "}, {"default.ios", "default.android"}),
            ({"title": ""}, {"default.ios", "default.android"}),
            ({"title": "", "body": "x"}, set()),
            ({"title": {"en": "Hi", "de": ""}}, {"de.ios", "de.android"}),
        ],
    )
    def test_empty_texts_are_a_warning(self, push: dict[str, Any], blocks: set[str]) -> None:
        assert set(warned(a_push(**push))) == blocks

    @pytest.mark.parametrize(
        "link", ["shop.example/orders", "/orders", "//shop.example", "shop.example:8080/x", "localhost:80", "https:///x", "https:"]
    )
    def test_a_link_that_is_not_an_absolute_url_is_a_warning(self, link: str) -> None:
        assert set(warned(a_push(title="Hi", link=link))) == {"transactional.payload.open_action.link.url"}

    @pytest.mark.parametrize(
        "link", ["https://shop.example", "HTTP://h/x", "myapp://orders/1", "com.example.app://x", "mailto:a@b.example", "tel:5550100"]
    )
    def test_an_absolute_url_is_not_a_warning(self, link: str) -> None:
        assert warned(a_push(title="Hi", link=link)) == {}

    @pytest.mark.parametrize("kind", ["whatsapp", "kakao"])
    @pytest.mark.parametrize("template", ["CODE", {"name": "code", "language": "ko"}, ["a"]])
    def test_a_template_of_a_messenger_is_a_warning(self, kind: str, template: Any) -> None:
        said = warned(a_body(message={kind: {"template": template}}))
        assert set(said) == {f"default.{kind}.template"}
        assert "not known for v2" in said[f"default.{kind}.template"]

    @pytest.mark.parametrize("action", [{"remote_page": "https://a.example"}, {"custom_page": 7}, {"new": {}}])
    def test_an_open_action_that_the_reference_does_not_have_is_a_warning(self, action: dict[str, Any]) -> None:
        body = example("transactional-users")
        body["transactional"]["payload"]["open_action"] = action
        assert set(warned({"request": body})) == {f"transactional.payload.open_action.{next(iter(action))}"}

    def test_a_field_of_an_open_action_that_is_misspelt_is_a_warning(self) -> None:
        body = example("transactional-users")
        body["transactional"]["payload"]["open_action"] = {"deep_link": {"cod": "AAAAA-BBBBB"}}
        assert "Did you mean code?" in warned({"request": body})["transactional.payload.open_action.deep_link.cod"]

    def test_the_fields_of_a_block_are_those_of_the_reference(self) -> None:
        block = {
            "title": "x", "badges": "+1", "attachment": "https://a.example/i.png", "sound_enabled": False, "banner": "b",
            "priority": "PRIORITY_HIGH", "delivery_priority": "NORMAL",
        }  # fmt: skip
        body = example("transactional-users")
        body["transactional"]["payload"]["content"]["localized_content"] = {"default": {"ios": block}}
        assert warned({"request": body}) == {}
        block |= {"badge": 3, "delivery_prioriti": "x", "priority": 5, "delivery_priority": "high"}
        said = warned({"request": body})
        assert set(said) == {f"default.ios.{name}" for name in ("priority", "delivery_priority")}, "a known name that is given has no twin"
        del block["badges"], block["delivery_priority"]
        said = warned({"request": body})
        assert "Did you mean badges?" in said["default.ios.badge"]
        assert "Did you mean delivery_priority?" in said["default.ios.delivery_prioriti"]

    def test_a_push_that_shows_nothing_is_a_warning(self) -> None:
        assert set(warned(a_push(data={"a": 1}))) == {"transactional.payload"}
        assert warned(a_push(data={"a": 1}, silent=True)) == {}
