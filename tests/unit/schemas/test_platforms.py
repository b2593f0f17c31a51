from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.unit.schemas.build import NOW, a_push, an_intent, example, problems
from wooshq_schemas import PLATFORMS, NotifyRequest, Platform, Platforms, lint, render
from wooshq_schemas.intent.model import Message
from wooshq_schemas.intent.rules import Against
from wooshq_schemas.platforms import KINDS, PayloadLimit


class WhenTheTableIsCorrected:
    def test_a_row_is_found_by_its_block_or_by_its_name_in_lower_case(self) -> None:
        table = Platforms.corrected({"huawei_android": {"name": "HUAWEI"}, "email": {"number": 99}})
        assert table.by_name["HUAWEI"].block == "huawei_android"
        assert table.by_name["EMAIL"].number == 99

    def test_the_name_in_the_reference_still_finds_it(self) -> None:
        table = Platforms.corrected({"ios": {"name": "APPLE"}})
        assert table.named("IOS") == table.named("APPLE") == table.rows["IOS"]

    def test_the_default_table_does_not_change(self) -> None:
        Platforms.corrected({"ios": {"name": "APPLE"}})
        assert "IOS" in PLATFORMS.by_name
        assert len(list(PLATFORMS)) == 18

    @pytest.mark.parametrize(
        "corrections",
        [
            {"iso": {}},
            {"ios": {"nam": "x"}},
            {"ios": {"number": "1"}},
            {"ios": {"number": True}},
            {"ios": {"name": ""}},
            {"ios": {"name": "ANDROID"}},
            {"email": {"block": "x"}},
        ],
    )
    def test_a_wrong_correction_is_refused(self, corrections: Any) -> None:
        with pytest.raises(ValueError):
            Platforms.corrected(corrections)


class WhenARowIsAdded:
    """Only the table changes. The row alone makes the platform known everywhere."""

    TABLE = Platforms.of(
        [*PLATFORMS, Platform("watch_os", "WATCH_OS", 99, "push", "DDD", default=True, limit=PayloadLimit("WPNs", 200), live_updates=True)]
    )
    UPDATE = {"op": "OPERATION_START", "id": "a"}

    def rendered(self, body: dict[str, Any]) -> dict[str, Any]:
        made = render(an_intent(body, platforms=self.TABLE), now=NOW, platforms=self.TABLE)
        assert NotifyRequest.model_validate(made, context=Against(self.TABLE)).to_body() == made
        return made["transactional"]  # type: ignore[no-any-return]

    def test_a_push_goes_there(self) -> None:
        made = self.rendered(a_push(title="Hi", live_update=self.UPDATE, overrides={"WATCH_OS": {"link": "https://w.example"}}))
        blocks = made["payload"]["content"]["localized_content"]["default"]
        assert made["platforms"] == ["IOS", "ANDROID", "WATCH_OS"]
        assert blocks["watch_os"] == blocks["android"] == {"title": "Hi", "live_update": self.UPDATE}
        assert made["payload"]["open_actions"] == {"99": {"link": {"url": "https://w.example"}}}

    def test_a_push_may_go_only_there(self) -> None:
        assert self.rendered({**a_push(title="Hi"), "platforms": ["WATCH_OS"]})["platforms"] == ["WATCH_OS"]

    def test_the_exact_form_accepts_it(self) -> None:
        request = {"transactional": self.rendered(a_push(title="Hi"))}
        assert render(an_intent({"request": request}, platforms=self.TABLE), now=NOW) == request
        assert problems({"request": request})

    def test_the_hint_for_a_misspelt_name_is_the_right_name(self) -> None:
        (problem,) = problems({**a_push(title="Hi"), "platforms": ["WATCHOS"]}, platforms=self.TABLE)
        assert problem.hint == "Did you mean WATCH_OS?"

    def test_lint_knows_its_limit(self) -> None:
        intent = an_intent({**a_push(title="x" * 200), "platforms": ["WATCH_OS", "IOS"]}, platforms=self.TABLE)
        (warning,) = lint(intent, now=NOW, platforms=self.TABLE)
        assert warning.field.endswith(".default.watch_os")
        assert "WPNs takes at most 200" in warning.problem


class WhenANumberIsNotKnown:
    """Of Baidu, Telegram, Kakao, LINE and WEB. A guess would open the link on another platform: 18 is SMS, 21 is WhatsApp."""

    def test_the_known_ones_are_those_of_the_reference(self) -> None:
        known = {row.name: row.number for row in PLATFORMS if row.number is not None}
        assert (known["SMS"], known["WHATSAPP"]) == (18, 21)
        assert {row.name for row in PLATFORMS if row.number is None} == {"BAIDU_ANDROID", "TELEGRAM", "KAKAO", "LINE", "WEB"}

    @pytest.mark.parametrize(
        "message, platform",
        [
            ({"push": {"title": "x", "overrides": {"BAIDU_ANDROID": {"link": "https://a.example"}}}}, "BAIDU_ANDROID"),
            ({"push": {"title": "x", "overrides": {"WEB": {"link": "https://a.example"}}}}, "WEB"),
            ({"telegram": {"body": "x", "overrides": {"TELEGRAM": {"link": "https://a.example"}}}}, "TELEGRAM"),
        ],
    )
    def test_a_link_of_its_own_is_refused_at_the_door_with_the_setting_that_helps(self, message: Any, platform: str) -> None:
        ((kind, _),) = message.items()
        body = {**a_push(), "message": message, "platforms": [platform]}
        (problem,) = problems(body)
        assert problem.field == f"message.{kind}.overrides.{platform}.link"
        assert problem.problem == f"is for {platform}, and its number is not known"
        assert problem.hint == f'Set it: WOOSHQ_PLATFORMS=\'{{"{platform.lower()}": {{"number": …}}}}\''
        table = Platforms.corrected({platform.lower(): {"number": 5}})
        made = render(an_intent(body, platforms=table), now=NOW, platforms=table)
        assert made["transactional"]["payload"]["open_actions"] == {"5": {"link": {"url": "https://a.example"}}}

    @pytest.mark.parametrize(
        "key, problem, hint",
        [
            ("TELEGRAM", "is for TELEGRAM, and its number is not known", '"telegram": {"number"'),
            ("baidu_android", "is for BAIDU_ANDROID, and its number is not known", '"baidu_android": {"number"'),
            ("WEB", "is for WEB, and its number is not known", '"web": {"number"'),
            ("20", "is not a platform's number", "WOOSHQ_PLATFORMS"),
            ("IOS", "is not a platform's number", "Use 1, the number of IOS"),
            ("android", "is not a platform's number", "Use 3, the number of ANDROID"),
        ],
    )
    def test_an_open_action_of_the_exact_form_is_refused(self, key: str, problem: str, hint: str) -> None:
        request = example("transactional-users")
        request["transactional"]["payload"]["open_actions"] = {key: {"link": {"url": "https://a.example"}}}
        (found,) = problems({"request": request})
        assert found.field == f"request.transactional.payload.open_actions.{key}"
        assert found.problem == problem
        assert hint in found.hint

    def test_a_correction_sets_it(self) -> None:
        table = Platforms.corrected({"telegram": {"number": 20}, "web": {"number": 30}})
        request = example("transactional-users")
        request["transactional"]["payload"]["open_actions"] = {"20": {"link": {"url": "x"}}, "30": {"link": {"url": "x"}}}
        assert an_intent({"request": request}, platforms=table)


class WhenAPushGoesToAllBrowsers:
    """WEB has no block: the content is in the browsers' blocks."""

    def body(self, **push: Any) -> dict[str, Any]:
        return {**a_push(title="x", **push), "platforms": ["WEB"]}

    def payload(self, body: dict[str, Any]) -> Any:
        made = render(an_intent(body), now=NOW)
        assert NotifyRequest.model_validate(made).to_body() == made
        return made["transactional"]["payload"]

    def test_each_browser_has_its_block(self) -> None:
        made = render(an_intent(self.body()), now=NOW)["transactional"]
        assert made["platforms"] == ["WEB"]
        blocks = made["payload"]["content"]["localized_content"]["default"]
        assert blocks == {block: {"title": "x"} for block in ("safari", "chrome", "firefox", "ie")}

    def test_an_override_of_the_group_is_for_each_of_its_platforms(self) -> None:
        body = self.body(overrides={"WEB": {"icon": "i", "title": "w"}, "CHROME": {"title": "c", "link": "https://c.example"}})
        payload = self.payload(body)
        blocks = payload["content"]["localized_content"]["default"]
        assert blocks["chrome"] == {"title": "c", "icon": "i"}
        assert blocks["safari"] == {"title": "w", "icon": "i"}
        assert payload["open_actions"] == {"11": {"link": {"url": "https://c.example"}}}

    def test_a_browser_that_is_named_too_is_there_once(self) -> None:
        made = render(an_intent({**a_push(title="x"), "platforms": ["CHROME", "WEB", "IOS"]}), now=NOW)["transactional"]
        assert made["platforms"] == ["CHROME", "WEB", "IOS"]
        assert set(made["payload"]["content"]["localized_content"]["default"]) == {"safari", "chrome", "firefox", "ie", "ios"}

    def test_a_correction_gives_it_a_block_of_its_own(self) -> None:
        table = Platforms.corrected({"web": {"block": "web"}})
        made = render(an_intent(self.body(), platforms=table), now=NOW, platforms=table)
        assert made["transactional"]["payload"]["content"]["localized_content"]["default"] == {"web": {"title": "x"}}

    def test_the_exact_form_may_name_it(self) -> None:
        request = example("channel-chrome")
        request["transactional"]["platforms"] = ["WEB"]
        assert an_intent({"request": request})


class WhenTheTableIsRead:
    def test_each_row_has_a_known_kind_of_message(self) -> None:
        assert {row.channel for row in PLATFORMS} | {"preset"} == set(KINDS) == set(Message.model_fields)

    def test_each_kind_but_preset_goes_somewhere_by_default(self) -> None:
        assert {kind for kind in KINDS if not PLATFORMS.defaults[kind]} == {"preset"}

    def test_no_other_file_names_a_platform(self) -> None:
        """Except the sandbox: it knows nothing of our models, so that it can disagree with them."""
        root = Path(__file__).parents[3]
        names = {row.name for row in PLATFORMS}
        found = {
            f"{path.relative_to(root)}:{node.lineno}"
            for layer in ("schemas", "tasks", "worker")
            for path in (root / layer).rglob("*.py")
            if path.name != "platforms.py" and "sandbox" not in path.parts
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and node.value in names
        }
        assert found == set()
