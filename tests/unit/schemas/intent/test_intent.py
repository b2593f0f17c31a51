from __future__ import annotations

import json
from datetime import timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest

from tests.unit.schemas.build import APPLICATION, NOW, a_body, a_push, an_intent, example, fields, problems
from wooshq_schemas import MODEL_VERSION, IntentInvalid, NewerModel, Platforms, load_stored, parse_intent, parse_intent_json, render
from wooshq_schemas.intent import door as intent


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


class WhenAnIntentIsValid:
    def test_its_application_and_lane_are_filled_in(self) -> None:
        made = an_intent()
        assert (made.application, made.lane) == (APPLICATION, "transactional")

    @pytest.mark.parametrize("to", [{"segment": "s"}, {"expression": 'A("X")'}, {"filter": {"any": 1}}])
    def test_a_target_without_a_list_goes_to_the_bulk_lane(self, to: dict[str, Any]) -> None:
        assert an_intent(a_body(to=to)).lane == "bulk"

    def test_a_given_lane_is_kept(self) -> None:
        assert an_intent(a_body(lane="bulk")).lane == "bulk"

    def test_its_json_loads_as_the_same_intent(self) -> None:
        made = an_intent(a_body(id="A1111111-1111-1111-1111-111111111111", expires_at="2026-05-02T00:00:00+02:00", tags={"a": ""}))
        again = load_stored(made.to_json(), MODEL_VERSION)
        assert again == made
        assert again.to_json() == made.to_json()
        assert "null" not in made.to_json()

    def test_its_id_is_in_lower_case_also_in_its_json(self) -> None:
        made = an_intent(a_body(id="A1111111-1111-1111-1111-111111111111"))
        assert made.id == json.loads(made.to_json())["id"] == "a1111111-1111-1111-1111-111111111111"

    def test_the_caller_may_change_its_dict_later(self) -> None:
        body = a_push(title="x", data={"a": [1]})
        made = an_intent(body)
        body["message"]["push"]["data"]["a"].append(2)
        assert made.message.push.data == {"a": [1]}
        assert "application" not in body

    def test_any_mapping_is_accepted(self) -> None:
        assert an_intent(MappingProxyType(a_body())) == an_intent()

    def test_a_datetime_is_accepted(self) -> None:
        assert an_intent(a_body(expires_at=NOW.astimezone(timezone(timedelta(hours=2))))).expires_at_dt == NOW

    def test_an_expiry_in_the_past_is_allowed(self) -> None:
        assert an_intent(a_body(expires_at="1999-01-01T00:00:00Z")).expires_at_dt is not None


class WhenFieldsAreWrong:
    def test_all_problems_are_reported_at_once(self) -> None:
        body = {
            "to": {"users": [], "hwids": ["a"]},
            "message": {"push": {"titel": "x"}},
            "lane": "x",
            "id": "z",
            "ttl_s": 0,
            "expires_at": "x",
        }
        assert fields(body, application=None) == {
            "to.users",
            "to",
            "message.push.titel",
            "lane",
            "id",
            "ttl_s",
            "expires_at",
            "",
            "application",
        }

    def test_the_hint_for_a_misspelt_field_names_the_nearest_field(self) -> None:
        assert str(problems(a_push(titel="x"))[0]) == "message.push.titel: no such field. Did you mean message.push.title?"
        assert problems(a_body(expire_at="x"))[0].hint == "Did you mean expires_at?"

    def test_the_hint_for_a_field_on_the_wrong_level_says_where_it_belongs(self) -> None:
        assert problems(a_body(title="x"))[0].hint == "Did you mean message.push.title?"

    @pytest.mark.parametrize(
        "payload, hint",
        [
            ({"data": {"a": 1}}, "payload.custom_data?"),
            ({"link": "https://a.example"}, "payload.open_action.link.url?"),
            ({"title": "x"}, "payload.content.localized_content.LOCALE.PLATFORM.title?"),
        ],
    )
    def test_a_field_of_another_form_or_version_gets_the_name_of_this_one(self, payload: dict[str, Any], hint: str) -> None:
        inner = example("transactional-users")["transactional"]
        (problem,) = problems({"request": {"transactional": {**inner, "payload": {**inner["payload"], **payload}}}})
        assert problem.problem == "no such field"
        assert problem.hint == f"Did you mean request.transactional.{hint}"

    @pytest.mark.parametrize(
        "changes, hint",
        [
            ({"to": {"users": ["u"], "devices": ["d"]}}, "to.hwids?"),
            ({"to": {"users": ["u"], "emails": ["a@b.c"]}}, "to.hwids?"),
            ({"to": {"users": ["u"], "phones": ["+4912345"]}}, "to.hwids?"),
            ({"message": {"push": {"content": "x"}}}, "message.push.body?"),
            ({"message": {"sms": {"body": "x", "text": "x"}}}, "message.sms.body?"),
            ({"schedule": {"at": "2026-05-02T00:00:00Z", "send_date": "now"}}, "schedule.at?"),
        ],
    )
    def test_a_field_of_api_1_3_gets_its_name_in_the_plain_form(self, changes: dict[str, Any], hint: str) -> None:
        assert [problem.hint for problem in problems(a_body(**changes))] == [f"Did you mean {hint}"]

    @pytest.mark.parametrize(
        ("field", "changes"),
        [
            ("to.users", {"to": {"users": []}}),
            ("to.users.0", {"to": {"users": [""]}}),
            ("to.users.1", {"to": {"users": ["a", None]}}),
            ("to.users", {"to": {"users": ["x"] * 1001}}),
            ("application", {"application": "../{}"}),
            ("id", {"id": "00000000-0000-0000-0000-000000000000"}),
            ("id", {"id": "no"}),
            ("idempotency_key", {"idempotency_key": ""}),
            ("idempotency_key", {"idempotency_key": "x" * 256}),
            ("idempotency_key", {"idempotency_key": "a\nb"}),
            ("expires_at", {"expires_at": "2026-01-01T00:00:00"}),
            ("expires_at", {"expires_at": "2026-06-30T23:59:60Z"}),
            ("expires_at", {"expires_at": "2026-02-30T00:00:00Z"}),
            ("ttl_s", {"ttl_s": 0}),
            ("ttl_s", {"ttl_s": 1e18}),
            ("", {"ttl_s": 1, "expires_at": "2027-01-01T00:00:00Z"}),
            ("schedule.at", {"schedule": {"at": "2026-04-30T00:00:00Z"}}),
            ("schedule.at", {"schedule": {"at": "2026-05-02T00:00:00Z"}, "ttl_s": 60}),
            ("lane", {"lane": "fast"}),
            ("request", {"request": {}}),
            ("message.push.overrides.SMS", {"message": {"push": {"overrides": {"SMS": {}}}}}),
            ("message.push.title", {"message": {"push": {"title": "a\0b"}}}),
            ("message.push.title", {"message": {"push": {"title": "a\ud800"}}}),
        ],
    )
    def test_the_problem_names_the_field(self, field: str, changes: dict[str, Any]) -> None:
        assert field in fields(a_body(**changes))

    def test_every_problem_says_how_to_fix_it(self) -> None:
        body = {"to": {"users": ["u"], "segment": "s"}, "message": {"push": {"titel": "x", "badge": True}}, "expire_at": "x"}
        found = {problem.field: f"{problem.problem}. {problem.hint}" for problem in problems(body)}
        assert "users, segment" in found["to"]
        assert "Did you mean message.push.title?" in found["message.push.titel"]
        assert "whole number" in found["message.push.badge"]
        assert "Did you mean expires_at?" in found["expire_at"]

    def test_no_problem_contains_a_value(self) -> None:
        secret = "ann@example.com"
        body = {
            "to": {"users": secret},
            "message": {"push": {"title": [secret], "badge": {"x": secret}}},
            "id": secret,
            "lane": secret,
            "tags": secret,
        }
        with pytest.raises(IntentInvalid) as refused:
            an_intent({**body, "schedule": {"at": secret}, "platforms": [secret], "expires_at": secret, "on_unknown": secret})
        assert secret not in str(refused.value)
        assert refused.value.__cause__ is None

    def test_null_is_refused_where_absent_is_not(self) -> None:
        assert str(problems(a_body(id=None))[0]) == "id: must not be null. Leave it out"
        assert str(problems(a_push(title=None))[0]).startswith("message.push.title: must not be null")

    @pytest.mark.parametrize("body", [None, [], "x", 5, True, 1.5, {}])
    def test_data_that_is_not_an_intent_at_all_is_refused(self, body: Any) -> None:
        assert "" in fields(body)

    def test_a_union_has_one_problem(self) -> None:
        assert [p.problem for p in problems(a_push(title=5))] == ["must be a string or an object"]
        assert [p.field for p in problems(a_push(title={"en": 5}))] == ["message.push.title.en"]


class WhenTargetsAreWrong:
    def test_the_problem_names_the_fields_that_exclude_each_other(self) -> None:
        told = problems(a_body(to={"users": ["a"], "segment": "s"}))
        assert "these were given: users, segment" in told[0].problem

    @pytest.mark.parametrize(
        "to", [{}, {"users": []}, {"users": [""]}, {"users": [None]}, {"users": [5]}, {"users": ["x" * 1025]}, {"users": "u"}]
    )
    def test_they_are_refused(self, to: dict[str, Any]) -> None:
        assert problems(a_body(to=to))

    def test_the_hint_for_a_long_list_names_the_fan_out(self) -> None:
        told = problems(a_body(to={"users": ["u"] * 1001}))
        assert (told[0].field, "wooshq fanout" in told[0].hint) == ("to.users", True)

    def test_identifiers_above_the_limit_are_one_problem_even_a_million_bad_ones(self) -> None:
        assert [p.field for p in problems(a_body(to={"users": ["u"] * 10 + [None] * 1_000_000}), list_limit=11)] == [
            "to.users.10",
            "to.users",
        ]

    def test_the_limit_is_for_the_exact_form_too(self) -> None:
        body = example("transactional-users")
        body["transactional"]["users"]["list"] = ["u"] * 3
        assert fields({"request": body}, list_limit=2) == {"request.transactional.users.list"}

    def test_options_for_lists_are_refused_for_a_segment(self) -> None:
        assert fields(a_body(to={"segment": "s"}, use_latest_user_device=True)) == {"use_latest_user_device"}


class WhenNamesAndNumbersAreWrong:
    @pytest.mark.parametrize("code", ["a/b", "..", "{}", "a\nb", "a\n", "x" * 65, "", "-a"])
    def test_a_harmful_application_is_refused(self, code: str) -> None:
        assert fields(a_body(application=code)) == {"application"}
        assert fields(a_body(), application=code) == {"application"}

    @pytest.mark.parametrize("text", ["x", "1" * 32, "00000000-0000-0000-0000-000000000000"])
    def test_an_id_is_a_uuid_but_not_the_nil_uuid(self, text: str) -> None:
        assert fields(a_body(id=text)) == {"id"}

    @pytest.mark.parametrize("key", ["", "a" * 256, "a\nb", "\x7f", "\u2028"])
    def test_a_key_is_short_and_printable(self, key: str) -> None:
        assert fields(a_body(idempotency_key=key)) == {"idempotency_key"}

    def test_a_key_may_be_in_any_script(self) -> None:
        assert an_intent(a_body(idempotency_key="заказ 👨‍👩‍👧")).idempotency_key == "заказ 👨‍👩‍👧"

    @pytest.mark.parametrize("seconds", [0, -1, 10**18, 1.0, True, "5", None])
    def test_a_time_to_live_is_a_whole_number_within_ten_years(self, seconds: Any) -> None:
        assert fields(a_body(ttl_s=seconds)) == {"ttl_s"}

    def test_large_numbers_are_exact_or_refused(self) -> None:
        assert json.loads(an_intent(a_push(title="x", data={"n": 2**80})).to_json())["message"]["push"]["data"]["n"] == 2**80
        assert fields(a_push(title="x", data={"n": 10**5000})) == {"message.push.data.n"}

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_nan_and_infinity_are_refused_everywhere(self, number: float) -> None:
        assert fields(a_push(title="x", data={"n": [number]})) == {"message.push.data.n.0"}
        assert fields(a_body(send_rate={"odd": number})) == {"send_rate.odd"}

    def test_tags_are_few_and_short(self) -> None:
        assert fields(a_body(tags={str(i): "" for i in range(33)})) == {"tags"}
        assert fields(a_body(tags={"k" * 65: ""})) == {"tags." + "k" * 64 + "…"}
        assert fields(a_body(tags={"k": "v" * 257})) == {"tags.k"}


class WhenTextsAreOdd:
    @pytest.mark.parametrize("text", ["a\0b", "\ud800"])
    def test_nul_and_lone_surrogates_are_refused_with_their_field(self, text: str) -> None:
        assert fields(a_push(title=text)) == {"message.push.title"}
        assert fields(a_push(title="x", data={text: 1})) == {"message.push.data"}
        assert fields(a_push(title="x", data={"a": [text]})) == {"message.push.data.a.0"}
        assert "request.segment.code" in fields(
            {"request": {**example("segment-quick-start"), "segment": {**example("segment-quick-start")["segment"], "code": text}}}
        )

    @pytest.mark.parametrize("text", ["\u202e", "\u200b", "👨‍👩‍👧", "\ufffd", "\\u0000", "a" * 1_000_000])
    def test_all_other_texts_pass_unchanged(self, text: str) -> None:
        made = an_intent(a_push(title=text, data={text: text}))
        assert load_stored(made.to_json(), 1).message.push.data == {text: text}
        assert made.message.push.title == text

    def test_a_free_object_may_have_64_levels(self) -> None:
        assert an_intent(a_push(title="x", data=deep(64)))
        assert fields(a_push(title="x", data=deep(65))) == {"message.push.data"}
        assert fields(a_body(meta_data=deep(200))) == {"meta_data"}

    def test_a_value_that_contains_itself_is_refused(self) -> None:
        loop: dict[str, Any] = {}
        loop["a"] = loop
        assert problems(a_push(title="x", data=loop))

    def test_odd_keys_have_no_meaning(self) -> None:
        data = {"__proto__": 1, "a.b": 2, "": 3}
        assert an_intent(a_body(meta_data=data)).meta_data == data


class WhenTimesAreWrong:
    @pytest.mark.parametrize(
        "text",
        [
            "2026-05-01T09:00:00",
            "2026-06-30T23:59:60Z",
            "2026-02-30T00:00:00Z",
            "9999-12-31T23:59:59-10:00",
            "2026-05-01",
            "2026-05-01T24:00:00Z",
        ],
    )
    def test_they_are_refused(self, text: str) -> None:
        assert fields(a_body(expires_at=text)) == {"expires_at"}

    @pytest.mark.parametrize("text", ["90s", "1.5s", "5m", "90 seconds", "PT5M", "1h30m", "90"])
    def test_a_duration_gets_the_hint_where_a_duration_belongs(self, text: str) -> None:
        (of_schedule,) = problems(a_body(schedule={"at": text}))
        assert (of_schedule.field, of_schedule.problem) == ("schedule.at", "is a duration, not a time")
        assert '"after": "90s"' in of_schedule.hint
        (of_expiry,) = problems(a_body(expires_at=text))
        assert '"ttl_s": 90' in of_expiry.hint
        exact = {"transactional": {**example("transactional-users")["transactional"], "schedule": {"at": text}}}
        assert "after" in problems({"request": exact})[0].hint

    @pytest.mark.parametrize("value", [90, 1777626000, 1.5, timedelta(seconds=90)])
    def test_a_number_gets_both_hints(self, value: Any) -> None:
        (problem,) = problems(a_body(schedule={"at": value}))
        assert problem.problem == "must be a string"
        assert "2026-05-01T09:00:00Z" in problem.hint and "after" in problem.hint

    def test_a_time_in_after_gets_the_hint_at(self) -> None:
        (problem,) = problems(a_body(schedule={"after": "2026-05-01T13:00:00Z"}))
        assert problem.hint.endswith("For a time use at")

    def test_the_problem_of_a_leap_second_says_so(self) -> None:
        assert "leap second" in problems(a_body(expires_at="2026-06-30T23:59:60Z"))[0].problem

    def test_two_expiries_are_refused(self) -> None:
        assert "these were given: expires_at, ttl_s" in problems(a_body(expires_at="2026-06-30T00:00:00Z", ttl_s=5))[0].problem

    @pytest.mark.parametrize(
        "at, more",
        [
            ("2026-05-01T11:58:59Z", {}),
            ("2026-05-03T00:00:00Z", {"expires_at": "2026-05-02T00:00:00Z"}),
            ("2026-05-01T13:00:00Z", {"ttl_s": 60}),
        ],
    )
    def test_a_schedule_is_between_now_and_the_expiry(self, at: str, more: dict[str, Any]) -> None:
        assert fields(a_body(schedule={"at": at}, **more)) == {"schedule.at"}
        assert an_intent(a_body(schedule={"at": at}, **more), now=None)

    def test_a_schedule_may_be_a_minute_late(self) -> None:
        assert an_intent(a_body(schedule={"at": "2026-05-01T11:59:01Z"}))


class WhenAMessageContradictsItself:
    @pytest.mark.parametrize("lost", ["title", "subtitle", "body", "image", "icon"])
    def test_silent_excludes_fields_that_would_be_lost(self, lost: str) -> None:
        assert problems(a_push(silent=True, **{lost: "x"}))[0].problem.endswith(lost)

    def test_silent_false_means_nothing(self) -> None:
        assert an_intent(a_push(title="x", silent=False))

    def test_platforms_suit_the_kind_of_message(self) -> None:
        assert fields(a_body(message={"sms": {"body": "x"}}, platforms=["IOS"])) == {"platforms.0"}
        assert problems(a_body(platforms=["ANDROD"]))[0].hint == "Did you mean ANDROID?"

    def test_overrides_and_live_updates_must_reach_a_platform(self) -> None:
        update = {"op": "OPERATION_START", "id": "a"}
        assert fields(a_push(title="x", overrides={"CHROME": {"title": "y"}})) == {"message.push.overrides.CHROME"}
        assert fields({**a_push(title="x", live_update=update), "platforms": ["IOS"]}) == {"message.push.live_update"}

    def test_overrides_are_checked_against_the_block(self) -> None:
        assert fields(a_push(title="x", overrides={"IOS": {"title": 5}})) == {"message.push.overrides.IOS.title"}
        assert fields(a_push(title="x", overrides={"IOS": {"data": {}}})) == {"message.push.overrides.IOS.data"}

    @pytest.mark.parametrize("locale", ["en-US", "EN", "zh", "zh-Hans", "default", "xxx", ""])
    def test_only_locales_of_the_reference_are_accepted(self, locale: str) -> None:
        if locale in ("zh", "zh-Hans", "default"):
            assert an_intent(a_push(title={locale: "x"}))
        else:
            assert fields(a_push(title={locale: "x"})) == {f"message.push.title.{locale}"}

    def test_attachments_are_base64(self) -> None:
        email = {"body": "x", "attachments": [{"name": "a", "content": "abc"}], "from_": {"email": "nobody"}}
        assert fields(a_body(message={"email": email})) == {"message.email.attachments.0.content", "message.email.from_"}


class WhenTheFormIsExact:
    def test_every_field_of_the_plain_form_is_refused(self) -> None:
        body = {"request": example("transactional-users"), "platforms": ["IOS"], "campaign": "c"}
        assert fields(body) == {"platforms", "campaign"}

    def test_the_application_is_taken_from_inside(self) -> None:
        assert an_intent({"request": example("transactional-users")}).application == "XXXXX-XXXXX"
        assert fields({"request": example("transactional-users"), "application": "YYYYY-YYYYY"}) == {"application"}

    def test_a_bad_application_inside_is_one_problem(self) -> None:
        body = example("transactional-users")
        body["transactional"]["application"] = "a/b"
        assert fields({"request": body}) == {"request.transactional.application"}

    def test_its_fields_are_checked_on_every_level(self) -> None:
        body = example("transactional-users")
        body["transactional"]["payload"]["content"]["localized_content"]["en"]["andriod"] = {"title": "x"}
        body["transactional"]["payload"]["tite"] = 1
        place = "request.transactional.payload"
        assert {p.field: p.problem for p in problems({"request": body})} == {
            f"{place}.content.localized_content.en.andriod": "no such field",
            f"{place}.tite": "no such field",
        }

    def test_a_field_must_not_be_null(self) -> None:
        body = example("channel-ios")
        body["transactional"]["campaign"] = None
        assert "request.transactional.campaign" in fields({"request": body})

    def test_its_schedule_may_be_in_the_past(self) -> None:
        assert an_intent({"request": example("transactional-users")}, now=NOW + timedelta(days=900))


class WhenThePlatformsAreCorrected:
    table = Platforms.corrected({"huawei_android": {"name": "HUAWEI", "block": "huawei", "number": 99}})

    def test_the_plain_form_accepts_the_old_and_the_new_name(self) -> None:
        assert an_intent(a_body(platforms=["HUAWEI", "HUAWEI_ANDROID"]), platforms=self.table)
        assert fields(a_body(platforms=["HUAWEI"])) == {"platforms.0"}

    def test_the_exact_form_accepts_only_the_new_name(self) -> None:
        body = json.loads(
            json.dumps(example("channel-huawei_android")).replace('"huawei_android"', '"huawei"').replace("HUAWEI_ANDROID", "HUAWEI")
        )
        assert an_intent({"request": body}, platforms=self.table)
        assert problems({"request": example("channel-huawei_android")}, platforms=self.table)


class WhenItIsStored:
    def test_a_newer_model_is_left_to_a_newer_worker(self) -> None:
        with pytest.raises(NewerModel):
            load_stored("{}", MODEL_VERSION + 1)

    def test_an_older_model_is_migrated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        steps = {0: lambda data: {**data, "message": {"push": {"title": data["message"]}}}, 1: lambda data: data}
        monkeypatch.setattr(intent, "MIGRATIONS", steps)
        made = load_stored(json.dumps({"to": {"users": ["u"]}, "message": "Hi", "application": "A", "lane": "bulk"}), 0)
        assert made.message.push.title == "Hi"

    @pytest.mark.parametrize(
        "path, value",
        [
            ("payload.open_action", {"deep_link": "myapp://x"}),
            ("payload.open_actions", {"23": {"link": {"url": "https://a.example"}}}),
            ("payload.open_action", {"link": {}}),
            ("campaign", "c"),
        ],
    )
    def test_an_exact_form_of_version_1_is_sent_as_it_was_accepted(self, path: str, value: Any) -> None:
        body = example("transactional-users")
        *parents, last = path.split(".")
        place = body["transactional"]
        for name in parents:
            place = place[name]
        place[last] = value
        stored = json.dumps({"request": body, "application": "XXXXX-XXXXX", "lane": "transactional"})
        assert render(load_stored(stored, 1), now=NOW) == body

    def test_a_plain_form_of_version_1_is_loaded(self) -> None:
        push = {"title": "x", "badge": 3, "overrides": {"IOS": {"badges": 5}, "ANDROID": {"badge": "+1"}}}
        kakao = {"template": {"name": "n", "language": "ko", "parameters": ["a"]}}
        for message in ({"push": push}, {"kakao": kakao}):
            stored = json.dumps({"to": {"users": ["u"]}, "message": message, "application": "A", "lane": "bulk"})
            made = render(load_stored(stored, 1), now=NOW)["transactional"]["payload"]["content"]["localized_content"]["default"]
            assert made in (
                {"ios": {"title": "x", "badges": "5"}, "android": {"title": "x", "badges": "+1"}},
                {"kakao": kakao},
            )

    def test_a_link_to_a_platform_without_a_number_is_refused_with_the_setting_that_helps(self) -> None:
        """Version 1 took Baidu's number to be 18, which is the number of SMS: the open action of another platform would be sent."""
        push = {"title": "x", "overrides": {"BAIDU_ANDROID": {"link": "https://a.example"}}}
        stored = json.dumps({**a_body(message={"push": push}, platforms=["BAIDU_ANDROID"]), "application": "A", "lane": "bulk"})
        with pytest.raises(IntentInvalid, match="WOOSHQ_PLATFORMS"):
            load_stored(stored, 1)
        table = Platforms.corrected({"baidu_android": {"number": 4}})
        made = render(load_stored(stored, 1, platforms=table), now=NOW, platforms=table)
        assert made["transactional"]["payload"]["open_actions"] == {"4": {"link": {"url": "https://a.example"}}}

    def test_the_schedule_and_the_length_of_the_list_are_not_checked_again(self) -> None:
        made = an_intent(a_body(to={"users": ["u"] * 5000}, schedule={"at": "2026-05-01T12:00:00Z"}), list_limit=5000)
        assert load_stored(made.to_json(), 1) == made

    @pytest.mark.parametrize("raw", ["", "x", "null", "{}", b"\xff"])
    def test_what_is_not_an_intent_is_refused(self, raw: str | bytes) -> None:
        with pytest.raises(IntentInvalid):
            load_stored(raw, 1)


class WhenItIsJsonText:
    def test_it_is_the_same_intent_as_from_values(self) -> None:
        assert parse_intent_json(json.dumps(a_body()), application="A") == parse_intent(a_body(), application="A")

    @pytest.mark.parametrize("raw", ["", "[", "[" * 1_000_000, '{"a":1,"a":2}', '{"a":NaN}', '{"a":1e400}', "null", '"x"', b"\xff", "[]"])
    def test_text_that_is_not_an_intent_is_refused(self, raw: str | bytes) -> None:
        with pytest.raises(IntentInvalid):
            parse_intent_json(raw, application=APPLICATION)

    def test_problems_of_the_text_and_of_the_intent_are_reported_together(self) -> None:
        with pytest.raises(IntentInvalid) as refused:
            parse_intent_json('{"to": {"users": ["u"], "users": []}, "message": {"push": {"title": "x", "data": {"n": NaN}}}, "lane": "x"}')
        assert {p.field for p in refused.value.problems} == {"to.users", "message.push.data.n", "lane", "application"}
