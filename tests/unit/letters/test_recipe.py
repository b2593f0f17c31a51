"""What a recipe takes: whatever a program gives, it is refused in words, or it is a recipe."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wooshq.errors import IntentInvalid
from wooshq.letters.replays.rules import Recipe


def endless() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["again"] = made
    return made


def deep() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(5000):
        made = {"a": made}
    return made


@pytest.mark.parametrize(
    "patch", [endless(), deep(), {"expires_at": datetime.now(UTC)}, {"tags": {1, 2}}, {"meta_data": b"x"}, {"meta_data": float("nan")}]
)
def test_what_json_does_not_have_is_refused_in_words(patch: dict[str, Any]) -> None:
    with pytest.raises(IntentInvalid):
        Recipe(patch=patch)


def test_a_patch_is_read_as_a_text_would_be() -> None:
    assert Recipe(patch={"tags": {"a": None}}).applied({"id": "x", "tags": {"a": "1", "b": "2"}}) == {"tags": {"b": "2"}}
