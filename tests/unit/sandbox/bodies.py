"""Valid request bodies for the tests of the sandbox. A test changes the one field that it is about."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
#: Requests of the reference by file name. Its answers are in the same folder.
REQUESTS = {path.name: json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json")) if not path.name.startswith("answer-")}

MISSING = object()
"""As a value of `changed`: removes the field."""


def example(name: str) -> dict[str, Any]:
    """A copy of one of the reference's requests."""
    found: dict[str, Any] = copy.deepcopy(REQUESTS[f"{name}.json"])
    return found


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the body with one field set (MISSING: removed). path: names and indices, joined by dots; missing parents are created."""
    result = copy.deepcopy(body)
    *parents, last = [int(step) if step.isdigit() and len(step) < 2 else step for step in path.split(".")]
    at: Any = result
    for step in parents:
        at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
    if value is MISSING:
        del at[last]
    else:
        at[last] = value
    return result


def a_body(*users: str, application: str = "AAAAA-11111", text: str = "Hello") -> dict[str, Any]:
    """A transactional push."""
    body = example("transactional-users")
    body["transactional"]["application"] = application
    body["transactional"]["users"]["list"] = list(users or ("user-1",))
    body["transactional"]["payload"]["content"]["localized_content"]["en"]["ios"]["body"] = text
    return body
