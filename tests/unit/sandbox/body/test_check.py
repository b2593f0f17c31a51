"""Which bodies the sandbox accepts and refuses: the reference, example by example and field by field."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.sandbox.bodies import MISSING, REQUESTS, changed, example
from wooshq_worker import sandbox
from wooshq_worker.sandbox.body.check import Limits, notify_check, violations

CHECK = notify_check(Limits())


def wrong(body: Any, limits: Limits | None = None) -> list[tuple[str, str]]:
    check = CHECK if limits is None else notify_check(limits)
    return [tuple(one) for one in violations(body, json.dumps(body).encode(), check)]  # type: ignore[misc]


def fields(body: Any) -> list[str]:
    return [field for field, _ in wrong(body)]


class WhenABodyFollowsTheReference:
    @pytest.mark.parametrize("name", REQUESTS)
    def test_every_example_is_accepted(self, name: str) -> None:
        assert wrong(REQUESTS[name]) == []

    def test_all_examples_are_tested(self) -> None:
        assert len(REQUESTS) == 23

    @pytest.mark.parametrize(
        "name, path, value",
        [
            ("transactional-users", "transactional.schedule", {"at": "2026-05-01T09:00:00.123456789Z"}),
            ("transactional-users", "transactional.schedule", {"at": "2026-05-01T09:00:00+00:00"}),
            ("transactional-users", "transactional.schedule", {"after": "1.5s", "follow_user_timezone": True}),
            ("transactional-users", "transactional.platforms", MISSING),
            ("transactional-users", "transactional.application", MISSING),
            ("transactional-users", "transactional.meta_data", {"order": {"lines": [1, None]}}),
            ("transactional-users", "transactional.payload.custom_data", {"nothing": None}),
            ("transactional-users", "transactional.payload.voip_push", True),
            ("transactional-users", "transactional.payload.open_action", {"link": {"url": "https://example.com"}}),
            ("transactional-users", "transactional.payload.open_action", {"something_new": 1}),
            ("transactional-users", "transactional.payload.open_action", {"remote_page": "https://example.com"}),
            ("transactional-users", "transactional.payload.open_actions", {"1": {"deep_link": {"code": "A", "params": {"x": 1}}}}),
            (
                "transactional-users",
                "transactional.payload.open_actions",
                {"18": {"rich_media": {"code": "A"}}, "21": {"link": {"url": "x"}}},
            ),
            ("transactional-users", "transactional.payload.content.localized_content.zh-Hans", {"ios": {"body": "你好"}}),
            ("transactional-users", "transactional.payload.content.localized_content.en.ios.a_field_of_tomorrow", [1]),
            ("transactional-users", "transactional.payload.content.localized_content.en.ios.badges", "+1"),
            ("transactional-users", "transactional.payload.content.localized_content.en.ios.sound_enabled", False),
            ("transactional-silent", "transactional.payload.content", None),
            ("transactional-silent", "transactional.payload.content", {"localized_content": None}),
            ("channel-chrome", "transactional.platforms", ["WEB"]),
            ("channel-chrome", "transactional.platforms", ["WEB", "CHROME"]),
            ("channel-kakao", "transactional.payload.content.localized_content.default.kakao", {"template": "any form"}),
            (
                "segment-live-update",
                "segment.payload.content.localized_content.default.android.live_update.segments",
                [{"color": "#80FF0000"}, {"color": "#FF0000", "length": 2}],
            ),
            ("transactional-users", "transactional.dynamic_content_placeholders", {"name": "Ada", "empty": ""}),
            ("segment-quick-start", "segment.send_rate", {"value": 100, "avoid": True}),
            ("segment-quick-start", "segment.frequency_capping", {"days": 30, "count": 1, "avoid": True, "exclude": False}),
            ("channel-whatsapp", "transactional.payload.content.localized_content.default.whatsapp", {"template": {"name": "welcome"}}),
            (
                "segment-live-update",
                "segment.payload.content.localized_content.default.android.root_params",
                {"pw_actions": '[{"type":"ACTIVITY","title":"Track"}]'},
            ),
        ],
    )
    def test_other_fields_that_the_reference_allows_are_accepted(self, name: str, path: str, value: Any) -> None:
        assert wrong(changed(example(name), path, value)) == []

    def test_a_segment_may_be_a_structured_filter(self) -> None:
        body = changed(changed(example("segment-quick-start"), "segment.code", MISSING), "segment.filter_expression", {"and": []})
        assert wrong(body) == []

    def test_a_preset_replaces_the_platform_blocks(self) -> None:
        assert wrong(changed(example("transactional-users"), "transactional.payload", {"preset": "AAAAA-BBBBB"})) == []


T = "transactional"
EN = f"{T}.payload.content.localized_content.en"
LIVE = "segment.payload.content.localized_content.default.android.live_update"
MAIL = "segment.email_payload"


class WhenABodyBreaksTheReference:
    @pytest.mark.parametrize(
        "name, path, value, field",
        [
            # the call
            ("transactional-users", "segment", {}, T),
            ("transactional-users", "extra", 1, "extra"),
            ("transactional-users", T, None, T),
            ("transactional-users", T, [], T),
            # fields of both kinds
            ("transactional-users", f"{T}.nonsense", 1, f"{T}.nonsense"),
            ("transactional-users", f"{T}.campaign", None, f"{T}.campaign"),
            ("transactional-users", f"{T}.campaign", "", f"{T}.campaign"),
            ("transactional-users", f"{T}.application", "AAAAA", f"{T}.application"),
            ("transactional-users", f"{T}.application", "AAAAA-AAAAA\n", f"{T}.application"),
            ("transactional-users", f"{T}.platforms", ["ios"], f"{T}.platforms[0]"),
            ("transactional-users", f"{T}.platforms", [1], f"{T}.platforms[0]"),
            ("transactional-users", f"{T}.platforms", [], f"{T}.platforms"),
            ("transactional-users", f"{T}.platforms", "IOS", f"{T}.platforms"),
            ("transactional-users", f"{T}.message_type", "MARKETING", f"{T}.message_type"),
            ("transactional-users", f"{T}.message_type", 1, f"{T}.message_type"),
            ("transactional-users", f"{T}.meta_data", [], f"{T}.meta_data"),
            ("transactional-users", f"{T}.dynamic_content_placeholders", {"n": 1}, f"{T}.dynamic_content_placeholders.n"),
            ("transactional-users", f"{T}.send_rate", {"value": 0}, f"{T}.send_rate.value"),
            ("transactional-users", f"{T}.send_rate", {"other": None}, f"{T}.send_rate.other"),
            ("transactional-users", f"{T}.frequency_capping", {"days": 31}, f"{T}.frequency_capping.days"),
            ("transactional-users", f"{T}.frequency_capping", {"count": True}, f"{T}.frequency_capping.count"),
            ("transactional-users", f"{T}.frequency_capping", {"avoid": "yes"}, f"{T}.frequency_capping.avoid"),
            # schedule
            ("transactional-users", f"{T}.schedule", MISSING, f"{T}.schedule"),
            ("transactional-users", f"{T}.schedule", {}, f"{T}.schedule"),
            ("transactional-users", f"{T}.schedule", {"at": "2026-05-01T09:00:00"}, f"{T}.schedule.at"),
            ("transactional-users", f"{T}.schedule", {"at": "2026-05-01T09:00:00+02:00"}, f"{T}.schedule.at"),
            ("transactional-users", f"{T}.schedule", {"at": "2026-02-30T09:00:00Z"}, f"{T}.schedule.at"),
            ("transactional-users", f"{T}.schedule", {"at": "2026-05-01 09:00:00Z"}, f"{T}.schedule.at"),
            ("transactional-users", f"{T}.schedule", {"at": 1777626000}, f"{T}.schedule.at"),
            ("transactional-users", f"{T}.schedule", {"after": "90"}, f"{T}.schedule.after"),
            ("transactional-users", f"{T}.schedule", {"after": "-90s"}, f"{T}.schedule.after"),
            ("transactional-users", f"{T}.schedule", {"after": "1m"}, f"{T}.schedule.after"),
            ("transactional-users", f"{T}.schedule", {"after": "٣s"}, f"{T}.schedule.after"),
            ("transactional-users", f"{T}.schedule.follow_user_timezone", 1, f"{T}.schedule.follow_user_timezone"),
            ("transactional-users", f"{T}.schedule.when", "now", f"{T}.schedule.when"),
            # targets
            ("transactional-users", f"{T}.users", MISSING, T),
            ("transactional-users", f"{T}.users", ["user-1"], f"{T}.users"),
            ("transactional-users", f"{T}.users", {"list": []}, f"{T}.users.list"),
            ("transactional-users", f"{T}.users", {"list": ["a", ""]}, f"{T}.users.list[1]"),
            ("transactional-users", f"{T}.users", {"list": ["a", None]}, f"{T}.users.list[1]"),
            ("transactional-users", f"{T}.users", {"list": ["a", 7]}, f"{T}.users.list[1]"),
            ("transactional-users", f"{T}.users", {"list": [f"u{i}" for i in range(1001)]}, f"{T}.users.list"),
            ("transactional-users", f"{T}.users.more", [], f"{T}.users.more"),
            ("transactional-users", f"{T}.return_unknown_identifiers", "true", f"{T}.return_unknown_identifiers"),
            ("transactional-users", f"{T}.code", "active", f"{T}.code"),
            ("segment-quick-start", "segment.users", {"list": ["u"]}, "segment.users"),
            ("segment-quick-start", "segment.code", "", "segment.code"),
            ("segment-quick-start", "segment.code", MISSING, "segment"),
            ("segment-quick-start", "segment.return_unknown_identifiers", True, "segment.return_unknown_identifiers"),
            # payload
            ("transactional-users", f"{T}.payload", MISSING, T),
            ("transactional-users", f"{T}.payload", {}, f"{T}.payload"),
            ("transactional-users", f"{T}.payload", "text", f"{T}.payload"),
            ("transactional-users", f"{T}.payload.custom_data", "{}", f"{T}.payload.custom_data"),
            ("transactional-users", f"{T}.payload.open_action", {}, f"{T}.payload.open_action"),
            ("transactional-users", f"{T}.payload.open_action", {"link": {"url": ""}}, f"{T}.payload.open_action.link.url"),
            ("transactional-users", f"{T}.payload.open_action", {"a": 1, "b": 2}, f"{T}.payload.open_action"),
            ("transactional-users", f"{T}.payload.open_actions", {"IOS": {"deep_link": {}}}, f"{T}.payload.open_actions.IOS"),
            ("transactional-users", f"{T}.payload.open_actions", {"2": {"deep_link": {}}}, f"{T}.payload.open_actions.2"),
            ("transactional-users", f"{T}.payload.open_actions", {"20": {"deep_link": {}}}, f"{T}.payload.open_actions.20"),
            ("transactional-users", f"{T}.payload.open_action", {"deep_link": "app://x"}, f"{T}.payload.open_action.deep_link"),
            ("transactional-users", f"{T}.payload.open_action", {"rich_media": {"code": ""}}, f"{T}.payload.open_action.rich_media.code"),
            ("transactional-users", f"{T}.payload.content", {}, f"{T}.payload.content.localized_content"),
            ("transactional-users", f"{T}.payload.content", {"localized_content": {}}, f"{T}.payload.content.localized_content"),
            (
                "transactional-users",
                f"{T}.payload.content.localized_content.eng",
                {"ios": {}},
                f"{T}.payload.content.localized_content.eng",
            ),
            ("transactional-users", EN, {}, EN),
            ("transactional-users", f"{EN}.email", {"body": "x"}, f"{EN}.email"),
            ("transactional-users", f"{EN}.ios.title", 1, f"{EN}.ios.title"),
            ("transactional-users", f"{EN}.ios.anything", None, f"{EN}.ios.anything"),
            ("transactional-users", f"{EN}.ios.ttl", "60", f"{EN}.ios.ttl"),
            ("transactional-users", f"{EN}.ios.badges", 3, f"{EN}.ios.badges"),
            ("transactional-users", f"{EN}.ios.sound_enabled", "no", f"{EN}.ios.sound_enabled"),
            (
                "channel-kakao",
                f"{T}.payload.content.localized_content.default.kakao.template",
                "x",
                f"{T}.payload.content.localized_content.default.kakao.body",
            ),
            ("channel-chrome", f"{T}.platforms", ["WEB", "SAFARI"], f"{T}.platforms[1]"),
            ("channel-ios", f"{T}.platforms", ["IOS", "WEB"], f"{T}.platforms[1]"),
            ("transactional-users", f"{EN}.android.root_params", {"pw_actions": []}, f"{EN}.android.root_params.pw_actions"),
            ("transactional-users", f"{EN}.android.root_params", {"pw_actions": "["}, f"{EN}.android.root_params.pw_actions"),
            (
                "transactional-users",
                f"{EN}.android.root_params",
                {"pw_actions": '[{"type":"WALK","title":"x"}]'},
                f"{EN}.android.root_params.pw_actions[0].type",
            ),
            (
                "channel-sms",
                f"{T}.payload.content.localized_content.default.sms",
                {},
                f"{T}.payload.content.localized_content.default.sms.body",
            ),
            (
                "channel-kakao",
                f"{T}.payload.content.localized_content.default.kakao",
                {},
                f"{T}.payload.content.localized_content.default.kakao",
            ),
            # live update
            ("segment-live-update", f"{LIVE}.op", "START", f"{LIVE}.op"),
            ("segment-live-update", f"{LIVE}.op", MISSING, f"{LIVE}.op"),
            ("segment-live-update", f"{LIVE}.id", MISSING, f"{LIVE}.id"),
            ("segment-live-update", f"{LIVE}.progress", "4", f"{LIVE}.progress"),
            ("segment-live-update", f"{LIVE}.segments", [{"color": "red", "length": 8}], f"{LIVE}.segments[0].color"),
            ("segment-live-update", f"{LIVE}.segments", [{"color": "#F00", "length": 8}], f"{LIVE}.segments[0].color"),
            ("segment-live-update", f"{LIVE}.segments", [{"length": 8}], f"{LIVE}.segments[0].color"),
            ("segment-live-update", f"{LIVE}.titel", "x", f"{LIVE}.titel"),
            # email
            ("segment-email-template", f"{MAIL}.body", "<p>x</p>", f"{MAIL}.email_template"),
            ("segment-email-template", f"{MAIL}.email_template", MISSING, MAIL),
            ("segment-email-template", f"{MAIL}.subject", "Hello", f"{MAIL}.subject"),
            ("segment-email-template", f"{MAIL}.subject", {"en": None}, f"{MAIL}.subject.en"),
            ("segment-email-template", f"{MAIL}.from", {"email": "nobody"}, f"{MAIL}.from.email"),
            ("segment-email-template", f"{MAIL}.reply_to", {"mail": "a@b.c"}, f"{MAIL}.reply_to.mail"),
            ("segment-email-template", f"{MAIL}.attachments", [{"name": "a", "content": "%"}], f"{MAIL}.attachments[0].content"),
            ("segment-email-template", f"{MAIL}.attachments", [{"name": "a", "content": ""}] * 3, f"{MAIL}.attachments"),
            ("segment-email-template", f"{MAIL}.list_unsubscribe", "nowhere", f"{MAIL}.list_unsubscribe"),
            ("segment-email-template", "segment.payload", {"preset": "p"}, "segment.payload"),
            # platforms against content
            ("segment-email-template", "segment.platforms", ["IOS"], "segment.platforms[0]"),
            ("transactional-users", f"{T}.platforms", ["IOS", "ANDROID", "EMAIL"], f"{T}.platforms[2]"),
            ("transactional-users", f"{T}.platforms", ["IOS", "ANDROID", "SAFARI"], f"{T}.platforms[2]"),
            ("transactional-users", f"{T}.platforms", ["IOS"], f"{EN}.android"),
        ],
    )
    def test_it_is_refused_and_the_violation_names_the_field(self, name: str, path: str, value: Any, field: str) -> None:
        assert field in fields(changed(example(name), path, value))

    @pytest.mark.parametrize("body", [None, [], "x", 1, True])
    def test_a_body_that_is_not_an_object_is_refused(self, body: Any) -> None:
        assert len(wrong(body)) == 1

    def test_both_of_two_targets_are_violations(self) -> None:
        body = changed(example("transactional-users"), "transactional.hwids", {"list": ["h"]})
        assert fields(body) == ["transactional.users", "transactional.hwids"]

    def test_silent_and_content_exclude_each_other(self) -> None:
        body = changed(example("transactional-users"), "transactional.payload.silent", True)
        assert fields(body) == ["transactional.payload.content", "transactional.payload.silent"]

    def test_all_violations_are_found_at_once(self) -> None:
        body = changed(changed(example("transactional-users"), "transactional.x", 1), "transactional.users.list", [""])
        body = changed(body, "transactional.schedule.at", "soon")
        assert set(fields(body)) == {"transactional.x", "transactional.users.list[0]", "transactional.schedule.at"}

    def test_no_description_repeats_a_value(self) -> None:
        body = changed(example("transactional-users"), "transactional.application", "a secret")
        body = changed(body, "transactional.message_type", "a secret")
        assert not any("secret" in description for _, description in wrong(body))

    def test_the_number_of_violations_is_limited(self) -> None:
        body = changed(example("transactional-users"), "transactional.users.list", [None] * 5000)
        assert len(wrong(body)) == 1000

    def test_half_of_a_surrogate_pair_is_a_violation(self) -> None:
        body = changed(example("transactional-users"), f"{EN}.ios.title", "\ud800")
        assert fields(body) == [f"{EN}.ios.title"]

    def test_the_limit_of_a_list_can_be_set(self) -> None:
        body = changed(example("transactional-users"), "transactional.users.list", ["a", "b", "c"])
        assert [field for field, _ in wrong(body, Limits(identifiers=2))] == ["transactional.users.list"]


class WhenTheSandboxJudges:
    def test_it_does_not_use_our_own_models(self) -> None:
        folder = Path(sandbox.__file__).parent
        imported = set()
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    imported.add(node.module)
                elif isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
        ours = {name for name in imported if name.startswith("wooshq")}
        assert ours
        assert {name for name in ours if not name.startswith("wooshq_worker.sandbox")} == set()
