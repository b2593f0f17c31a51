"""How letters are replayed: the recipe that changes them, and the brakes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wooshq.errors import IntentInvalid, Problem
from wooshq.ledger.gates import EVERY, check_application
from wooshq.ledger.keys import LANES
from wooshq.letters.edit import as_read, merge
from wooshq.settings import Settings

OF_ONE_SENDING: Final = ("id", "idempotency_key")
"""Fields that a replay does not take over."""


TYPED_ABOVE: Final = 1000
"""A person who starts a replay of more letters types how many."""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    What a replay changes in every letter of a selection. The letters themselves stay as they are.

    application, lane: used instead of the letter's own. patch: a JSON merge patch (RFC 7396) of the intent, applied first. token: code of the
    application whose API token the workers use, not the letter's own; the token itself is only in the workers' settings. Raises ValueError,
    IntentInvalid.
    """

    application: str | None = None
    lane: str | None = None
    patch: Mapping[str, Any] | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is not None:
            if self.token == EVERY:
                raise ValueError("token: must be the code of an application. Its token is used")
            check_application(self.token)
        if self.lane is not None and self.lane not in LANES:
            raise ValueError(f"lane: must be one of {', '.join(LANES)}")
        if self.patch is None:
            return
        if not isinstance(self.patch, Mapping):
            raise IntentInvalid([Problem("", "must be an object", "A merge patch names the fields that change")])
        # What every letter's text is merged with is read once, as strictly as a text: `checked_values` does not look again.
        object.__setattr__(self, "patch", as_read(self.patch))
        forbidden = [name for name in OF_ONE_SENDING if name in self.patch]
        if forbidden:
            raise IntentInvalid([Problem(name, "cannot be changed by a recipe", "Every replay gets its own id") for name in forbidden])

    @property
    def changes_nothing(self) -> bool:
        return not self.patch and self.lane is None and self.application is None and self.token is None

    def applied(self, intent: dict[str, Any]) -> dict[str, Any]:
        """The intent that is sent instead. Without the fields that belong to one sending."""
        data = {name: value for name, value in intent.items() if name not in OF_ONE_SENDING}
        if self.patch:
            data = merge(data, self.patch)
        if self.lane is not None:
            data["lane"] = self.lane
        if self.application is not None:
            data["application"] = self.application
            request = data.get("request")
            if isinstance(request, dict):
                data["request"] = {k: {**v, "application": self.application} if isinstance(v, dict) else v for k, v in request.items()}
        return data

    def to_json(self) -> str:
        """As the replay's row keeps it."""
        return json.dumps(
            {"application": self.application, "lane": self.lane, "patch": self.patch, "token": self.token}, ensure_ascii=False
        )

    @classmethod
    def from_json(cls, kept: str) -> Recipe:
        return cls(**json.loads(kept))


@dataclass(frozen=True, slots=True)
class Brakes:
    """
    What holds a replay back. rate: API calls a second; None for as fast as the gates and limits allow.

    first: so many letters are sent first, and the rest only if not too many of them failed; 0 for no first slice. stop_at: the share of
    letters (0 to 1) that may fail again; above it the replay stops. Raises ValueError.
    """

    rate: float | None = None
    first: int = 100
    stop_at: float = 0.2

    def __post_init__(self) -> None:
        if self.rate is not None and not (_is_number(self.rate) and 0 < self.rate <= 1_000_000):
            raise ValueError("rate: must be more than 0 calls per second. Example: 10, or 0.5 for one call every two seconds")
        if isinstance(self.first, bool) or not isinstance(self.first, int) or not 0 <= self.first <= 1_000_000:
            raise ValueError("first: must be a number of letters, or 0 for no first slice. Example: 100")
        if not (_is_number(self.stop_at) and 0 <= self.stop_at <= 1):
            raise ValueError("stop_at: must be between 0 and 1; 1 never stops. Example: 0.05 for 5 %")

    @classmethod
    def of(cls, settings: Settings, rate: float | None, first: int | None = None, stop_at: float | None = None) -> Brakes:
        """Those that somebody wants. None: as the settings say. Raises ValueError."""
        return cls(rate, settings.replay_first if first is None else first, settings.replay_stop_at if stop_at is None else stop_at)

    @property
    def window(self) -> int:
        """After the first slice, the replay is judged whenever so many letters have ended."""
        return min(max(20, self.first), 1000)


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """
    How letters are replayed. dry_run: plan, and change nothing. start: False keeps the plan, to be started later.

    in_doubt: whether letters are taken whose recipient may have been reached (reasons `unknown` and `poison`); None takes those that are asked
    by id or by their reason. watch: called with the number of letters that were looked at so far.
    """

    recipe: Recipe = Recipe()
    brakes: Brakes = Brakes()
    dry_run: bool = False
    start: bool = True
    in_doubt: bool | None = None
    why: str = ""
    by: str | None = None
    watch: Callable[[int], object] = lambda looked: None
