"""One thing that the doctor looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wooshq.ledger.replies import Result

Level = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Finding(Result):
    """One finding. mend: what to do; "" if nothing needs to be done."""

    what: str
    level: Level
    says: str
    mend: str = ""
