from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.unit.schemas.build import NOW, a_push, an_intent, problems
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
        assert len(list(PLATFORMS)) == 17

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
