"""Which act fits dead letters with the same cause: a table, from the verdict that each reason comes from. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wooshq.ledger.states import Reason


class Act(StrEnum):
    """What a person does with dead letters."""

    FIX = "fix and replay"
    REPLAY = "replay"
    WAIT = "wait for the gate, then replay"
    CLEAN = "clean the list"
    ASK = "find out who got it"
    DISCARD = "discard"


MEANS: Final[Mapping[Act, str]] = {
    Act.FIX: "the message is at fault: change it (`dead replay --patch`), or what it names in Pushwoosh; then replay",
    Act.REPLAY: "the message is fine, and nothing holds it back now: replay",
    Act.WAIT: "the message is fine, and the API is not: replay when the gate of the application is open (`wooshq gates`)",
    Act.CLEAN: "the recipient is at fault: take it out of your list, and discard",
    Act.ASK: "the recipient may have received the message: find out, then discard, or replay with `--in-doubt`",
    Act.DISCARD: "its `expires_at` has come, so it is too late: discard",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. about_recipients: only if the detail names a recipient. The first row that fits counts."""

    reason: Reason
    act: Act
    why: str
    about_recipients: bool = False


TABLE: Final[tuple[Row, ...]] = (
    Row(Reason.INVALID, Act.FIX, "it does not pass wooshq's own validation"),
    Row(Reason.TOO_LARGE, Act.FIX, "verdict `dead (too_large)`: the API does not accept a message of this size"),
    Row(Reason.REJECTED, Act.CLEAN, "verdict `dead (rejected)`, and the answer names the recipient", about_recipients=True),
    Row(Reason.REJECTED, Act.FIX, "verdict `dead (rejected)`: the API refuses this message"),
    Row(Reason.EXHAUSTED, Act.WAIT, "verdict `retry` for all of `WOOSHQ_MAX_AGE_S`; without a shut gate the act is `replay`"),
    Row(Reason.UNKNOWN, Act.ASK, "verdict `unknown`: no answer says whether it was accepted"),
    Row(Reason.POISON, Act.ASK, "workers were lost while they sent it"),
)

_RECIPIENTS: Final = re.compile(r"\b(?:users|hwids|push_tokens|test_devices|recipients?|identifiers?)\b|\bdevice token\b", re.IGNORECASE)


def act_for(reason: str, detail: str, *, has_expired: bool, gate_is_shut: bool) -> Act | None:
    """
    The act that fits; None for a reason of a newer version. has_expired: its `expires_at` has come. gate_is_shut: a gate of its application
    holds calls back now.
    """
    if has_expired:
        return Act.DISCARD
    for row in TABLE:
        fits = row.reason == reason and (not row.about_recipients or _RECIPIENTS.search(detail) is not None)
        if fits:
            return Act.REPLAY if row.act is Act.WAIT and not gate_is_shut else row.act
    return None
