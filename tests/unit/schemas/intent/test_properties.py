from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import intents, json_values, odd_intents
from tests.unit.schemas.build import NOW
from wooshq_schemas import MODEL_VERSION, IntentInvalid, NotifyRequest, lint, load_stored, parse_intent, parse_intent_json, render

quick = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(json_values | odd_intents)
def test_every_json_value_is_an_intent_or_is_refused(value: Any) -> None:
    for parse, given_ in ((parse_intent, value), (parse_intent_json, json.dumps(value))):
        try:
            made = parse(given_, now=NOW, application="A")
        except IntentInvalid as error:
            assert error.problems
        else:
            assert load_stored(made.to_json(), MODEL_VERSION) == made


@quick
@given(st.text() | st.binary())
def test_every_text_is_an_intent_or_is_refused(raw: str | bytes) -> None:
    with pytest.raises(IntentInvalid) as refused:  # random text never has the braces, colons and names of an intent
        parse_intent_json(raw, application="A")
    assert refused.value.problems


@quick
@given(intents)
def test_every_valid_intent_renders_as_a_valid_request_also_after_the_ledger(body: dict[str, Any]) -> None:
    made = parse_intent(body, now=NOW, application="A")
    request = render(made, now=NOW)
    assert NotifyRequest.model_validate(request).to_body() == request
    assert json.loads(json.dumps(request)) == request
    again = load_stored(made.to_json(), MODEL_VERSION)
    assert again == made
    assert render(again, now=NOW) == request
    exact = parse_intent({"request": request})
    assert render(exact, now=NOW) == request
    lint(made, now=NOW)
    lint(exact, now=NOW)
