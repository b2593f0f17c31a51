"""How a job is to run: its rate, and the steps of its roll-out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

EVERYBODY: Final = 10**15
"""The last step of a roll-out: more recipients than any job has."""
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%")


@dataclass(frozen=True, slots=True)
class JobRules:
    """
    How a job is to run. rate: calls a second; None for as fast as the application may.

    rollout: for each step of the roll-out, how many recipients in all may have been sent to at its end; the last step is for everybody.
    stop_at: the share of a step's recipients (0 to 1) that may be dead or in doubt; above it the job stops. step_wait_s: seconds after
    which the next step starts by itself; None if a person starts it.

    Raises ValueError for values out of range or rules that contradict each other.
    """

    rate: float | None = None
    rollout: Sequence[int] = ()
    stop_at: float | None = None
    step_wait_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("rate", "stop_at", "step_wait_s"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value)):
                raise ValueError(f"{name}: must be a number. Example: 0.05, or 100")
        if self.rate is not None and not 0 < self.rate <= 1_000_000:
            raise ValueError("rate: must be more than 0 calls per second. Example: 100, or 0.5 for one call every two seconds")
        if self.stop_at is not None and not 0 <= self.stop_at < 1:
            raise ValueError("stop_at: must be at least 0 and less than 1. Example: 0.05 for 5 %")
        if self.step_wait_s is not None and self.step_wait_s < 0:
            raise ValueError("step_wait_s: must be 0 seconds or more")
        if list(self.rollout) != sorted(set(self.rollout)) or any(step < 1 for step in self.rollout):
            raise ValueError("steps: each step must be larger than the one before it. Example: 1%,10%,100%")
        if not self.rollout and (self.stop_at is not None or self.step_wait_s is not None):
            raise ValueError("stop_at and step_wait_s need steps. Example: steps 1%,10%,100%")


def rollout_of(steps: str | Sequence[int | str], total: int | None) -> tuple[int, ...]:
    """
    The steps of a roll-out as numbers of recipients. steps: `1%,10%,100%`, `500,5000`, or a list of such parts. total: recipients in
    all, for percentages.

    A last step for everybody is added if it is missing. Raises ValueError for a step that cannot be read, or a percentage without a total.
    """
    parts = [part.strip() for part in steps.split(",")] if isinstance(steps, str) else list(steps)
    percents = [float(found[1]) for part in parts if not isinstance(part, int) and (found := _PERCENT.fullmatch(str(part)))]
    if percents != sorted(set(percents)) or any(not 0 < percent <= 100 for percent in percents):
        raise ValueError("steps: a percentage must be more than 0, at most 100, and larger than the one before it. Example: 1%,10%,100%")
    numbers = [_recipients_of(part, total) for part in parts]
    if numbers and numbers[-1] < EVERYBODY:
        numbers.append(EVERYBODY)
    return tuple(dict.fromkeys(numbers))


def _recipients_of(part: int | str, total: int | None) -> int:
    if isinstance(part, int) and not isinstance(part, bool):
        return part
    if found := _PERCENT.fullmatch(str(part)):
        if float(found[1]) >= 100:
            return EVERYBODY
        if total is None:
            raise ValueError("steps: percentages need the total number of recipients. Give total, or use numbers of recipients instead")
        return max(1, int(total * float(found[1]) / 100))
    if str(part).isdecimal():
        return int(part)
    raise ValueError("steps: cannot be understood. Use percentages such as 1%,10%,100% or numbers of recipients such as 500,5000")
