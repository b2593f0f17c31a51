"""What is taken in the exact form besides the reference's own spelling: camelCase, and empty content beside `silent`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic.alias_generators import to_camel

from tests.strategies import intents
from tests.unit.schemas.build import NOW, REQUESTS, an_intent, example, problems
from wooshq_schemas import MODEL_VERSION, Platforms, lint, load_stored, parse_intent, parse_template, render
from wooshq_schemas.request import NotifyRequest

PAYLOAD = "transactional.payload"

#: Objects with keys of the caller's own: their keys are data.
FREE = {
    "buttons", "custom_data", "dynamic_content_placeholders", "extras", "filter_expression", "meta_data", "odd", "params", "root_params",
    "subject", "template",
}  # fmt: skip


def in_camel_case(value: Any, *, data: bool = False) -> Any:
    """A body as the .NET client writes it: every field's name in camelCase, and no key of a free object."""
    if isinstance(value, list):
        return [in_camel_case(one, data=data) for one in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, inner in value.items():
        key = name if data or not name.islower() or len(name) == 2 else to_camel(name)
        made[key] = in_camel_case(inner, data=data or name in FREE)
    return made


def a_silent_body(content: Any, **more: Any) -> dict[str, Any]:
    body = example("transactional-silent")
    body["transactional"]["payload"] |= {"content": content, **more}
    return body


class WhenAKnownFieldIsInCamelCase:
    @pytest.mark.parametrize("name", REQUESTS)
    def test_every_example_is_taken_and_sent_in_snake_case(self, name: str) -> None:
        body = in_camel_case(example(name))
        assert body != example(name)
        made = an_intent({"request": body})
        assert render(made, now=NOW) == example(name)
        assert render(load_stored(made.to_json(), MODEL_VERSION), now=NOW) == example(name)

    def test_every_field_of_the_models_is_known_in_camel_case(self) -> None:
        inner = {
            "pushTokens": {"list": ["t"]},
            "returnUnknownIdentifiers": True,
            "useLatestUserDevice": True,
            "messageType": "MESSAGE_TYPE_TRANSACTIONAL",
            "metaData": {"someKey": 1},
            "dynamicContentPlaceholders": {"firstName": "Ann"},
            "frequencyCapping": {"days": 1},
            "sendRate": {"value": 5},
            "schedule": {"at": "2026-06-01T00:00:00Z", "followUserTimezone": True, "pastTimezonesBehaviour": "x"},
            "payload": {
                "customData": {"orderId": 7, "nested": {"camelCase": [1]}},
                "openAction": {"deepLink": {"code": "A", "params": {"orderId": 7}}},
                "openActions": {"1": {"richMedia": {"code": "A"}}},
                "voipPush": False,
                "content": {
                    "localizedContent": {
                        "zh-Hans": {
                            "huaweiAndroid": {"rootParams": {"someKey": 1}, "threadId": "t"},
                            "macOs": {"soundEnabled": True},
                            "android": {
                                "deliveryPriority": "HIGH",
                                "liveUpdate": {"op": "OPERATION_START", "id": "a", "showWhen": True, "extras": {"someKey": 1}},
                            },
                        }
                    }
                },
            },
        }
        made = render(an_intent({"request": {"transactional": inner}}), now=NOW)
        assert NotifyRequest.model_validate(made).to_body() == made
        text = json.dumps(made)
        assert [name for name in ("someKey", "orderId", "firstName", "camelCase") if name not in text] == []
        assert "huawei_android" in text and "mac_os" in text and "past_timezones_behaviour" in text and "rich_media" in text
        assert "show_when" in text and "root_params" in text and "meta_data" in text

    def test_each_is_a_warning(self) -> None:
        body = example("transactional-users")
        body["transactional"]["messageType"] = body["transactional"].pop("message_type")
        body["transactional"]["payload"]["customData"] = {"someKey": 1}
        warnings = lint(an_intent({"request": body}), now=NOW)
        assert [(one.field, one.problem) for one in warnings] == [
            (f"{PAYLOAD}.customData", "is written in camelCase; it is sent in snake_case"),
            ("transactional.messageType", "is written in camelCase; it is sent in snake_case"),
        ]

    def test_a_field_in_both_spellings_is_refused(self) -> None:
        body = example("transactional-users")
        body["transactional"]["messageType"] = "MESSAGE_TYPE_MARKETING"
        body["transactional"]["payload"] |= {"custom_data": {}, "customData": {}}
        assert {one.field: one.problem for one in problems({"request": body})} == {
            "request.transactional.messageType": "is the same field as message_type, which is given too",
            f"request.{PAYLOAD}.customData": "is the same field as custom_data, which is given too",
        }

    def test_a_field_that_is_not_known_is_not_touched(self) -> None:
        body = example("transactional-users")
        body["transactional"]["payload"]["content"]["localized_content"]["en"]["ios"]["someField"] = {"rootParams": 1}
        body["transactional"]["sendRate"] = {"value": 5, "perDay": 7}
        made = render(an_intent({"request": body}), now=NOW)["transactional"]
        assert made["payload"]["content"]["localized_content"]["en"]["ios"]["someField"] == {"rootParams": 1}
        assert made["send_rate"] == {"value": 5, "perDay": 7}
        body["transactional"]["noSuchField"] = 1
        assert [one.field for one in problems({"request": body})] == ["request.transactional.noSuchField"]

    def test_the_block_of_a_corrected_table_is_known(self) -> None:
        table = Platforms.corrected({"huawei_android": {"block": "huawei_phone"}})
        body = example("channel-huawei_android")
        blocks = body["transactional"]["payload"]["content"]["localized_content"]["default"]
        blocks["huaweiPhone"] = blocks.pop("huawei_android")
        made = render(an_intent({"request": body}, platforms=table), now=NOW, platforms=table)
        assert "huawei_phone" in made["transactional"]["payload"]["content"]["localized_content"]["default"]

    def test_both_spellings_are_the_same_message(self) -> None:
        given, other = in_camel_case(example("transactional-users")), example("transactional-users")
        assert json.loads(an_intent({"request": given}).to_json()) == json.loads(an_intent({"request": other}).to_json())

    def test_the_callers_own_dict_does_not_change(self) -> None:
        body = in_camel_case(example("transactional-users"))
        before = json.dumps(body)
        an_intent({"request": body})
        assert json.dumps(body) == before

    def test_a_body_in_snake_case_keeps_its_keys_in_their_order(self) -> None:
        body = example("transactional-users")
        assert json.dumps(render(an_intent({"request": body}), now=NOW)) == json.dumps(body)

    def test_a_list_of_recipients_is_counted_and_a_template_refuses_it(self) -> None:
        body = {"transactional": {**example("transactional-users")["transactional"], "pushTokens": {"list": ["t"] * 3}}}
        del body["transactional"]["users"]
        assert [one.field for one in problems({"request": body}, list_limit=2)] == ["request.transactional.push_tokens.list"]
        with pytest.raises(ValueError, match=r"request.transactional.push_tokens: is not allowed in a template"):
            parse_template({"request": body}, now=NOW)
        del body["transactional"]["pushTokens"]
        assert parse_template({"request": in_camel_case(body)}, now=NOW).application == "XXXXX-XXXXX"

    @pytest.mark.parametrize("body", [None, [], "x", 5, {}, {"transactional": None}, {"transactional": {"payload": []}}, {"pushTokens": 1}])
    def test_odd_bodies_are_refused_as_before(self, body: Any) -> None:
        assert problems({"request": body})

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(intents)
    def test_every_request_is_the_same_in_both_spellings(self, body: dict[str, Any]) -> None:
        request = render(parse_intent(body, now=NOW, application="A"), now=NOW)
        renamed = in_camel_case(request)
        assert render(parse_intent({"request": renamed}), now=NOW) == request


class WhenContentBesideSilentIsEmpty:
    @pytest.mark.parametrize("content", [None, {"localized_content": None}, {}, {"localized_content": {}}, {"localizedContent": None}])
    def test_it_is_silent(self, content: Any) -> None:
        assert render(an_intent({"request": a_silent_body(content)}), now=NOW) == example("transactional-silent")

    @pytest.mark.parametrize(
        "content", [{"localized_content": {"en": {"ios": {"title": "x"}}}}, {"localized_content": {"en": {}}}, [], "x"]
    )
    def test_content_that_says_something_is_refused(self, content: Any) -> None:
        assert "request.transactional.payload" in {one.field for one in problems({"request": a_silent_body(content)})}

    @pytest.mark.parametrize("silent", [False, None, 1, "true"])
    def test_it_is_refused_without_silent(self, silent: Any) -> None:
        assert problems({"request": a_silent_body(None, silent=silent)})

    def test_it_works_for_a_segment_and_in_a_template(self) -> None:
        payload = {"silent": True, "content": None, "custom_data": {"a": 1}}
        segment = {"segment": {**example("segment-quick-start")["segment"], "payload": payload}}
        assert render(an_intent({"request": segment}), now=NOW)["segment"]["payload"] == {"silent": True, "custom_data": {"a": 1}}
        template = {"transactional": {"application": "AAAAA-BBBBB", "payload": payload, "schedule": {"after": "1s"}}}
        made = parse_template({"request": template}, now=NOW).request("users", ["u"], locale=None, placeholders=(), now=NOW)
        assert made["transactional"]["payload"] == {"silent": True, "custom_data": {"a": 1}}
