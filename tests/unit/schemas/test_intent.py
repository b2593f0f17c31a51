from __future__ import annotations

import json
from datetime import timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest

from tests.unit.schemas.build import APPLICATION, NOW, a_body, a_push, an_intent, example, fields, problems
from wooshq_schemas import MODEL_VERSION, IntentInvalid, NewerModel, Platforms, load_stored, parse_intent, parse_intent_json
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
    def test_what_is_no_list_goes_to_the_bulk_lane(self, to: dict[str, Any]) -> None:
        assert an_intent(a_body(to=to)).lane == "bulk"

    def test_the_lane_that_was_given_stays(self) -> None:
        assert an_intent(a_body(lane="bulk")).lane == "bulk"

    def test_it_comes_back_from_its_json(self) -> None:
        made = an_intent(a_body(id="A1111111-1111-1111-1111-111111111111", expires_at="2026-05-02T00:00:00+02:00", tags={"a": ""}))
        again = load_stored(made.to_json(), MODEL_VERSION)
        assert again == made
        assert again.to_json() == made.to_json()
        assert "null" not in made.to_json()

    def test_its_id_is_in_small_letters_also_where_it_is_stored(self) -> None:
        made = an_intent(a_body(id="A1111111-1111-1111-1111-111111111111"))
        assert made.id == json.loads(made.to_json())["id"] == "a1111111-1111-1111-1111-111111111111"

    def test_what_the_caller_does_to_its_dict_later_changes_nothing(self) -> None:
        body = a_push(title="x", data={"a": [1]})
        made = an_intent(body)
        body["message"]["push"]["data"]["a"].append(2)
        assert made.message.push.data == {"a": [1]}
        assert "application" not in body

    def test_any_mapping_is_taken(self) -> None:
        assert an_intent(MappingProxyType(a_body())) == an_intent()

    def test_python_times_are_taken(self) -> None:
        assert an_intent(a_body(expires_at=NOW.astimezone(timezone(timedelta(hours=2))))).expires_at_dt == NOW

    def test_an_expiry_in_the_past_is_allowed(self) -> None:
        assert an_intent(a_body(expires_at="1999-01-01T00:00:00Z")).expires_at_dt is not None


class WhenFieldsAreWrong:
    def test_all_of_it_is_told_at_once(self) -> None:
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

    def test_a_misspelt_field_is_told_with_the_nearest_that_exists(self) -> None:
        assert str(problems(a_push(titel="x"))[0]) == "message.push.titel: no such field. Did you mean message.push.title?"
        assert problems(a_body(expire_at="x"))[0].hint == "Did you mean expires_at?"

    def test_a_field_on_the_wrong_level_is_told_where_it_belongs(self) -> None:
        assert problems(a_body(title="x"))[0].hint == "Did you mean message.push.title?"

    def test_no_value_is_ever_told(self) -> None:
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

    def test_null_is_not_the_same_as_absent(self) -> None:
        assert str(problems(a_body(id=None))[0]) == "id: must not be null. Leave it out"
        assert str(problems(a_push(title=None))[0]).startswith("message.push.title: must not be null")

    @pytest.mark.parametrize("body", [None, [], "x", 5, True, 1.5, {}])
    def test_what_is_no_intent_at_all_is_refused(self, body: Any) -> None:
        assert "" in fields(body)

    def test_a_union_tells_one_thing(self) -> None:
        assert [p.problem for p in problems(a_push(title=5))] == ["must be a string or an object"]
        assert [p.field for p in problems(a_push(title={"en": 5}))] == ["message.push.title.en"]


class WhenTargetsAreWrong:
    def test_the_keys_that_were_given_are_named(self) -> None:
        told = problems(a_body(to={"users": ["a"], "segment": "s"}))
        assert "these were given: users, segment" in told[0].problem

    @pytest.mark.parametrize(
        "to", [{}, {"users": []}, {"users": [""]}, {"users": [None]}, {"users": [5]}, {"users": ["x" * 1025]}, {"users": "u"}]
    )
    def test_they_are_refused(self, to: dict[str, Any]) -> None:
        assert problems(a_body(to=to))

    def test_a_long_list_is_pointed_to_the_fan_out(self) -> None:
        told = problems(a_body(to={"users": ["u"] * 1001}))
        assert (told[0].field, "wooshq fanout" in told[0].hint) == ("to.users", True)

    def test_a_million_bad_identifiers_are_one_problem_beside_those_within_the_limit(self) -> None:
        assert [p.field for p in problems(a_body(to={"users": ["u"] * 10 + [None] * 1_000_000}), list_limit=11)] == [
            "to.users.10",
            "to.users",
        ]

    def test_the_limit_counts_for_the_exact_form_too(self) -> None:
        body = example("transactional-users")
        body["transactional"]["users"]["list"] = ["u"] * 3
        assert fields({"request": body}, list_limit=2) == {"request.transactional.users.list"}

    def test_the_flags_of_lists_are_not_lost_on_a_segment(self) -> None:
        assert fields(a_body(to={"segment": "s"}, use_latest_user_device=True)) == {"use_latest_user_device"}


class WhenNamesAndNumbersAreWrong:
    @pytest.mark.parametrize("code", ["a/b", "..", "{}", "a\nb", "a\n", "x" * 65, "", "-a"])
    def test_an_application_that_could_do_harm_is_refused(self, code: str) -> None:
        assert fields(a_body(application=code)) == {"application"}
        assert fields(a_body(), application=code) == {"application"}

    @pytest.mark.parametrize("text", ["x", "1" * 32, "00000000-0000-0000-0000-000000000000"])
    def test_an_id_is_a_uuid_that_names_something(self, text: str) -> None:
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
    def test_what_is_no_number_is_refused_wherever_it_stands(self, number: float) -> None:
        assert fields(a_push(title="x", data={"n": [number]})) == {"message.push.data.n.0"}
        assert fields(a_body(send_rate={"odd": number})) == {"send_rate.odd"}

    def test_tags_are_few_and_short(self) -> None:
        assert fields(a_body(tags={str(i): "" for i in range(33)})) == {"tags"}
        assert fields(a_body(tags={"k" * 65: ""})) == {"tags." + "k" * 64 + "…"}
        assert fields(a_body(tags={"k": "v" * 257})) == {"tags.k"}


class WhenTextsAreOdd:
    @pytest.mark.parametrize("text", ["a\0b", "\ud800"])
    def test_nul_and_lone_surrogates_are_refused_where_they_stand(self, text: str) -> None:
        assert fields(a_push(title=text)) == {"message.push.title"}
        assert fields(a_push(title="x", data={text: 1})) == {"message.push.data"}
        assert fields(a_push(title="x", data={"a": [text]})) == {"message.push.data.a.0"}
        assert "request.segment.code" in fields(
            {"request": {**example("segment-quick-start"), "segment": {**example("segment-quick-start")["segment"], "code": text}}}
        )

    @pytest.mark.parametrize("text", ["\u202e", "\u200b", "👨‍👩‍👧", "\ufffd", "\\u0000", "a" * 1_000_000])
    def test_everything_else_passes_byte_for_byte(self, text: str) -> None:
        made = an_intent(a_push(title=text, data={text: text}))
        assert load_stored(made.to_json(), 1).message.push.data == {text: text}
        assert made.message.push.title == text

    def test_a_free_object_may_have_64_levels(self) -> None:
        assert an_intent(a_push(title="x", data=deep(64)))
        assert fields(a_push(title="x", data=deep(65))) == {"message.push.data"}
        assert fields(a_body(meta_data=deep(200))) == {"meta_data"}

    def test_what_contains_itself_is_refused(self) -> None:
        loop: dict[str, Any] = {}
        loop["a"] = loop
        assert problems(a_push(title="x", data=loop))

    def test_odd_keys_are_only_keys(self) -> None:
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

    def test_a_leap_second_is_called_one(self) -> None:
        assert "leap second" in problems(a_body(expires_at="2026-06-30T23:59:60Z"))[0].problem

    def test_two_expiries_are_one_too_many(self) -> None:
        assert "these were given: expires_at, ttl_s" in problems(a_body(expires_at="2026-06-30T00:00:00Z", ttl_s=5))[0].problem

    @pytest.mark.parametrize(
        "at, more",
        [
            ("2026-05-01T11:58:59Z", {}),
            ("2026-05-03T00:00:00Z", {"expires_at": "2026-05-02T00:00:00Z"}),
            ("2026-05-01T13:00:00Z", {"ttl_s": 60}),
        ],
    )
    def test_a_schedule_lies_between_now_and_the_expiry(self, at: str, more: dict[str, Any]) -> None:
        assert fields(a_body(schedule={"at": at}, **more)) == {"schedule.at"}
        assert an_intent(a_body(schedule={"at": at}, **more), now=None)

    def test_a_minute_of_grace_is_given(self) -> None:
        assert an_intent(a_body(schedule={"at": "2026-05-01T11:59:01Z"}))


class WhenAMessageCannotBeWhatItSays:
    @pytest.mark.parametrize("lost", ["title", "subtitle", "body", "image", "icon"])
    def test_silent_excludes_what_would_be_lost(self, lost: str) -> None:
        assert problems(a_push(silent=True, **{lost: "x"}))[0].problem.endswith(lost)

    def test_silent_false_is_as_if_absent(self) -> None:
        assert an_intent(a_push(title="x", silent=False))

    def test_platforms_fit_the_kind_of_message(self) -> None:
        assert fields(a_body(message={"sms": {"body": "x"}}, platforms=["IOS"])) == {"platforms.0"}
        assert problems(a_body(platforms=["ANDROD"]))[0].hint == "Did you mean ANDROID?"

    def test_overrides_and_live_updates_reach_a_platform(self) -> None:
        update = {"op": "OPERATION_START", "id": "a"}
        assert fields(a_push(title="x", overrides={"CHROME": {"title": "y"}})) == {"message.push.overrides.CHROME"}
        assert fields({**a_push(title="x", live_update=update), "platforms": ["IOS"]}) == {"message.push.live_update"}

    def test_overrides_are_checked_against_the_block(self) -> None:
        assert fields(a_push(title="x", overrides={"IOS": {"title": 5}})) == {"message.push.overrides.IOS.title"}
        assert fields(a_push(title="x", overrides={"IOS": {"data": {}}})) == {"message.push.overrides.IOS.data"}

    @pytest.mark.parametrize("locale", ["en-US", "EN", "zh", "zh-Hans", "default", "xxx", ""])
    def test_locales_are_those_of_the_reference(self, locale: str) -> None:
        if locale in ("zh", "zh-Hans", "default"):
            assert an_intent(a_push(title={locale: "x"}))
        else:
            assert fields(a_push(title={locale: "x"})) == {f"message.push.title.{locale}"}

    def test_attachments_are_base64(self) -> None:
        email = {"body": "x", "attachments": [{"name": "a", "content": "abc"}], "from_": {"email": "nobody"}}
        assert fields(a_body(message={"email": email})) == {"message.email.attachments.0.content", "message.email.from_"}


class WhenTheFormIsExact:
    def test_the_plain_fields_are_refused_each(self) -> None:
        body = {"request": example("transactional-users"), "platforms": ["IOS"], "campaign": "c"}
        assert fields(body) == {"platforms", "campaign"}

    def test_the_application_inside_counts(self) -> None:
        assert an_intent({"request": example("transactional-users")}).application == "XXXXX-XXXXX"
        assert fields({"request": example("transactional-users"), "application": "YYYYY-YYYYY"}) == {"application"}

    def test_a_bad_application_inside_is_told_once(self) -> None:
        body = example("transactional-users")
        body["transactional"]["application"] = "a/b"
        assert fields({"request": body}) == {"request.transactional.application"}

    def test_its_fields_are_checked_to_the_last(self) -> None:
        body = example("transactional-users")
        body["transactional"]["payload"]["content"]["localized_content"]["en"]["andriod"] = {"title": "x"}
        body["transactional"]["payload"]["tite"] = 1
        place = "request.transactional.payload"
        assert {p.field: p.problem for p in problems({"request": body})} == {
            f"{place}.content.localized_content.en.andriod": "no such field",
            f"{place}.tite": "no such field",
        }

    def test_a_past_schedule_passes(self) -> None:
        assert an_intent({"request": example("transactional-users")}, now=NOW + timedelta(days=900))


class WhenThePlatformsAreCorrected:
    table = Platforms.corrected({"huawei_android": {"name": "HUAWEI", "block": "huawei", "number": 99}})

    def test_both_names_are_taken_in_the_plain_form(self) -> None:
        assert an_intent(a_body(platforms=["HUAWEI", "HUAWEI_ANDROID"]), platforms=self.table)
        assert fields(a_body(platforms=["HUAWEI"])) == {"platforms.0"}

    def test_only_the_new_ones_are_taken_in_the_exact_form(self) -> None:
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
        monkeypatch.setattr(intent, "MIGRATIONS", {0: lambda data: {**data, "message": {"push": {"title": data["message"]}}}})
        made = load_stored(json.dumps({"to": {"users": ["u"]}, "message": "Hi", "application": "A", "lane": "bulk"}), 0)
        assert made.message.push.title == "Hi"

    def test_neither_now_nor_the_limit_is_looked_at_again(self) -> None:
        made = an_intent(a_body(to={"users": ["u"] * 5000}, schedule={"at": "2026-05-01T12:00:00Z"}), list_limit=5000)
        assert load_stored(made.to_json(), 1) == made

    @pytest.mark.parametrize("raw", ["", "x", "null", "{}", b"\xff"])
    def test_what_is_no_intent_is_refused(self, raw: str | bytes) -> None:
        with pytest.raises(IntentInvalid):
            load_stored(raw, 1)


class WhenItIsJsonText:
    def test_it_is_the_same_as_the_values(self) -> None:
        assert parse_intent_json(json.dumps(a_body()), application="A") == parse_intent(a_body(), application="A")

    def test_what_is_wrong_with_text_and_intent_is_told_together(self) -> None:
        with pytest.raises(IntentInvalid) as refused:
            parse_intent_json('{"to": {"users": ["u"], "users": []}, "message": {"push": {"title": "x", "data": {"n": NaN}}}, "lane": "x"}')
        assert {p.field for p in refused.value.problems} == {"to.users", "message.push.data.n", "lane", "application"}
