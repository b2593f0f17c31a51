from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.unit.schemas.build import NOW, REQUESTS, a_body, a_push, an_intent, example, fields
from wooshq_schemas import PLATFORMS, NotifyRequest, Platforms, load_stored, render
from wooshq_schemas.intent.rules import Against


def rendered(body: dict[str, Any], platforms: Platforms = PLATFORMS) -> dict[str, Any]:
    made = render(an_intent(body, platforms=platforms), now=NOW, platforms=platforms)
    NotifyRequest.model_validate(made, context=Against(platforms))
    (inner,) = made.values()
    return inner  # type: ignore[no-any-return]


def content(body: dict[str, Any]) -> dict[str, Any]:
    return rendered(body)["payload"]["content"]["localized_content"]  # type: ignore[no-any-return]


class WhenTheFormIsPlain:
    def test_the_whole_body_is_rendered(self) -> None:
        block = {"title": "Hi", "body": "Your order left"}
        assert render(an_intent(), now=NOW) == {
            "transactional": {
                "application": "AAAAA-BBBBB",
                "platforms": ["IOS", "ANDROID"],
                "users": {"list": ["u1"]},
                "payload": {"content": {"localized_content": {"default": {"ios": block, "android": block}}}},
                "schedule": {"at": "2026-05-01T12:00:00Z"},
                "message_type": "MESSAGE_TYPE_TRANSACTIONAL",
                "return_unknown_identifiers": True,
            }
        }

    @pytest.mark.parametrize(
        "to, there",
        [
            ({"segment": "s"}, {"code": "s"}),
            ({"expression": "A()"}, {"expression": "A()"}),
            ({"filter": {"a": 1}}, {"filter_expression": {"a": 1}}),
        ],
    )
    def test_a_target_without_a_list_is_a_marketing_segment(self, to: dict[str, Any], there: dict[str, Any]) -> None:
        made = rendered(a_body(to=to))
        assert there.items() <= made.items()
        assert made["message_type"] == "MESSAGE_TYPE_MARKETING"
        assert "return_unknown_identifiers" not in made

    def test_the_fields_of_the_api_are_in_their_places(self) -> None:
        given = {
            "schedule": {"after": "90s", "follow_user_timezone": True},
            "send_rate": {"value": 5, "odd": 1},
            "frequency_capping": {"days": 30},
            "campaign": "c",
            "placeholders": {"name": "Ann"},
            "meta_data": {"a": None},
            "message_type": "MESSAGE_TYPE_MARKETING",
            "use_latest_user_device": False,
            "return_unknown_identifiers": False,
        }
        made = rendered(a_body(**given))
        assert made["dynamic_content_placeholders"] == given.pop("placeholders")
        assert given.items() <= made.items()

    def test_a_duplicate_recipient_is_named_once(self) -> None:
        assert rendered(a_body(to={"hwids": ["a", "b", "a"]}))["hwids"] == {"list": ["a", "b"]}

    def test_now_becomes_the_schedule_in_utc_and_needs_a_zone(self) -> None:
        moment = NOW.astimezone(timezone(timedelta(hours=5))) + timedelta(microseconds=999_999)
        assert render(an_intent(), now=moment)["transactional"]["schedule"] == {"at": "2026-05-01T12:00:00Z"}
        with pytest.raises(ValueError):
            render(an_intent(), now=datetime(2026, 5, 1))

    def test_a_schedule_in_another_zone_is_sent_in_utc(self) -> None:
        assert rendered(a_body(schedule={"at": "2026-05-01T14:00:00+02:00"}))["schedule"] == {"at": "2026-05-01T12:00:00Z"}

    def test_an_intent_from_the_ledger_renders_the_same(self) -> None:
        made = an_intent(a_push(title={"de": "x"}, overrides={"IOS": {"ttl_s": 1}}))
        assert render(load_stored(made.to_json(), 1), now=NOW) == render(made, now=NOW)


class WhenItIsAPush:
    def test_every_field_is_in_every_block(self) -> None:
        fields = {
            "image": "i",
            "icon": "c",
            "sound": "s",
            "priority": 5,
            "category": "k",
            "thread_id": "t",
            "root_params": {"a": 1},
        }
        made = rendered(
            a_push(title="x", ttl_s=60, badge="+1", buttons=[{"title": "ok"}], link="https://e.com", data={"d": 1}, voip=True, **fields)
        )
        block = {"title": "x", "ttl": 60, "badges": "+1", "buttons": [{"title": "ok"}], **fields}
        assert made["payload"] == {
            "content": {"localized_content": {"default": {"ios": block, "android": block}}},
            "custom_data": {"d": 1},
            "open_action": {"link": {"url": "https://e.com"}},
            "voip_push": True,
        }

    @pytest.mark.parametrize("badge, sent", [(3, "3"), (0, "0"), ("+1", "+1"), ("3", "3")])
    def test_a_badge_is_sent_as_the_string_badges(self, badge: Any, sent: str) -> None:
        made = content(a_push(title="x", badge=badge, overrides={"ANDROID": {"badge": 7}}))
        assert made == {"default": {"ios": {"title": "x", "badges": sent}, "android": {"title": "x", "badges": "7"}}}
        assert fields(a_push(title="x", overrides={"IOS": {"badge": 7, "badges": "7"}})) == {"message.push.overrides.IOS"}

    def test_a_silent_push_has_no_content(self) -> None:
        assert rendered(a_push(silent=True, data={"a": 1}))["payload"] == {"silent": True, "custom_data": {"a": 1}}

    def test_a_live_update_is_in_the_block_of_android_only(self) -> None:
        update = {"op": "OPERATION_START", "id": "a", "progress": 4}
        assert content(a_push(title="x", live_update=update)) == {
            "default": {"ios": {"title": "x"}, "android": {"title": "x", "live_update": update}}
        }
        assert content(a_push(live_update=update)) == {"default": {"android": {"live_update": update}}}

    def test_each_locale_has_a_block_for_each_platform(self) -> None:
        made = content(a_push(title={"en": "E", "de": "D"}, body={"en": "e", "de": "d"}))
        assert made == {k: {p: {"title": t, "body": b} for p in ("ios", "android")} for k, t, b in (("en", "E", "e"), ("de", "D", "d"))}

    def test_the_first_locale_becomes_the_fallback_if_there_is_no_other(self) -> None:
        assert {k: v["ios"]["title"] for k, v in content(a_push(title={"de": "D", "fr": "F"})).items()} == {
            "de": "D",
            "fr": "F",
            "default": "D",
        }

    def test_a_text_that_lacks_a_locale_uses_its_own_fallback(self) -> None:
        made = content(a_push(title="T", subtitle={"fr": "sf", "en": "se"}, body={"de": "bd"}))
        assert {k: v["ios"] for k, v in made.items()} == {
            "default": {"title": "T", "subtitle": "se", "body": "bd"},
            "fr": {"title": "T", "subtitle": "sf", "body": "bd"},
            "en": {"title": "T", "subtitle": "se", "body": "bd"},
            "de": {"title": "T", "subtitle": "se", "body": "bd"},
        }

    def test_overrides_replace_fields_on_their_platform_only(self) -> None:
        overrides = {"IOS": {"title": {"en": "I", "de": "J"}, "ttl_s": 5, "odd": 1, "link": "https://ios"}}
        made = rendered(a_push(title="x", ttl_s=9, link="https://all", overrides=overrides))["payload"]
        assert made["content"]["localized_content"] == {
            "en": {"ios": {"title": "I", "ttl": 5, "odd": 1}, "android": {"title": "x", "ttl": 9}},
            "de": {"ios": {"title": "J", "ttl": 5, "odd": 1}, "android": {"title": "x", "ttl": 9}},
            "default": {"ios": {"title": "I", "ttl": 5, "odd": 1}, "android": {"title": "x", "ttl": 9}},
        }
        assert made["open_actions"] == {"1": {"link": {"url": "https://ios"}}}

    def test_texts_locales_and_overrides_are_combined(self) -> None:
        assert content(a_push(title="T", body={"de": "a", "fr": "b"}, overrides={"IOS": {"title": "I"}})) == {
            locale: {"ios": {"title": "I", "body": body}, "android": {"title": "T", "body": body}}
            for locale, body in (("de", "a"), ("fr", "b"), ("default", "a"))
        }

    def test_a_corrected_table_is_used_in_every_column(self) -> None:
        table = Platforms.corrected({"android": {"name": "DROID", "block": "droid", "number": 77}})
        update = {"op": "OPERATION_END", "id": "a"}
        made = rendered(a_push(title="x", live_update=update, overrides={"ANDROID": {"link": "https://d"}}), table)
        assert made["platforms"] == ["IOS", "DROID"]
        assert made["payload"]["content"]["localized_content"]["default"]["droid"] == {"title": "x", "live_update": update}
        assert made["payload"]["open_actions"] == {"77": {"link": {"url": "https://d"}}}

    def test_a_correction_renames_a_platform(self) -> None:
        table = Platforms.corrected({"mac_os": {"block": "macos", "name": "MACOS"}})
        made = rendered(a_body(platforms=["MACOS"]), table)
        assert made["platforms"] == ["MACOS"]
        assert list(made["payload"]["content"]["localized_content"]["default"]) == ["macos"]
        assert "platforms.0" in fields(a_body(platforms=["MACOS"]))


class WhenItIsAnotherKind:
    @pytest.mark.parametrize("kind", ["sms", "telegram", "kakao", "line", "whatsapp"])
    def test_it_goes_to_its_one_platform(self, kind: str) -> None:
        made = rendered(a_body(message={kind: {"body": {"de": "x"}}}))
        assert made["platforms"] == [kind.upper()]
        assert made["payload"] == {"content": {"localized_content": {k: {kind: {"body": "x"}} for k in ("de", "default")}}}

    @pytest.mark.parametrize("kind", ["kakao", "whatsapp"])
    def test_a_template_replaces_the_text(self, kind: str) -> None:
        for template in ({"name": "n", "language": "en", "parameters": ["a"]}, "TEMPLATE-CODE", {"content_id": "x", "any": [1, None]}):
            made = content(a_body(message={kind: {"template": template}}))
            assert made == {"default": {kind: {"template": template}}}
        assert fields(a_body(message={kind: {"template": None}})) == {f"message.{kind}.template"}

    def test_a_text_message_may_have_a_link_where_the_number_is_known(self) -> None:
        made = rendered(a_body(message={"whatsapp": {"body": "x", "overrides": {"WHATSAPP": {"link": "https://a.example"}}}}))
        assert made["payload"]["open_actions"] == {"21": {"link": {"url": "https://a.example"}}}

    def test_an_email_has_its_own_payload(self) -> None:
        email = {
            "body": "<p>",
            "from": {"name": "A"},
            "reply_to": {"email": "a@b.c"},
            "list_unsubscribe": "https://u",
            "attachments": [{"name": "a", "content": "YQ=="}],
        }
        made = rendered(a_body(message={"email": {"subject": {"de": "S"}, **email}}))
        assert made["platforms"] == ["EMAIL"]
        assert made["email_payload"] == {"subject": {"de": "S", "default": "S"}, **email}
        assert rendered(a_body(message={"email": {"subject": "S", "template": "t"}}))["email_payload"] == {
            "subject": {"default": "S"},
            "email_template": "t",
        }

    def test_a_preset_has_no_platforms(self) -> None:
        made = rendered(a_body(message={"preset": "p"}))
        assert made["payload"] == {"preset": "p"}
        assert "platforms" not in made


class WhenTheFormIsExact:
    @pytest.mark.parametrize(
        "name", ["segment-live-update", "transactional-silent", "transactional-email-attachment", "segment-email-template"]
    )
    def test_it_is_sent_unchanged_with_its_keys_in_the_same_order(self, name: str) -> None:
        body = example(name)
        ((kind, inner),) = body.items()
        shuffled = {kind: dict(reversed(inner.items()))}
        assert json.dumps(render(an_intent({"request": shuffled}), now=NOW)) == json.dumps(shuffled)

    @pytest.mark.parametrize("name", REQUESTS)
    def test_every_example_is_sent_unchanged_also_after_the_ledger(self, name: str) -> None:
        made = an_intent({"request": example(name)})
        assert render(made, now=NOW) == example(name)
        assert render(load_stored(made.to_json(), 1), now=NOW) == example(name)

    def test_only_a_missing_application_is_filled_in(self) -> None:
        body = example("transactional-users")
        without = copy.deepcopy(body)
        del without["transactional"]["application"]
        made = render(an_intent({"request": without}, application="XXXXX-XXXXX"), now=NOW)
        assert made == body
        assert "application" not in without["transactional"]
