"""A dead letter, as the calls return it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from wooshq.ledger.replies import Result

EXACT_PEOPLE: Final = 100
"""The people of a cause up to which their number is not only an estimate."""


@dataclass(frozen=True)
class Letter(Result):
    """One dead letter, as `dead list` shows it. attempts: calls made for it and for its replays."""

    id: str
    intent_id: str
    reason: str
    detail: str
    filed_at: str | None
    attempts: int
    lane: str
    application: str | None
    bulk_id: str | None
    replays: list[str]
    state: str
    filed_ms: int = field(default=0, metadata={"shown": False})
    vain: int = field(default=0, metadata={"shown": False})
    """How many of its replays failed."""
    held_by: str = field(default="", metadata={"shown": False})
    """The replay that it is in, and its place there; '' for none. A replay that has ended does not hold it any more."""
    code: str = field(default="", metadata={"shown": False})
    """Of the last answer: the API's, or an HTTP status."""


@dataclass(frozen=True)
class WholeLetter(Result):
    """One dead letter, as `dead show` prints it: with intent, payload, and every attempt of the intent and its replays."""

    id: str
    intent_id: str
    reason: str
    detail: str
    filed_at: str | None
    attempts: list[dict[str, Any]]
    lane: str
    application: str | None
    bulk_id: str | None
    replays: list[str]
    state: str
    intent: Any  #: the intent that a replay would send, with edits; a text if it is not JSON
    payload: Any
    note: str | None
    message_code: str | None  #: of the replay that was sent, if there is one


@dataclass(frozen=True)
class Group(Result):
    """
    Letters with the same cause. An incident is a few of these. act: what fits, see `wooshq.letters.acts`. example: id of the newest letter.

    cause: its id, for a query (`cause:…`), and to ignore it. people: about how many people these letters name: above `EXACT_PEOPLE` an estimate, to some 2 %; None if only some letters of
    the cause were asked for. line: letters that were filed in each half hour of the last day, the oldest first. state: `open`, `ignored` (until
    ignored_until, by ignored_by, ignored_why), `back again` (since back_at: there were none, or somebody ignored them) or `empty`.
    """

    reason: str
    detail: str
    application: str | None
    count: int
    first_at: str | None
    last_at: str | None
    act: str | None = None
    example: str | None = None
    cause: str = ""
    people: int | None = None
    line: tuple[int, ...] = ()
    state: str = "open"
    back_at: str | None = None
    ignored_until: str | None = None
    ignored_by: str | None = None
    ignored_why: str | None = None
