"""One ended thing as the history keeps it, made from the ledger's rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from wooshq.intents.status import attempts_of, ended_status
from wooshq.jobs.show import ended_job
from wooshq.ledger.states import State
from wooshq.letters.gone import LISTED
from wooshq.letters.letter import Letter
from wooshq.letters.read import letter_of
from wooshq.search.content import Content

Kind: TypeAlias = Literal["intent", "letter", "job"]

_JOB_NUMBERS: Final = ("cancelled", "refused", "duplicates", "calls_needed", "workers_lost", "application", "campaign", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    One ended intent, letter or job. `kind` and `id` together name it: a letter has the id of the intent that died first.

    ended_ms, changed_ms: when it ended and when it last moved, ms since the epoch, the ledger's clock; of two writes the one with the newer
    `changed_ms` stays. accepted_ms: 0 if unknown. status, code: of the last answer; 0 and "" without one. job: the job that it came from.
    letter: of an intent, the letter that it became or that it is a replay of. key: the idempotency key. doubts: why a person may have got it
    twice, one cause each. body: the intent or the template, JSON; payload: of a letter, JSON; both "" if unknown or not kept.
    shown: the JSON object of `status`, `dead show` (without intent and payload) or `bulk show`, with attempts; of a letter also LISTED.
    """

    kind: Kind
    id: str
    state: str
    ended_ms: int
    changed_ms: int
    accepted_ms: int = 0
    reason: str = ""
    status: int = 0
    code: str = ""
    app: str = ""
    lane: str = ""
    job: str = ""
    campaign: str = ""
    key: str = ""
    letter: str = ""
    recipients: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    doubts: tuple[str, ...] = ()
    body: str = ""
    payload: str = ""
    shown: Mapping[str, Any]

    @property
    def said(self) -> str:
        """What the API and wooshq said about it, one text a line. Without repeats: the same refusal of ten attempts is one text."""
        attempts = self.shown.get("attempts") or ()
        texts = [self.shown.get("detail"), self.shown.get("note"), *(attempt.get("error") for attempt in attempts)]
        return "\n".join(dict.fromkeys(text for text in texts if text))

    @property
    def sent_texts(self) -> str:
        """The texts of the message, one a line; "" if the body is not kept."""
        return "\n".join(Content(self.body).texts())


def intent_record(intent_id: str, row: Mapping[str, str], *, changed_ms: int | None = None, doubts: Sequence[str] = ()) -> Record:
    """
    The record of an intent that has ended, from its whole row (see `as_row`). changed_ms: of its newest move, if that is not its end: a sent
    intent can be cancelled later. doubts: the causes in the stream of doubts; without them, the row only says that there are some.
    """
    shown = dict(vars(ended_status(intent_id, row)))
    ended_ms = int(float(row.get("ended") or 0))
    letter = row.get("letter") or (intent_id if row["state"] == State.DEAD else "")
    return _record(
        "intent",
        intent_id,
        row,
        row.get("body", ""),
        shown,
        ended_ms=ended_ms,
        changed_ms=ended_ms if changed_ms is None else changed_ms,
        accepted_ms=int(float(row.get("at") or 0)),
        doubts=tuple(doubts) or (("unknown",) if int(row.get("doubts") or 0) else ()),
        letter=letter,
    )


def letter_record(letter: Mapping[str, str], intents: Sequence[Mapping[str, str]], *, changed_ms: int) -> Record:
    """
    The record of a letter that is closed or discarded (or leaves because its time is over), from its row. intents: the rows of its intent
    and of its replays, oldest first; {} for one that is gone. changed_ms: when that happened.
    """
    found = letter_of(letter)
    died = dict(zip((found.id, *found.replays), intents, strict=False)).get(found.intent_id) or {}
    body = letter.get("edited") or died.get("body") or next((row["body"] for row in reversed(intents) if row.get("body")), "")
    shown = {
        **found,
        "attempts": [attempt for row in intents for attempt in attempts_of(row)],
        "note": letter.get("note") or None,
        "message_code": letter.get("message_code"),
        LISTED: _listed(letter, found, died),
    }
    record = _record(
        "letter", found.id, letter, body, shown, ended_ms=changed_ms, changed_ms=changed_ms, accepted_ms=found.filed_ms, letter=found.id,
        payload=letter.get("payload", ""),
    )  # fmt: skip
    first = intents[0].get("body", "") if intents else ""
    return record if record.key else replace(record, key=Content(first).key)  # a replay has no key of its own


def _listed(row: Mapping[str, str], letter: Letter, died: Mapping[str, str]) -> dict[str, Any]:
    """What lists and filters say of a letter, and `dead show` does not. died: the row of the intent that died last."""
    attempts = attempts_of(died)
    last = attempts[-1] if attempts else {}
    return {
        "attempts": letter.attempts,
        "vain": letter.vain,
        "held_by": letter.held_by,
        "code": letter.code,
        "http_status": str(last.get("http_status") or ""),
        "error": last.get("error") or "",
        "edited": "edited" in row,
        "version": int((row if "edited" in row else died).get("v") or 1),
    }


def job_record(job_id: str, row: Mapping[str, str], *, changed_ms: int | None = None) -> Record:
    """The record of a job that has ended, from its row. changed_ms: of its newest move, if that is not its end: its letters can be sent later."""
    job = ended_job(job_id, row)
    ended_ms = int(float(row.get("ended") or 0))
    return _record(
        "job",
        job_id,
        {**row, "lane": "bulk"},
        row.get("template", ""),
        {**job, **{name: getattr(job, name) for name in _JOB_NUMBERS}},
        ended_ms=ended_ms,
        changed_ms=ended_ms if changed_ms is None else changed_ms,
        accepted_ms=int(float(row.get("at") or 0)),
        doubts=("unknown",) if job.unknown else (),
    )


def _record(kind: Kind, of: str, row: Mapping[str, str], body: str, shown: Mapping[str, Any], **more: Any) -> Record:
    content = Content(body)
    attempts = shown.get("attempts") or ()
    last = attempts[-1] if attempts else {}
    return Record(
        kind=kind,
        id=of,
        state=row["state"],
        reason=row.get("reason", ""),
        status=int(last.get("http_status") or 0),
        code=last.get("code") or row.get("code", "") if kind == "letter" else last.get("code") or "",
        app=row.get("app", ""),
        lane=row.get("lane", ""),
        job=row.get("bulk", ""),
        campaign=content.campaign or row.get("campaign", ""),
        key=content.key,
        recipients=content.recipients,
        tags=content.tags,
        body=body,
        shown=shown,
        **more,
    )
