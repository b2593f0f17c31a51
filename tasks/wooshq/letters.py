"""Dead letters: finding them, grouping them, mending them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.errors import IntentInvalid, LetterUnknown, Problem
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import text as _text
from wooshq.ledger.states import LetterState, Reason
from wooshq.ledger.steps import Ask, Run, Steps
from wooshq.record import Record, moment
from wooshq.settings import Settings
from wooshq.statuses import as_row, attempts_of
from wooshq_schemas import MODEL_VERSION, Intent, parse_intent_json

_PLACE: Final = re.compile(r"\[\d+\]")

#: Letters looked at in one round trip.
_PAGE = 500
_FIELDS = (
    "id",
    "intent",
    "reason",
    "detail",
    "filed",
    "attempts",
    "lane",
    "app",
    "bulk",
    "replays",
    "state",
    "code",
    "note",
    "message_code",
)


@dataclass(frozen=True)
class Letter(Record):
    """One dead letter, as `dead list` shows it. attempts: how many calls were made for it, those of its replays included."""

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


@dataclass(frozen=True)
class WholeLetter(Record):
    """One dead letter, as `dead show` has it: with intent, payload and every attempt of it and of its replays."""

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
    intent: Any  #: what a replay would send: edited, if it was; a text where what came is no JSON
    payload: Any
    note: str | None
    message_code: str | None  #: of the replay that was sent


@dataclass(frozen=True)
class Group(Record):
    """Letters of one cause: an incident reads as a few of these."""

    reason: str
    detail: str
    application: str | None
    count: int
    first_at: str | None
    last_at: str | None


@dataclass(frozen=True)
class Filter:
    """
    Which letters. Every given part must fit; an empty one (`picks_all`) is never meant by accident.

    state: None or `any` for each. since, until: aware, of the last filing. tag: (name, value). recipient: an exact identifier.
    """

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

    def __post_init__(self) -> None:
        if self.state == "any":  # as the command line says it
            object.__setattr__(self, "state", None)
        for name, known in (("reason", tuple(Reason)), ("state", tuple(LetterState)), ("lane", ("transactional", "bulk"))):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise ValueError(f"{name}: there are {', '.join(known)}")
        for name in ("application", "lane", "campaign", "recipient", "bulk", "detail"):
            if getattr(self, name) == "":
                raise ValueError(f"{name}: must not be empty; leave it out to ask for any")
        if self.tag is not None and not self.tag[0]:
            raise ValueError("tag: its name must not be empty")
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise ValueError(f"{name}: needs a zone, as in 2026-05-01T09:00:00Z")

    @property
    def picks_all(self) -> bool:
        """Nothing narrows it (a state alone does not)."""
        return replace(self, state=None) == Filter()

    @property
    def asks_the_intent(self) -> bool:
        """Whether the intent's text must be read to decide."""
        return any(part is not None for part in (self.campaign, self.tag, self.recipient))

    def fits(self, letter: Letter) -> bool:
        """Whether what the letter itself says fits."""
        at = datetime.fromtimestamp(letter.filed_ms / 1000, UTC)
        return (
            (not self.ids or letter.id in self.ids or letter.intent_id in self.ids)
            and self.reason in (None, letter.reason)
            and self.application in (None, letter.application)
            and self.lane in (None, letter.lane)
            and self.bulk in (None, letter.bulk_id)
            and self.detail in (None, letter.detail, without_places(letter.detail))
            and self.state in (None, letter.state)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )

    def fits_intent(self, body: str) -> bool:
        """Whether the intent's text fits."""
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
            and (self.recipient is None or self.recipient in recipients_of(data))
        )


def recipients_of(data: Mapping[str, Any]) -> set[str]:
    """Identifiers in an intent's JSON, whatever is wrong with the rest of it."""
    found: set[str] = set()
    inner = _inner(data)
    to = data.get("to")
    for place in (to if isinstance(to, Mapping) else {}, inner):
        for kind in ("users", "hwids", "push_tokens", "test_devices"):
            some = place.get(kind)
            some = some.get("list") if isinstance(some, Mapping) else some
            found |= {one for one in some if isinstance(one, str)} if isinstance(some, list) else set()
    return found


def _inner(data: Mapping[str, Any]) -> Mapping[str, Any]:
    request = data.get("request")
    if isinstance(request, Mapping):
        for kind in ("transactional", "segment"):
            if isinstance(request.get(kind), Mapping):
                return request[kind]  # type: ignore[no-any-return]
    return {}


def find(keys: Keys, wanted: Filter, *, most: int | None = None) -> Steps[list[Letter]]:
    """
    Letters that fit, the newest first, at most `most`. Reads the letters in pages: memory grows with what fits, not with what there is.
    """
    found: list[Letter] = []
    if wanted.ids:
        for some in pages(list(wanted.ids)):
            found += yield from _fitting(keys, (yield from _resolve(keys, some)), wanted)
        unique = {letter.id: letter for letter in found}
        return list(unique.values())[:most]
    low = "-inf" if wanted.since is None else int(wanted.since.timestamp() * 1000)
    high: str | int = "+inf" if wanted.until is None else f"({int(wanted.until.timestamp() * 1000)}"
    at = 0
    while most is None or len(found) < most:
        ids = (yield Ask([("ZREVRANGEBYSCORE", keys.fixed("letters"), high, low, "LIMIT", at, _PAGE)]))[0]
        if not ids:
            break
        at += len(ids)
        found += yield from _fitting(keys, [_text(i) for i in ids], wanted)
    return found[:most]


def _resolve(keys: Keys, ids: Sequence[str]) -> Steps[list[str]]:
    """Letter ids; an intent's id stands for the letter that it is a replay of, or its own."""
    answer = yield Ask([("HGET", keys.intent(i), "letter") for i in ids])
    return [i if letter is None else _text(letter) for i, letter in zip(ids, answer, strict=True)]


def _fitting(keys: Keys, ids: Sequence[str], wanted: Filter) -> Steps[list[Letter]]:
    if not ids:
        return []
    rows = yield Ask([("HMGET", keys.letter(i), *_FIELDS) for i in ids])
    letters = [_letter(dict(zip(_FIELDS, map(_maybe, row), strict=True))) for row in rows if row[0] is not None]
    letters = [letter for letter in letters if wanted.fits(letter)]
    if letters and wanted.asks_the_intent:
        bodies = yield from bodies_of(keys, letters)
        letters = [letter for letter, kept in zip(letters, bodies, strict=True) if kept is not None and wanted.fits_intent(kept.body)]
    return letters


@dataclass(frozen=True, slots=True)
class Kept:
    """What a replay would send. version: of the models that wrote it. edited: it is a person's edit, not the intent's own body."""

    body: str
    version: int
    edited: bool


def bodies_of(keys: Keys, letters: Sequence[Letter]) -> Steps[list[Kept | None]]:
    """What a replay of each would send: its edited body, else the intent's own."""
    asked = yield Ask(
        [
            command
            for letter in letters
            for command in (("HMGET", keys.letter(letter.id), "edited", "v"), ("HMGET", keys.intent(letter.intent_id), "body", "v"))
        ]
    )
    found: list[Kept | None] = []
    for edited, own in zip(asked[::2], asked[1::2], strict=True):
        is_edited = edited[0] is not None
        body, version = edited if is_edited else own
        found.append(None if body is None else Kept(_text(body), int(version or 1), is_edited))
    return found


def without_places(detail: str) -> str:
    """What was said, wherever in a list it was: `users.list[n]: is not valid`."""
    return _PLACE.sub("[n]", detail)


def groups(keys: Keys, wanted: Filter) -> Steps[list[Group]]:
    """Letters that fit, by reason, detail and application, the largest group first; a place in a list (`[17]`) tells none apart."""
    made: dict[tuple[str, str, str | None], list[int]] = {}
    for letter in (yield from find(keys, wanted)):
        detail = without_places(letter.detail)
        made.setdefault((letter.reason, detail, letter.application), []).append(letter.filed_ms)
    out = [Group(*key, len(times), moment(min(times)), moment(max(times))) for key, times in made.items()]
    return sorted(out, key=lambda g: (-g.count, g.reason, g.detail))


def show(keys: Keys, letter_id: str) -> Steps[WholeLetter]:
    """Everything about one letter. letter_id: the letter's, or that of any intent of its lineage. Raises LetterUnknown."""
    letter_id = (yield from _resolve(keys, [letter_id]))[0]
    row = as_row((yield Ask([("HGETALL", keys.letter(letter_id))]))[0])
    if not row:
        raise LetterUnknown("no dead letter has this id: it may be mistyped, purged, or its intent never died")
    letter = _letter(row)
    lineage = [letter_id, *letter.replays]
    rows = [as_row(r) for r in (yield Ask([("HGETALL", keys.intent(i)) for i in lineage]))]
    body = row.get("edited") or next((r["body"] for i, r in zip(lineage, rows, strict=True) if i == letter.intent_id and r), None)
    shown = {**letter, "attempts": [a for r in rows for a in attempts_of(r)]}
    return WholeLetter(
        **shown,
        intent=_json_or_text(body),
        payload=_json_or_text(row.get("payload")),
        note=row.get("note") or None,
        message_code=row.get("message_code"),
    )


def edit(keys: Keys, settings: Settings, letter_id: str, patch: Mapping[str, Any]) -> Steps[tuple[Any, Any]]:
    """
    Change what a replay will send, by JSON merge patch (RFC 7396). (before, after): the intents.

    The result is validated whole. `id` and the lineage cannot be patched. Raises LetterUnknown, IntentInvalid (nothing changed).
    """
    if not isinstance(patch, Mapping):
        raise IntentInvalid([Problem("", "must be an object", "A merge patch names the fields that change")])
    forbidden = [name for name in ("id", "idempotency_key") if name in patch]
    if forbidden:
        raise IntentInvalid([Problem(name, "cannot be changed by an edit", "A replay gets an id of its own") for name in forbidden])
    letter = yield from show(keys, letter_id)
    kept = (yield Ask([("HGET", keys.letter(letter.id), "edited")]))[0]
    before = letter.intent if isinstance(letter.intent, dict) else {}
    after = merge(before, patch)
    body = checked({k: v for k, v in after.items() if k not in ("id", "idempotency_key")}, settings).to_json()
    answer = _text((yield Run("edit", (keys.letter(letter.id),), (body, _maybe(kept) or "", MODEL_VERSION))))
    if answer == "gone":
        raise LetterUnknown("the letter was purged meanwhile")
    if answer != "edited":
        raise IntentInvalid([Problem("", f"the letter is {answer.removeprefix('taken ')}, so it cannot be edited now", "Look at it again")])
    return letter.intent, json.loads(body)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    out = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge(out.get(name), value)
    return out


def checked(data: Any, settings: Settings) -> Intent:
    """An intent that was stored, held against today's models. `now` is not given: a schedule in the past then means at once."""
    text = json.dumps(data, ensure_ascii=False)
    return parse_intent_json(text, application=settings.application, list_limit=settings.list_limit, platforms=settings.platform_table)


@dataclass(frozen=True)
class Discarded(Record):
    """What `discard` did, or with `dry_run` would do."""

    selected: int
    discarded: int
    skipped: int


def discard(keys: Keys, wanted: Filter, *, why: str = "", dry_run: bool = False) -> Steps[Discarded]:
    """Say of letters that they need not be sent. They stay to be seen until their retention ends. Raises ValueError for an empty filter."""
    if wanted.picks_all:
        raise ValueError("an empty filter would discard every letter; name ids, a reason, an application, a time or another filter")
    letters = yield from find(keys, wanted)
    done = 0
    for letter in letters:
        if letter.state != LetterState.OPEN:  # the script would take a letter that is discarded already for its own first run
            continue
        done += dry_run or _text((yield Run("discard", (keys.letter(letter.id),), (why,)))) == "discarded"
    return Discarded(len(letters), done, len(letters) - done)


def _letter(row: Mapping[str, str | None]) -> Letter:
    return Letter(
        id=row.get("id") or "",
        intent_id=row.get("intent") or "",
        reason=row.get("reason") or "",
        detail=row.get("detail") or "",
        filed_at=moment(row.get("filed")),
        attempts=int(row.get("attempts") or 0),
        lane=row.get("lane") or "",
        application=row.get("app") or None,
        bulk_id=row.get("bulk") or None,
        replays=(row.get("replays") or "").split(),
        state=row.get("state") or "",
        filed_ms=int(float(row.get("filed") or 0)),
    )


def pages(items: Sequence[Any], size: int = _PAGE) -> Iterator[Any]:
    """`items` in sequences of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _json_or_text(body: str | None) -> Any:
    if body is None:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body


def _maybe(value: Any) -> str | None:
    return None if value is None else _text(value)
