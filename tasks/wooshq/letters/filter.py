"""Which dead letters a call is about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypedDict

from wooshq.ledger.states import LetterState, Reason
from wooshq.letters.letter import Letter
from wooshq_schemas.recipient_lists import recipients_in_intent

_PLACE: Final = re.compile(r"\[\d+\]")
#: Numbers of an incident or a request: long ones only, because a short one may be the code of a preset.
_OF_ONE_ANSWER: Final = re.compile(r"\b(?=[0-9a-fA-F-]*\d)[0-9a-fA-F-]{12,}\b")


class Conditions(TypedDict, total=False):
    """
    The filter of dead letters, as keyword arguments. A letter must meet every condition that is given.

    To add a condition: a key here, a field and a check in `Filter`, an option in `wooshq_worker.cli.filters`.
    """

    reason: str | None  #: one of `Reason`
    application: str | None
    lane: str | None
    since: datetime | None  #: aware; filed at this time or later
    until: datetime | None  #: aware; filed before this time
    campaign: str | None
    tag: tuple[str, str] | None  #: (name, value) of a tag of the intent
    recipient: str | None  #: an exact identifier
    bulk: str | None  #: a job's id
    detail: str | None  #: the exact detail, as a letter or a group shows it
    state: str | None  #: one of `LetterState`; `any` or None for all


class ConditionsAndIds(Conditions, total=False):
    """`Conditions`, and the ids of letters (an intent's id stands for its letter)."""

    ids: Sequence[str]


@dataclass(frozen=True)
class Filter:
    """Which letters. A letter must meet every condition that is given; see `Conditions`. ids: empty for any."""

    ids: Sequence[str] = ()
    reason: str | None = None
    application: str | None = None
    lane: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    campaign: str | None = None
    tag: tuple[str, str] | None = None
    recipient: str | None = None
    bulk: str | None = None
    detail: str | None = None
    state: str | None = None

    @classmethod
    def to_change(cls, ids: Sequence[str], conditions: Conditions) -> Filter:
        """The letters that a call changes: those of `ids`, or the open ones (unless a state is given) that meet the conditions."""
        wanted = cls(ids=ids, **conditions)
        return wanted if ids or "state" in conditions else replace(wanted, state=LetterState.OPEN)

    def __post_init__(self) -> None:
        if self.state == "any":
            object.__setattr__(self, "state", None)
        for name, known in (("reason", tuple(Reason)), ("state", tuple(LetterState)), ("lane", ("transactional", "bulk"))):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise ValueError(f"{name}: must be one of {', '.join(known)}")
        for name in ("application", "lane", "campaign", "recipient", "bulk", "detail"):
            if getattr(self, name) == "":
                raise ValueError(f"{name}: must not be empty; leave it out to match every letter")
        if self.tag is not None and not self.tag[0]:
            raise ValueError("tag: the name must not be empty")
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise ValueError(f"{name}: needs a time zone. Example: 2026-05-01T09:00:00Z")

    @property
    def picks_all(self) -> bool:
        """Whether it picks every letter: no condition is given but a state. A call that changes letters refuses such a filter."""
        return replace(self, state=None) == Filter()

    @property
    def asks_the_intent(self) -> bool:
        """Whether the intent's body must be read to decide."""
        return any(part is not None for part in (self.campaign, self.tag, self.recipient))

    @property
    def in_words(self) -> str:
        """The selection for a person and the record, with absolute times. It does not name a recipient: the record outlives the letters."""
        return " ".join(self._parts()) or "every letter"

    def _parts(self) -> Iterator[str]:
        if self.ids:
            yield f"{len(self.ids)} ids" if len(self.ids) > 3 else "id:" + ",".join(self.ids)
        if self.recipient is not None:
            yield "recipient:(one)"
        for name in ("reason", "application", "lane", "campaign", "bulk", "detail", "state"):
            if (value := getattr(self, name)) is not None and not (name == "state" and value == LetterState.OPEN):
                yield f'{name}:"{value}"' if " " in value else f"{name}:{value}"
        if self.tag is not None:
            yield f"tag.{self.tag[0]}:{self.tag[1]}"
        for name in ("since", "until"):
            if (at := getattr(self, name)) is not None:
                yield f"{name}:{at.astimezone(UTC).isoformat(timespec='seconds').replace('+00:00', 'Z')}"

    def fits(self, letter: Letter) -> bool:
        """Whether the letter meets the conditions on its own fields."""
        at = datetime.fromtimestamp(letter.filed_ms / 1000, UTC)
        return (
            (not self.ids or letter.id in self.ids or letter.intent_id in self.ids)
            and self.reason in (None, letter.reason)
            and self.application in (None, letter.application)
            and self.lane in (None, letter.lane)
            and self.bulk in (None, letter.bulk_id)
            and self.detail in (None, letter.detail, comparable(letter.detail))
            and self.state in (None, letter.state)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )

    def fits_intent(self, body: str) -> bool:
        """Whether the intent meets the conditions on its body (campaign, tag, recipient)."""
        try:
            data = json.loads(body)
        except ValueError:
            return False
        if not isinstance(data, dict):
            return False
        inner = _inner(data)
        campaign = data.get("campaign", inner.get("campaign"))
        return (
            (self.campaign is None or campaign == self.campaign)
            and (self.tag is None or (data.get("tags") or {}).get(self.tag[0]) == self.tag[1])
            and (self.recipient is None or self.recipient in recipients_in_intent(data))
        )


def _inner(data: Mapping[str, Any]) -> Mapping[str, Any]:
    request = data.get("request")
    if isinstance(request, Mapping):
        for kind in ("transactional", "segment"):
            if isinstance(request.get(kind), Mapping):
                return request[kind]  # type: ignore[no-any-return]
    return {}


def comparable(detail: str) -> str:
    """A detail without what differs from answer to answer, so that letters with the same cause compare equal: `users.list[n]: is not valid`."""
    return _OF_ONE_ANSWER.sub("#", _PLACE.sub("[n]", detail))
