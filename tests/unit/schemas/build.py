"""Builders of intents. What they make is valid unless the test says otherwise."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wooshq_schemas import Intent, IntentInvalid, Problem, parse_intent

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
APPLICATION = "AAAAA-BBBBB"
EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
REQUESTS = sorted(path.stem for path in EXAMPLES.glob("*.json") if not path.stem.startswith("answer-"))


def example(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return made


def a_body(**fields: Any) -> dict[str, Any]:
    """An intent in the plain form."""
    return {"to": {"users": ["u1"]}, "message": {"push": {"title": "Hi", "body": "Your order left"}}, **copy.deepcopy(fields)}


def a_push(**fields: Any) -> dict[str, Any]:
    return a_body(message={"push": fields})


def an_intent(body: Any = ..., **options: Any) -> Intent:
    return parse_intent(a_body() if body is ... else body, **{"application": APPLICATION, "now": NOW, **options})


def problems(body: Any, **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(IntentInvalid) as refused:
        an_intent(body, **options)
    return refused.value.problems


def fields(body: Any, **options: Any) -> set[str]:
    return {problem.field for problem in problems(body, **options)}
