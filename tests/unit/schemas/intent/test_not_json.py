"""A program gives values that JSON does not have."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.schemas.build import NOW, a_push, fields, problems


@pytest.mark.parametrize("value", [NOW, {1}, b"x", Decimal(1)])
def test_each_is_a_problem_alone_and_beside_others(value: object) -> None:
    wrong = a_push(data={"at": value})
    assert fields(wrong) == {"message.push.data.at"}
    assert {"message.push.data.at", "to"} == fields({**wrong, "to": {}})
    assert any("must be a JSON value" in one.problem for one in problems({**wrong, "to": {}}))
