"""The contract: examples pass unchanged, bad data gets every error at once, what is rendered is always a valid request."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wooshq_schemas
from wooshq_schemas import (
    PLATFORMS,
    Accepted,
    IntentInvalid,
    NewerModel,
    NotifyRequest,
    NotUnderstood,
    Platforms,
    Refused,
    lint,
    load_stored,
    parse_intent,
    parse_intent_json,
    read_answer,
    render,
)
from wooshq_schemas.json_schema.build import FOLDER, MODELS, text_of

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
APPLICATION = "AAAAA-BBBBB"
EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
REQUESTS = sorted(p.name for p in EXAMPLES.glob("*.json") if not p.name.startswith("answer"))

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
locales = st.sampled_from(["default", "en", "de", "fr", "zh-Hans"])
said = st.one_of(texts, st.dictionaries(locales, texts, min_size=1, max_size=3))
names = st.lists(texts.filter(bool), min_size=1, max_size=3)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def intents() -> st.SearchStrategy[dict[str, Any]]:
    """Valid plain intents of every kind."""
    to = st.one_of(
        *(st.fixed_dictionaries({kind: names}) for kind in ("users", "hwids", "push_tokens", "test_devices")),
        st.just({"segment": "s"}),
        st.just({"expression": 'A("X")'}),
        st.just({"filter": {"any": [1]}}),
    )
    push = st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("title", "subtitle", "body"), said),
            "badge": st.integers(0, 9),
            "ttl_s": st.integers(0, 99),
            "data": st.dictionaries(texts, st.integers() | texts | st.none(), max_size=2),
            "link": st.just("https://example.com"),
            "voip": st.booleans(),
        },
    )
    template = st.fixed_dictionaries({"template": st.just({"name": "t", "language": "en"})})
    line = st.fixed_dictionaries({"body": said})
    email = st.fixed_dictionaries({"subject": said}, optional={"body": texts, "from": st.just({"email": "a@b.c"})})
    message = st.one_of(
        st.fixed_dictionaries({"push": push}),
        *(st.fixed_dictionaries({k: line}) for k in ("sms", "telegram", "line", "kakao", "whatsapp")),
        *(st.fixed_dictionaries({k: template}) for k in ("kakao", "whatsapp")),
        st.fixed_dictionaries({"email": email.map(lambda e: {"body": "x", **e})}),
        st.just({"preset": "P"}),
        st.just({"push": {"silent": True, "data": {"a": 1}}}),
    )
    return st.fixed_dictionaries(
        {"to": to, "message": message},
        optional={"ttl_s": st.integers(1, 99), "campaign": st.just("C"), "placeholders": st.just({"a": "b"}), "tags": st.just({"a": "b"})},
    )


def problems_of(data: object, **options: Any) -> dict[str, str]:
    with pytest.raises(IntentInvalid) as error:
        parse_intent(data, now=NOW, **{"application": APPLICATION, **options})
    return {p.field: f"{p.problem}. {p.hint}" for p in error.value.problems}


def an_intent(**changes: Any) -> dict[str, Any]:
    return {"to": {"users": ["u1"]}, "message": {"push": {"title": "Hi"}}, **changes}


class WhenARequestIsGivenExactly:
    @pytest.mark.parametrize("name", REQUESTS)
    def test_every_example_goes_out_unchanged_and_through_the_ledger_too(self, name: str) -> None:
        body = json.loads((EXAMPLES / name).read_text())
        intent = parse_intent({"request": body}, now=NOW, application=APPLICATION)
        assert render(intent, now=NOW) == body
        assert render(load_stored(intent.to_json(), 1), now=NOW) == body

    def test_only_an_absent_application_is_filled_in(self) -> None:
        body = json.loads((EXAMPLES / "channel-ios.json").read_text())
        del body["transactional"]["application"]
        intent = parse_intent({"request": body}, application=APPLICATION)
        assert render(intent, now=NOW) == {"transactional": {**body["transactional"], "application": APPLICATION}}

    def test_null_is_refused_for_absent_fields_are_absent(self) -> None:
        body = json.loads((EXAMPLES / "channel-ios.json").read_text())
        body["transactional"]["campaign"] = None
        assert "request.transactional.campaign" in problems_of({"request": body})


class WhenAnIntentIsPlain:
    @settings(max_examples=150, deadline=None)
    @given(intents())
    def test_what_is_rendered_is_a_valid_request_and_the_stored_form_renders_the_same(self, data: dict[str, Any]) -> None:
        intent = parse_intent(data, now=NOW, application=APPLICATION)
        body = render(intent, now=NOW)
        NotifyRequest.model_validate(body)
        assert render(load_stored(intent.to_json(), 1), now=NOW) == body
        assert json.loads(json.dumps(body)) == body
        lint(intent, now=NOW)

    def test_it_is_written_once_and_reaches_every_platform_and_locale(self) -> None:
        data = an_intent(message={"push": {"title": "T", "body": {"de": "a", "fr": "b"}, "overrides": {"IOS": {"title": "I"}}}})
        inner = render(parse_intent(data, application=APPLICATION), now=NOW)["transactional"]
        assert inner["payload"]["content"]["localized_content"] == {
            locale: {"ios": {"title": "I", "body": body}, "android": {"title": "T", "body": body}}
            for locale, body in (("de", "a"), ("fr", "b"), ("default", "a"))
        }
        assert inner["schedule"] == {"at": "2026-05-01T08:00:00Z"}
        assert inner["message_type"] == "MESSAGE_TYPE_TRANSACTIONAL"

    def test_a_corrected_table_renames_without_a_release(self) -> None:
        table = Platforms.corrected({"mac_os": {"block": "macos", "name": "MACOS"}})
        intent = parse_intent(an_intent(platforms=["MACOS"]), application=APPLICATION, platforms=table)
        inner = render(intent, now=NOW, platforms=table)["transactional"]
        assert inner["platforms"] == ["MACOS"]
        assert list(inner["payload"]["content"]["localized_content"]["default"]) == ["macos"]
        assert "platforms.0" in problems_of(an_intent(platforms=["MACOS"]))


class WhenAnIntentIsBad:
    def test_every_error_is_told_at_once_with_what_would_be_right(self) -> None:
        found = problems_of({"to": {"users": ["u"], "segment": "s"}, "message": {"push": {"titel": "x", "badge": True}}, "expire_at": "x"})
        assert "users, segment" in found["to"]
        assert "Did you mean message.push.title?" in found["message.push.titel"]
        assert "whole number" in found["message.push.badge"]
        assert "Did you mean expires_at?" in found["expire_at"]

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
    def test_the_field_is_named_and_its_value_is_not_echoed(self, field: str, changes: dict[str, Any]) -> None:
        assert field in problems_of(an_intent(**changes))

    @settings(max_examples=150, deadline=None)
    @given(anything | st.fixed_dictionaries({"to": anything, "message": anything}, optional={"request": anything, "schedule": anything}))
    def test_nothing_but_a_clear_error_ever_comes_out(self, data: object) -> None:
        try:
            parse_intent(data, now=NOW, application=APPLICATION)
        except IntentInvalid as error:
            assert error.problems

    @pytest.mark.parametrize("raw", ["", "[", "[" * 1_000_000, '{"a":1,"a":2}', '{"a":NaN}', '{"a":1e400}', "null", '"x"', b"\xff", "[]"])
    def test_text_that_is_no_intent_is_refused(self, raw: str | bytes) -> None:
        with pytest.raises(IntentInvalid):
            parse_intent_json(raw, application=APPLICATION)

    def test_a_newer_models_intent_is_left_alone(self) -> None:
        with pytest.raises(NewerModel):
            load_stored("{}", 2)


class WhenTheApiAnswers:
    def test_both_forms_of_success_and_the_envelope_are_read(self) -> None:
        read = {p.stem: read_answer(json.loads(p.read_text())) for p in EXAMPLES.glob("answer*.json")}
        assert read["answer-success"] == read["answer-success-bare"] == Accepted("C3F8-C3863ED4-334AD4F1", ("user-2",))
        limited, invalid = read["answer-resource-exhausted"], read["answer-invalid-argument"]
        assert isinstance(limited, Refused)
        assert (limited.code_name, limited.retry_delay_s) == ("RESOURCE_EXHAUSTED", 3.5)
        assert isinstance(invalid, Refused)
        assert invalid.violations == (("segment.application", "unknown application"),)

    @settings(max_examples=150, deadline=None)
    @given(
        anything | st.fixed_dictionaries({}, optional=dict.fromkeys(("result", "code", "message_code", "details", "status_code"), anything))
    )
    def test_no_answer_makes_it_raise(self, body: object) -> None:
        assert isinstance(read_answer(body), (Accepted, Refused, NotUnderstood))


class WhenAMessageWillProbablyBeCut:
    def test_lint_warns_and_does_not_refuse(self) -> None:
        intent = parse_intent(an_intent(message={"push": {"body": "x" * 5000}}), application=APPLICATION)
        assert {w.field.rpartition(".")[2] for w in lint(intent, now=NOW)} == {"ios", "android"}
        sms = parse_intent(an_intent(message={"sms": {"body": "ä€" * 81}}), application=APPLICATION)
        assert "SMS" in lint(sms, now=NOW)[0].problem

    def test_a_slip_in_an_open_block_is_pointed_out(self) -> None:
        block = {"ios": {"tilte": "x", "body": "y"}}
        content = {"content": {"localized_content": {"default": block}}}
        body = {"transactional": {"users": {"list": ["u"]}, "payload": content, "schedule": {"after": "5s"}}}
        warnings = lint(parse_intent({"request": body}, application=APPLICATION), now=NOW)
        assert [w.hint for w in warnings] == ["Did you mean title?"]


def test_the_json_schemas_in_the_repo_are_current() -> None:
    for name, model in MODELS.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text_of(model), "run python -m wooshq_schemas.json_schema"


def test_the_package_needs_pydantic_and_nothing_else() -> None:
    code = "import sys, wooshq_schemas; print(*{m.partition('.')[0] for m in sys.modules})"
    folder = Path(wooshq_schemas.__file__).parents[1]
    out = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True).stdout
    assert not set(out.split()) & {"celery", "redis", "httpx", "aiohttp", "kombu", "wooshq", "structlog", "pydantic_settings"}


def test_the_public_names_are_these() -> None:
    assert all(hasattr(wooshq_schemas, name) for name in wooshq_schemas.__all__)
    assert len(PLATFORMS.rows) == 17


def test_a_schedule_in_another_zone_goes_out_in_utc() -> None:
    intent = parse_intent(an_intent(schedule={"at": "2026-05-01T12:00:00+02:00"}), now=NOW, application=APPLICATION)
    assert render(intent, now=NOW)["transactional"]["schedule"] == {"at": "2026-05-01T10:00:00Z"}
