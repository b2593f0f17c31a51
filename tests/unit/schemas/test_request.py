from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.schemas.build import EXAMPLES, REQUESTS, example
from wooshq_schemas import NotifyRequest
from wooshq_schemas.answer.models import BareSuccess, ErrorEnvelope, Success
from wooshq_schemas.validation.pydantic_errors import from_validation_error

ANSWERS = {
    "answer-success": Success,
    "answer-success-bare": BareSuccess,
    "answer-invalid-argument": ErrorEnvelope,
    "answer-resource-exhausted": ErrorEnvelope,
    "answer-unauthenticated": ErrorEnvelope,
}


class WhenTheReferenceGivesAnExample:
    @pytest.mark.parametrize("name", REQUESTS)
    def test_a_request_passes_the_models_unchanged(self, name: str) -> None:
        assert NotifyRequest.model_validate(example(name)).to_body() == example(name)

    @pytest.mark.parametrize("name", ANSWERS)
    def test_an_answer_passes_the_models_unchanged(self, name: str) -> None:
        assert ANSWERS[name].model_validate(example(name)).to_body() == example(name)

    def test_no_example_is_left_out(self) -> None:
        assert {path.stem for path in EXAMPLES.glob("*.json")} == {*REQUESTS, *ANSWERS}
        assert len(REQUESTS) == 23


IOS = "transactional.payload.content.localized_content.en.ios"


def problems_of(change: Any) -> dict[str, str]:
    body = copy.deepcopy(example("transactional-users"))
    change(body["transactional"])
    with pytest.raises(ValidationError) as refused:
        NotifyRequest.model_validate(body)
    return {problem.field: problem.problem for problem in from_validation_error(refused.value, NotifyRequest, body)}


class WhenARequestIsWrong:
    @pytest.mark.parametrize(
        "change, field",
        [
            (lambda r: r.update(hwids={"list": ["a"]}), "transactional"),
            (lambda r: r.pop("users"), "transactional"),
            (lambda r: r.pop("payload"), "transactional"),
            (lambda r: r.update(email_payload={}), "transactional"),
            (lambda r: r.pop("schedule"), "transactional.schedule"),
            (lambda r: r.update(schedule={}), "transactional.schedule"),
            (lambda r: r["payload"].update(silent=True), "transactional.payload"),
            (lambda r: r["payload"].update(open_actions={"4000": {}}), "transactional.payload.open_actions.4000"),
            (lambda r: r["payload"].update(open_action={"link": {"url": "x"}, "deep_link": {}}), "transactional.payload.open_action"),
            (lambda r: r["payload"].update(open_action={"link": {}}), "transactional.payload.open_action.link.url"),
            (lambda r: r["payload"].update(open_action={"deep_link": "app://x"}), "transactional.payload.open_action.deep_link"),
            (lambda r: r["payload"].update(open_action={"rich_media": "AAAAA"}), "transactional.payload.open_action.rich_media"),
            (lambda r: r["payload"]["content"]["localized_content"]["en"]["ios"].update(badges=3), f"{IOS}.badges"),
            (lambda r: r["payload"]["content"]["localized_content"]["en"]["ios"].update(sound_enabled="no"), f"{IOS}.sound_enabled"),
            (lambda r: r.update(platforms=["ANDROD"]), "transactional.platforms.0"),
            (lambda r: r.update(frequency_capping={"days": 31}), "transactional.frequency_capping.days"),
            (lambda r: r.update(message_type=1), "transactional.message_type"),
            (lambda r: r.update(code="x"), "transactional.code"),
        ],
    )
    def test_the_problem_names_the_field(self, change: Any, field: str) -> None:
        assert set(problems_of(change)) == {field}

    def test_open_objects_may_have_unknown_fields(self) -> None:
        body = copy.deepcopy(example("transactional-users"))
        inner = body["transactional"]
        inner["payload"]["content"]["localized_content"]["en"]["ios"]["odd"] = {"a": [1, None]}
        inner.update(send_rate={"odd": 1}, frequency_capping={"odd": 1})
        inner["payload"]["open_action"] = {"remote_page": "https://a.example"}
        assert NotifyRequest.model_validate(body).to_body() == body

    @pytest.mark.parametrize(
        "action",
        [
            {"link": {"url": "https://a.example"}},
            {"deep_link": {"code": "AAAAA-BBBBB", "params": {"order": "7"}}},
            {"rich_media": {"code": "AAAAA-BBBBB", "url": "https://a.example"}},
        ],
    )
    def test_an_open_action_is_one_of_three_objects(self, action: dict[str, Any]) -> None:
        body = copy.deepcopy(example("transactional-users"))
        body["transactional"]["payload"] |= {"open_action": action, "open_actions": {"1": action, "18": action, "21": action}}
        assert NotifyRequest.model_validate(body).to_body() == body

    @pytest.mark.parametrize("segment", [{"color": "#705289"}, {"color": "#80705289", "length": 3}, {"length": 1}])
    def test_a_segment_of_a_live_update_needs_no_length(self, segment: dict[str, Any]) -> None:
        body = copy.deepcopy(example("segment-live-update"))
        body["segment"]["payload"]["content"]["localized_content"]["default"]["android"]["live_update"]["segments"] = [segment]
        assert NotifyRequest.model_validate(body).to_body() == body

    def test_the_problem_names_the_fields_that_exclude_each_other(self) -> None:
        assert "these were given: users, hwids" in problems_of(lambda r: r.update(hwids={"list": ["a"]}))["transactional"]
