"""What comes out: a call was sent, must be retried, is dead, must be held, or is unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from wooshq_schemas import Refused


@dataclass(frozen=True, slots=True)
class Sent:
    """The API accepted the message and gave it a code."""

    outcome: ClassVar[Literal["sent"]] = "sent"
    message_code: str
    unknown_identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """
    The message was not accepted; another attempt may succeed.

    code: for machines (`UNAVAILABLE`, `HTTP_502`, `REFUSED`). not_before_s: seconds from now that the API asked for, capped.
    application_waits: every call of the application has to wait, not only this message (429, 425).
    costs_attempt: False if the fault is this worker's own and nothing was tried.
    """

    outcome: ClassVar[Literal["retry"]] = "retry"
    code: str
    detail: str
    not_before_s: float | None = None
    application_waits: bool = False
    costs_attempt: bool = True


@dataclass(frozen=True, slots=True)
class Dead:
    """
    The API will never accept this message.

    refused: the API's own envelope, not scrubbed; it never leaves this process. by_api: False if something else may have written the
    answer (a firewall's page, no body at all): then it does not show that the API answers.
    """

    outcome: ClassVar[Literal["dead"]] = "dead"
    reason: Literal["rejected", "too_large"]
    code: str
    detail: str
    refused: Refused | None = field(default=None, compare=False, repr=False)
    by_api: bool = True


@dataclass(frozen=True, slots=True)
class Hold:
    """The message itself is fine: a gate shuts, and the message waits without an attempt being counted."""

    outcome: ClassVar[Literal["hold"]] = "hold"
    gate: Literal["circuit", "token", "application"]
    code: str
    detail: str
    not_before_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """
    The request was sent, and no answer says whether it was accepted: `on_unknown` decides. not_before_s: as in Retry.

    understood: False if a whole answer came. Then it was no accident of the network, and the next call will probably get the same answer.
    """

    outcome: ClassVar[Literal["unknown"]] = "unknown"
    code: str
    detail: str
    not_before_s: float | None = None
    understood: bool = True

    @property
    def doubt(self) -> str:
        """Why the recipients are in doubt, as it is recorded and shown."""
        answer = "no answer says" if self.understood else "the answer does not say"
        return f"{self.code}: the request was sent, but {answer} whether it was accepted"


Verdict: TypeAlias = Sent | Retry | Dead | Hold | Unknown
