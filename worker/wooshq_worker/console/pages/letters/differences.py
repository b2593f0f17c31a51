"""What a recipe changes in a letter, as lines for the macro `diff`. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from wooshq.letters.replays.examples import Example

Lines: TypeAlias = list[tuple[str, str]]


def shown_examples(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Each example with the lines of its intent and of its request."""
    return [
        {
            "id": one.id,
            "intent": difference(one.before, one.after),
            "payload": difference(one.payload_before, one.payload_after),
            "was_valid": one.payload_before is not None,
        }
        for one in examples
    ]


def difference(before: Any, after: Any) -> Lines:
    """(`+`, `-` or ` `, text) of what changes, with two lines around it; empty if nothing does."""
    old, new = (
        [] if one is None else json.dumps(one, indent=2, ensure_ascii=False, sort_keys=True).splitlines() for one in (before, after)
    )
    lines = [line for line in difflib.unified_diff(old, new, n=2, lineterm="") if not line.startswith(("---", "+++"))]
    return [(" ", "…") if line.startswith("@@") else (line[0], line[1:]) for line in lines]
