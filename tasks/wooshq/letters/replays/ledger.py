"""Replays in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from wooshq.ledger.entry import Entry
from wooshq.ledger.keys import REPLAY_PARTS, Keys
from wooshq.ledger.replies import text
from wooshq.ledger.steps import RunScript, Steps, as_json
from wooshq.settings import Settings
from wooshq_schemas import MODEL_VERSION

PLAN_KEPT_MS: Final = 24 * 3600 * 1000
"""How long a plan is kept that nobody starts."""


@dataclass(frozen=True, slots=True)
class ReplayedLetter:
    """A letter as it was read. place: in its replay. dead_id: the intent that died last. edited: the edit that it was read with, or ''."""

    place: int
    letter_id: str
    dead_id: str
    edited: str = ""

    def as_list(self) -> list[Any]:
        return [self.place, self.letter_id, self.dead_id, self.edited]


@dataclass(frozen=True, slots=True)
class NewIntent:
    """An intent that letters become: one, or many that share a call. bulk: the job that all of them come from, or ''. token_of: see `Recipe`, or ''."""

    entry: Entry
    letters: Sequence[ReplayedLetter]
    bulk: str = ""
    token_of: str = ""

    def as_json(self) -> str:
        e = self.entry
        given = {"expires": e.expires_at_ms, "ttl": e.ttl_ms, "bulk": self.bulk or None, "token_of": self.token_of or None}
        return as_json(
            {
                "id": e.intent_id,
                "lane": e.lane,
                "app": e.application,
                "body": e.body,
                "letters": [letter.as_list() for letter in self.letters],
                **{name: value for name, value in given.items() if value is not None},
            }
        )


@dataclass(frozen=True, slots=True)
class NextLetters:
    """What `begin` does with the letters that come next. See begin.lua for each value."""

    fence: int
    next: int
    popped: int
    paced_at_ms: int
    due_at_ms: int
    intents: Sequence[NewIntent] = ()
    left_out: Sequence[tuple[int, str]] = ()


class ReplayLedger:
    """Every script that moves a replay. Makes steps; `run` and `arun` carry them out."""

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.namespace)
        self._retention_ms = int(settings.retention_s * 1000)
        self._dead_ms = int(settings.dead_retention_s * 1000)

    def plan(self, replay_id: str, fields: dict[str, Any]) -> Steps[int]:
        """Begin to plan a replay. Returns when, ms."""
        k = self.keys
        pairs = [part for name, value in fields.items() if value is not None for part in (name, value)]
        return int((yield RunScript("replays/plan", (k.replay(replay_id), k.fixed("replays")), (replay_id, PLAN_KEPT_MS, *pairs))))

    def choose(self, replay_id: str, before: int, letters: Sequence[tuple[str, str]]) -> Steps[bool]:
        """Add letters, each with why it is left out ('' if it is not). before: how many were added so far. False if someone else changed it."""
        keys = (self.keys.replay(replay_id), *self._parts(replay_id, "letters", "outcomes", "why"))
        lines = [f"{letter_id}\n{why}" if why else letter_id for letter_id, why in letters]
        return text((yield RunScript("replays/choose", keys, (before, PLAN_KEPT_MS, *lines)))) == "chosen"

    def hold(self, replay_id: str, first: int, last: int) -> Steps[bool]:
        """Hold the letters of these places, so that no other replay has them. False if the replay does not wait to be started."""
        keys = (self.keys.replay(replay_id), *self._parts(replay_id, "letters", "outcomes", "why"))
        return text((yield RunScript("replays/hold", keys, (replay_id, first, last)))) != "lost"

    def move(
        self, replay_id: str, event: Literal["start", "pause", "resume", "cancel"], why: str = "", by: str = ""
    ) -> Steps[tuple[str, bool]]:
        """Start, pause, resume or cancel: (the replay's state now or 'gone', whether this call moved it)."""
        k = self.keys
        others = self._parts(replay_id, *(part for part in REPLAY_PARTS if part != "outcomes"))
        keys = (k.replay(replay_id), *self._parts(replay_id, "outcomes"), k.fixed("replaying"), k.fixed("changes"), *others)
        state, moved = yield RunScript("replays/move", keys, (replay_id, event, why, by))
        return text(state), bool(moved)

    def judge(self, replay_id: str) -> Steps[str]:
        """End or stop the replay, if it must. Its state now, or 'gone'."""
        return text((yield RunScript("replays/judge", (self.keys.replay(replay_id),), ())))

    def begin(self, replay_id: str, wanted: NextLetters) -> Steps[tuple[bool, int]]:
        """
        Turn letters into intents. (False if the row has changed since it was read or the replay does not run: then nothing was done; letters
        that are intents now).
        """
        k = self.keys
        head = {
            "replay": replay_id,
            "fence": wanted.fence,
            "next": wanted.next,
            "popped": wanted.popped,
            "paced_at": wanted.paced_at_ms,
            "due_at": wanted.due_at_ms,
            "v": MODEL_VERSION,
            "left_out": [list(one) for one in wanted.left_out],
        }
        keys = (
            k.replay(replay_id),
            *self._parts(replay_id, "outcomes", "why", "flying", "again"),
            k.fixed("replaying"),
            k.fixed("expiry"),
            k.fixed("counts"),
        )
        answer = yield RunScript("replays/begin", keys, (as_json(head), *(one.as_json() for one in wanted.intents)))
        return text(answer[0]) == "begun", int(answer[1])

    def recall(self, replay_id: str, intent_ids: Sequence[str]) -> Steps[int]:
        """Take back intents that no worker holds, of a replay that does not run. How many letters were taken back."""
        k = self.keys
        fixed = [k.fixed(name) for name in ("due", "expiry", "counts")]
        keys = (k.replay(replay_id), *self._parts(replay_id, "flying", "again"), *fixed)
        return int((yield RunScript("replays/recall", keys, (replay_id, self._retention_ms, self._dead_ms, *intent_ids))))

    def follow(
        self, replay_id: str, intent_id: str, seen: int, *, most: int, unknown: Sequence[str] = (), apart: Sequence[str] | None = None
    ) -> Steps[int]:
        """
        Let letters of an intent that was sent for many follow its end. How many are left. seen: how many are left as the caller knows.

        unknown: letters whose recipients the API does not know. apart: the letters are tried again, in these calls (places, joined by commas).
        """
        k = self.keys
        keys = (
            k.replay(replay_id),
            *self._parts(replay_id, "flying", "again", "shared"),
            k.fixed("letters"),
            k.intent(intent_id),
            k.fixed("counts"),
        )
        rest = ("each", *unknown) if apart is None else ("apart", *apart)
        return int((yield RunScript("replays/follow", keys, (replay_id, intent_id, seen, most, self._retention_ms, self._dead_ms, *rest))))

    def tidy(self, replay_id: str) -> Steps[bool]:
        """Look no more at a replay that has ended. False if it has not."""
        keys = (self.keys.replay(replay_id), self.keys.fixed("replaying"), *self._parts(replay_id, *REPLAY_PARTS))
        return bool((yield RunScript("replays/tidy", keys, (replay_id, self._dead_ms))))

    def _parts(self, replay_id: str, *names: str) -> list[str]:
        return [self.keys.replay_part(replay_id, name) for name in names]
