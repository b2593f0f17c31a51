"""Each entry of a createMessage body becomes an intent that says the same to the same people, or is refused. Nothing is lost silently."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import json_values
from tests.unit.schemas.build import NOW
from wooshq_schemas import IntentInvalid, NotifyRequest, parse_intent, render
from wooshq_schemas.api_1_3.body import Converted, from_1_3

TOKEN = "dec301908b9ba8df85e57a58e40f96f523f4c2068674f5fe2ba25cdc250a2a41"
APPLICATION = "XXXXX-XXXXX"
ONE = {"content": "Hello", "users": ["u1"], "platforms": [1, 3]}


def a_body(*notifications: Any, **around: Any) -> dict[str, Any]:
    return {"request": {"application": APPLICATION, "notifications": list(notifications), **around}}


def converted(**fields: Any) -> Converted:
    """What becomes of one entry. A field that is None is left out."""
    entry = {name: value for name, value in {**ONE, **fields}.items() if value is not None}
    _, one = from_1_3(a_body(entry))
    for intent in one.intents:
        request = render(parse_intent(intent, now=None), now=NOW)
        assert NotifyRequest.model_validate(request).to_body() == request
    return one


def intent_of(**fields: Any) -> dict[str, Any]:
    one = converted(**fields)
    assert one.refused == []
    (intent,) = one.intents
    return intent


def noted(one: Converted) -> dict[str, str]:
    """Field → what is said about it."""
    return {note.field.removeprefix("notifications.0."): f"{note.problem}. {note.hint}" for note in (*one.notes, *one.refused)}


class WhenABodyIsConverted:
    def test_each_entry_becomes_an_intent(self) -> None:
        _, first, second = from_1_3(a_body(ONE, {**ONE, "content": "Bye"}))
        assert first.intents == [
            {
                "application": APPLICATION,
                "to": {"users": ["u1"]},
                "platforms": ["IOS", "ANDROID"],
                "message": {"push": {"body": "Hello"}},
            }
        ]
        assert second.intents[0]["message"] == {"push": {"body": "Bye"}}
        assert (first.notes, first.refused) == ([], [])

    def test_the_object_around_it_may_be_missing(self) -> None:
        body = a_body(ONE)
        assert list(from_1_3(body)) == list(from_1_3(body["request"]))

    def test_the_fields_around_the_entries_are_noted_without_their_values(self) -> None:
        around, _ = from_1_3(a_body(ONE, auth="a-secret", applications_group="GROUP"))
        assert {note.field for note in around.notes} == {"auth", "applications_group"}
        assert "a-secret" not in str(around)
        assert "PUSHWOOSH_API_TOKEN" in str(around)

    @pytest.mark.parametrize("body", [None, [], "x", {}, {"request": {}}, {"request": 1}, {"notifications": {}}, {"segment": {}}])
    def test_another_body_is_refused(self, body: Any) -> None:
        with pytest.raises(IntentInvalid, match="createMessage"):
            list(from_1_3(body))

    def test_one_entry_that_is_not_an_object_does_not_stop_the_others(self) -> None:
        _, wrong, right = from_1_3(a_body(7, ONE))
        assert (len(wrong.refused), len(right.intents)) == (1, 1)

    @settings(max_examples=150, deadline=None)
    @given(
        st.dictionaries(st.sampled_from([*ONE, "filter", "conditions", "send_date", "title", "data", "ios_badges", "link"]), json_values)
    )
    def test_any_values_become_valid_intents_or_are_refused(self, entry: dict[str, Any]) -> None:
        _, one = from_1_3(a_body(entry))
        assert bool(one.intents) != bool(one.refused)
        for intent in one.intents:
            assert json.loads(parse_intent(intent).to_json())


class WhenTheTargetIsConverted:
    @pytest.mark.parametrize(
        "given, to",
        [
            ({"users": ["u1", "u2", "u1"]}, {"users": ["u1", "u2"]}),
            ({"devices": ["hw-1"]}, {"hwids": ["hw-1"]}),
            ({"devices": [TOKEN]}, {"push_tokens": [TOKEN]}),
            ({"filter": "AAAAA-BBBBB"}, {"segment": "AAAAA-BBBBB"}),
            ({"conditions": [["Country", "EQ", "BR"]]}, {"expression": 'T("Country", eq, "BR")'}),
            (
                {"conditions": [["Name", "EQ", 'a"b'], ["Age", "BETWEEN", [18, 30]], ["City", "NOTSET"]]},
                {"expression": 'T("Name", eq, "a\\"b") * T("Age", between, [18, 30]) * T("City", notset)'},
            ),
            (
                {"conditions": [["Age", "GTE", 18], ["Vip", "EQ", True]], "conditions_operator": "OR"},
                {"expression": 'T("Age", gte, 18) + T("Vip", eq, true)'},
            ),
            ({}, {"expression": 'A("XXXXX-XXXXX")'}),
        ],
    )
    def test_it_is_the_same_people(self, given: dict[str, Any], to: dict[str, Any]) -> None:
        assert intent_of(**{"users": None, **given})["to"] == to

    def test_a_long_list_is_split_at_the_limit_with_a_key_for_each(self) -> None:
        entry = {**ONE, "users": [f"u{n}" for n in range(25)], "transactionId": "t-1"}
        _, one = from_1_3(a_body(entry), list_limit=10)
        assert [len(intent["to"]["users"]) for intent in one.intents] == [10, 10, 5]
        assert [intent["idempotency_key"] for intent in one.intents] == ["t-1", "t-1-2", "t-1-3"]
        assert "became 3 intents" in noted(one)["users"]

    def test_device_ids_and_push_tokens_are_told_apart(self) -> None:
        one = converted(users=None, devices=["hw-1", TOKEN, "x" * 150])
        assert [intent["to"] for intent in one.intents] == [{"push_tokens": [TOKEN, "x" * 150]}, {"hwids": ["hw-1"]}]
        assert noted(one)["devices"]

    def test_a_second_target_is_noted(self) -> None:
        one = converted(devices=["d"], filter="AAAAA-BBBBB")
        assert [intent["to"] for intent in one.intents] == [{"users": ["u1"]}]
        assert set(noted(one)) == {"devices", "filter"}

    @pytest.mark.parametrize(
        "given, field",
        [
            ({"geozone": {"lat": 1, "lng": 2, "range": 3}}, "geozone"),
            ({"users": []}, "users"),
            ({"users": None, "devices": []}, "devices"),
            ({"users": [{"id": 1}]}, "users"),
            ({"users": None, "conditions": [["Country", "LIKE", "B"]]}, "conditions"),
            ({"users": None, "conditions": []}, "conditions"),
            ({"users": None, "conditions": [["Age", "EQ", 1]], "conditions_operator": "XOR"}, "conditions_operator"),
            ({"users": None, "filter": 7}, "filter"),
        ],
    )
    def test_no_intent_is_made_that_would_reach_others(self, given: dict[str, Any], field: str) -> None:
        one = converted(**given)
        assert one.intents == []
        assert field in {problem.field.removeprefix("notifications.0.") for problem in one.refused}

    def test_everybody_of_an_unknown_application_is_refused(self) -> None:
        _, one = from_1_3({"notifications": [{"content": "x"}]})
        assert one.intents == []
        _, one = from_1_3({"notifications": [{"content": "x"}]}, application="AAAAA-BBBBB")
        assert one.intents[0]["to"] == {"expression": 'A("AAAAA-BBBBB")'}
        assert "application" not in one.intents[0]


class WhenTheTimeIsConverted:
    @pytest.mark.parametrize(
        "given, schedule",
        [
            ({"send_date": "now"}, None),
            ({"send_date": "2026-12-01 09:00", "ignore_user_timezone": True}, {"at": "2026-12-01T09:00:00Z"}),
            ({"send_date": "2026-12-01 09:00:30", "ignore_user_timezone": 1}, {"at": "2026-12-01T09:00:30Z"}),
            (
                {"send_date": "2026-12-01 09:00", "ignore_user_timezone": True, "timezone": "America/New_York"},
                {"at": "2026-12-01T14:00:00Z"},
            ),
            (
                {"send_date": "2026-07-01 09:00", "ignore_user_timezone": True, "timezone": "America/New_York"},
                {"at": "2026-07-01T13:00:00Z"},
            ),
            (
                {"send_date": "2026-12-01 09:00", "ignore_user_timezone": False},
                {"at": "2026-12-01T09:00:00Z", "follow_user_timezone": True},
            ),
        ],
    )
    def test_it_is_the_same_moment(self, given: dict[str, Any], schedule: Any) -> None:
        assert intent_of(**given).get("schedule") == schedule

    @pytest.mark.parametrize(
        "given",
        [{"send_date": "tomorrow"}, {"send_date": "2026-12-01"}, {"send_date": 5}, {"send_date": "2026-12-01 09:00", "timezone": "Mars"}],
    )
    def test_a_time_that_cannot_be_read_is_refused(self, given: dict[str, Any]) -> None:
        assert converted(**given).intents == []


class WhenTheMessageIsConverted:
    def test_texts_by_language_data_and_link(self) -> None:
        push = intent_of(
            content={"en": "Hello", "pt-BR": "Ola", "default": "Hi"},
            title="T",
            subtitle={"de": "U"},
            link="https://a.example",
            data={"a": 1},
        )["message"]["push"]
        assert push == {
            "title": "T",
            "subtitle": {"de": "U"},
            "body": {"en": "Hello", "pt": "Ola", "default": "Hi"},
            "link": "https://a.example",
            "data": {"a": 1},
        }

    def test_data_may_be_json_text(self) -> None:
        assert intent_of(data='{"a": 1}')["message"]["push"]["data"] == {"a": 1}
        assert converted(data="not JSON").intents == []

    def test_numbers_of_platforms_become_names(self) -> None:
        intent = intent_of(platforms=[1, "3", 7, 9, 8, 10, 11, 12, 13, 17])
        assert intent["platforms"] == [
            "IOS", "ANDROID", "MAC_OS", "AMAZON", "WINDOWS", "SAFARI", "CHROME", "FIREFOX", "IE", "HUAWEI_ANDROID",
        ]  # fmt: skip

    def test_numbers_that_v2_does_not_know_are_noted_and_alone_refused(self) -> None:
        assert "2 numbers" in noted(converted(platforms=[1, 2, 5]))["platforms"]
        assert converted(platforms=[2, 5]).intents == []
        assert converted(platforms=[14]).intents == []

    def test_an_sms_beside_a_push_is_an_intent_of_its_own(self) -> None:
        one = converted(platforms=[1, 18, 21])
        assert [intent["message"] for intent in one.intents] == [
            {"push": {"body": "Hello"}},
            {"sms": {"body": "Hello"}},
            {"whatsapp": {"body": "Hello"}},
        ]
        assert [intent["platforms"] for intent in one.intents] == [["IOS"], ["SMS"], ["WHATSAPP"]]

    def test_fields_for_one_platform_become_overrides(self) -> None:
        intent = intent_of(
            ios_badges="+1", ios_sound="a.wav", ios_subtitle={"en": "S"}, ios_category_id="c", ios_ttl="60", ios_attachment="https://i",
            android_header="H", android_gcm_ttl=3600, android_priority=-2, android_delivery_priority="high", android_banner="b",
            android_root_params={"a": 1}, ios_sound_off=1,
        )  # fmt: skip
        assert intent["message"]["push"]["overrides"] == {
            "IOS": {
                "badge": "+1", "sound": "a.wav", "subtitle": {"en": "S"}, "category": "c", "ttl_s": 60, "attachment": "https://i",
                "sound_enabled": False,
            },
            "ANDROID": {
                "title": "H", "ttl_s": 3600, "priority": "PRIORITY_MIN", "delivery_priority": "HIGH", "banner": "b", "root_params": {"a": 1},
            },
        }  # fmt: skip
        blocks = render(parse_intent(intent), now=NOW)["transactional"]["payload"]["content"]["localized_content"]
        assert blocks["en"]["ios"]["badges"] == "+1"

    def test_a_push_that_is_silent_everywhere_is_silent(self) -> None:
        intent = intent_of(content=None, ios_silent=1, android_silent=True, data={"sync": 1})
        assert intent["message"] == {"push": {"silent": True, "data": {"sync": 1}}}
        assert "silent" in noted(converted(ios_silent=1))["ios_silent"]

    def test_limits_and_kinds_are_kept(self) -> None:
        intent = intent_of(
            send_rate=100, capping_days=30, capping_count=2, capping_avoid=1, capping_exclude=False, campaign="C", message_type="marketing",
            dynamic_content_placeholders={"name": "Ann", "n": 5}, transactionId="t",
        )  # fmt: skip
        assert {name: intent[name] for name in ("send_rate", "frequency_capping", "campaign", "message_type", "placeholders")} == {
            "send_rate": {"value": 100},
            "frequency_capping": {"days": 30, "count": 2, "avoid": True, "exclude": False},
            "campaign": "C",
            "message_type": "MESSAGE_TYPE_MARKETING",
            "placeholders": {"name": "Ann", "n": "5"},
        }
        assert intent["idempotency_key"] == "t"

    def test_a_preset_is_a_message_of_its_own(self) -> None:
        assert intent_of(content=None, preset="AAAAA-BBBBB")["message"] == {"preset": "AAAAA-BBBBB"}
        assert "preset" in noted(converted(preset="AAAAA-BBBBB"))

    def test_a_message_that_says_nothing_is_refused(self) -> None:
        assert converted(content=None).intents == []
        assert converted(content=5).intents == []


#: Every field that the reference names for API 1.3, with a value.
FIELDS: dict[str, Any] = {
    "ios_subtitle": "x", "ios_badges": 3, "ios_sound": "x", "ios_ttl": 5, "ios_category_id": "x", "ios_thread_id": "x", "ios_critical": True,
    "ios_interruption_level": "x", "ios_attachment": "x", "ios_root_params": {"a": 1}, "android_header": "x", "android_icon": "x",
    "android_custom_icon": "x", "android_banner": "x", "android_badges": 3, "android_sound": "x", "android_ibc": "x", "android_led": "x",
    "android_vibration": 1, "android_priority": 1, "android_delivery_priority": "high", "android_gcm_ttl": 5, "android_group_id": "x",
    "android_root_params": {"a": 1}, "chrome_title": "x", "chrome_icon": "x", "chrome_image": "x", "chrome_gcm_ttl": 5,
    "chrome_root_params": {"a": 1}, "chrome_button_text1": "x", "chrome_button_url2": "x", "firefox_title": "x", "firefox_icon": "x",
    "safari_title": "x", "safari_action": "x", "safari_url_args": ["x"], "safari_ttl": 5, "mac_title": "x", "mac_subtitle": "x",
    "mac_badges": 3, "mac_sound": "x", "mac_ttl": 5, "mac_root_params": {"a": 1}, "adm_header": "x", "adm_icon": "x", "adm_sound": "x",
    "adm_priority": 1, "adm_ttl": 5, "adm_root_params": {"a": 1}, "wns_type": "Toast", "wns_tag": "x", "wns_content": {"en": "x"},
    "send_rate": 5, "capping_days": 3, "capping_count": 3, "capping_avoid": True, "capping_exclude": True, "transactionId": "x",
    "send_date": "2026-12-01 09:00", "timezone": "Europe/Berlin", "title": "x", "link": "https://x", "data": {"a": 1}, "campaign": "x",
    "rich_media": "x", "page_id": 7, "remote_page": "x", "deep_link": "x", "minimize_link": 0, "inbox_image": "x", "a_new_field": [1],
}  # fmt: skip


class WhenNothingMayBeLostSilently:
    @pytest.mark.parametrize("name", FIELDS)
    @pytest.mark.parametrize("platforms", [[1, 3], [1, 3, 7, 8, 9, 10, 11, 12]])
    def test_a_field_is_in_the_intent_or_is_noted(self, name: str, platforms: list[int]) -> None:
        with_it, without = converted(platforms=platforms, **{name: FIELDS[name]}), converted(platforms=platforms)
        is_converted = with_it.intents != without.intents
        assert is_converted or name in noted(with_it) or (name == "timezone" and "send_date" not in ONE)
        assert len(with_it.intents) == 1

    def test_a_time_zone_without_a_date_means_nothing(self) -> None:
        assert converted(timezone="Europe/Berlin").intents == converted().intents
