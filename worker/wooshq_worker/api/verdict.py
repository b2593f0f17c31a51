"""What became of a call: sent, retry, dead, hold or unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from wooshq_schemas import Refused

# ── What comes out ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Sent:
    """The API accepted the message and gave it a code."""

    outcome: ClassVar[Literal["sent"]] = "sent"
    message_code: str
    unknown_identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """
    It was not accepted, and another attempt may do.

    code: machine-readable (`UNAVAILABLE`, `HTTP_502`, `REFUSED`). not_before_s: seconds from now that the API asked for, capped.
    application_waits: 429 and its like: every call of the application has to wait, not only this message.
    costs_attempt: False where the fault is our own and nothing was tried.
    """

    outcome: ClassVar[Literal["retry"]] = "retry"
    code: str
    detail: str
    not_before_s: float | None = None
    application_waits: bool = False
    costs_attempt: bool = True


@dataclass(frozen=True, slots=True)
class Dead:
    """This message will never do. refused: the API's own envelope, unscrubbed, where there is one; it stays in this process."""

    outcome: ClassVar[Literal["dead"]] = "dead"
    reason: Literal["rejected", "too_large"]
    code: str
    detail: str
    refused: Refused | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is wrong with this message: a gate shuts, and the message waits without an attempt being counted."""

    outcome: ClassVar[Literal["hold"]] = "hold"
    gate: Literal["circuit", "token", "application"]
    code: str
    detail: str
    not_before_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request left, and nothing tells whether the message was accepted: `on_unknown` decides. not_before_s: as in Retry."""

    outcome: ClassVar[Literal["unknown"]] = "unknown"
    code: str
    detail: str
    not_before_s: float | None = None

    @property
    def doubt(self) -> str:
        """Why the recipients are in doubt, as it is recorded and shown."""
        return f"{self.code}: the request was sent, but no answer says whether it was accepted"


Verdict: TypeAlias = Sent | Retry | Dead | Hold | Unknown
