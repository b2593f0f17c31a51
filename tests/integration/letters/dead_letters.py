"""Many dead letters at once, without the calls that they died of."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.rig import APPLICATION
from wooshq import Wooshq
from wooshq.intents.entry import new_id
from wooshq.ledger.states import Reason
from wooshq.ledger.steps import Request, Steps, Together
from wooshq.letters.replays.ledger import ReplayLedger

MANY: Final = int(os.environ.get("TEST_LETTERS", 600))
"""Letters of an incident. The issue asks for 40,000: `TEST_LETTERS=40000`."""


def of_a_wrong_preset(user: str) -> dict[str, Any]:
    return {"to": {"users": [user]}, "message": {"preset": "WRONG"}, "application": APPLICATION}


def letters_of(
    wooshq: Wooshq, users: Iterator[str] | list[str], intent: Callable[[str], dict[str, Any]] = of_a_wrong_preset, **given: Any
) -> list[str]:
    """File a dead letter for each user, the first one first. Returns their ids."""
    users = list(users)
    ids = sorted(new_id() for _ in users)  # letters of one millisecond are replayed in the order of their ids

    def file() -> Steps[None]:
        runs: list[Any] = []
        for letter_id, user in zip(ids, users, strict=True):
            said = {"reason": Reason.REJECTED, "detail": f"payload.preset: the preset is not known, request {letter_id}", **given}
            steps = wooshq.ledger.letters.file(
                letter_id, json.dumps(intent(user)), said["reason"], said["detail"], lane="transactional", application=APPLICATION
            )
            request: Request = next(steps)
            runs.append(request)
            if len(runs) == 500:
                yield Together(runs)
                runs = []
        if runs:
            yield Together(runs)

    wooshq.do(file())
    return ids


def users(n: int) -> list[str]:
    return [f"u{i}" for i in range(n)]


def replay_ledger(wooshq: Wooshq) -> ReplayLedger:
    return ReplayLedger(wooshq.settings)
