"""Bodies for the sandbox's tests: right ones, which a test bends in the one place it is about."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
#: Requests of the reference by file name; its answers stand in the same folder.
REQUESTS = {path.name: json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json")) if not path.name.startswith("answer-")}

MISSING = object()
"""As a value of `bent`: the field is taken out."""


def example(name: str) -> dict[str, Any]:
    """A copy of one of the reference's requests."""
    found: dict[str, Any] = copy.deepcopy(REQUESTS[f"{name}.json"])
    return found


def bent(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with one field set (or, by MISSING, taken out). path: names and indices, joined by dots; steps that are missing are made."""
    made = copy.deepcopy(body)
    *way, last = [int(step) if step.isdigit() and len(step) < 2 else step for step in path.split(".")]
    at: Any = made
    for step in way:
        at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
    if value is MISSING:
        del at[last]
    else:
        at[last] = value
    return made


def a_body(*users: str, application: str = "AAAAA-11111", text: str = "Hello") -> dict[str, Any]:
    """A transactional push."""
    body = example("transactional-users")
    body["transactional"]["application"] = application
    body["transactional"]["users"]["list"] = list(users or ("user-1",))
    body["transactional"]["payload"]["content"]["localized_content"]["en"]["ios"]["body"] = text
    return body
