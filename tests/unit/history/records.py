"""Records for tests, and what a query means for one."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from tests.databases import a_database
from wooshq.history.record import Kind, Record, intent_record
from wooshq.history.store import History, open_history
from wooshq.ledger.states import LetterState
from wooshq.letters.filter import cause_of, comparable
from wooshq.search.tree import And, Condition, Field, Is, Not, Or, Since, Tree, Until
from wooshq.settings import Settings

KINDS: Final = ("sqlite", "postgresql")
AT: Final = 1_777_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@contextmanager
def a_history(kind: str, folder: Path, **settings: Any) -> Iterator[History]:
    """An empty history. Skips the test if there is no such server here."""
    with a_database(kind, folder) as url:
        history = open_history(Settings(history_url=url, **settings))
        assert history is not None
        try:
            yield history
        finally:
            history.close()


def an_id(n: int) -> str:
    return str(uuid.UUID(int=n + 1))


def a_row(**fields: Any) -> dict[str, str]:
    """The row of a sent intent, as the ledger has it. body: an object."""
    body = {"to": {"users": ["u1"]}, "message": {"push": {"title": "Shipped", "body": "Order 7 is on its way"}}, **fields.pop("body", {})}
    attempt = ["2026-04-24T03:06:39.950Z", "sent", 200, "OK", 38]
    row = {
        "state": "sent",
        "lane": "transactional",
        "app": "AAAAA-BBBBB",
        "at": str(AT - 800),
        "v": "2",
        "ended": str(AT),
        "code": "0123-4567-89AB",
        "n": "1",
        "a:1": json.dumps(attempt),
        "body": json.dumps(body),
    }
    return {name: value for name, value in {**row, **fields}.items() if value is not None}


def a_record(n: int = 0, *, at_ms: int = AT, moved_ms: int = 0, body: dict[str, Any] | None = None, **fields: Any) -> Record:
    """The record of an intent that ended at `at_ms`, and moved again so much later."""
    row = a_row(ended=str(at_ms), at=str(at_ms - 800), body=body or {}, **fields)
    return intent_record(an_id(n), row, changed_ms=at_ms + moved_ms)


def act_row(**fields: str) -> dict[str, str]:
    """An act of an operator, as the ledger's stream has it."""
    names = ("value", "before", "n", "selection", "result")
    return {"at": str(AT), "did": "discard", "what": "letters", "why": "", "by": "ana", **dict.fromkeys(names, ""), **fields}


# Records and queries of any kind, of few values, so that they meet.

WORDS: Final = ("u1", "u2", "77", "Größe", "ab", 'a"b', "100%_\\", "INV-9981", "straße STRASSE", "İ", "x\U0001f600y", "list[7]: no")
words = st.sampled_from(WORDS)
_maybe = st.sampled_from(("", *WORDS))
_states = st.sampled_from(("sent", "dead", "expired", "cancelled", "closed", "discarded", "done"))
_names = ("order", "x")


def _a_body(recipients: list[str], tags: dict[str, str], key: str, campaign: str, texts: list[str]) -> str:
    message = {"push": {"title": {"en": texts[0]}, "body": texts[-1]}} if texts else {"preset": "P"}
    body: dict[str, Any] = {"to": {"users": recipients}, "message": message, "tags": tags}
    return json.dumps({**body, **{name: value for name, value in (("idempotency_key", key), ("campaign", campaign)) if value}})


@st.composite
def some_records(draw: st.DrawFn) -> Record:
    """Any record, of few ids."""
    recipients = draw(st.lists(words, max_size=3, unique=True))
    tags = draw(st.dictionaries(st.sampled_from(_names), words, max_size=2))
    key, campaign, said = draw(_maybe), draw(_maybe), draw(st.none() | words)
    kind: Kind = draw(st.sampled_from(("intent", "letter", "job")))
    ended_ms = AT + draw(st.integers(-3, 3))
    state = draw(_states)
    return Record(
        kind=kind,
        id=an_id(draw(st.integers(0, 3))),
        state=state,
        ended_ms=ended_ms,
        changed_ms=ended_ms + draw(st.integers(0, 2)),
        accepted_ms=ended_ms - 5,
        reason="" if state == "sent" else draw(st.sampled_from(("", "rejected", "unknown"))),
        status=draw(st.sampled_from((0, 200, 400))),
        code=draw(_maybe),
        app=draw(_maybe),
        lane=draw(st.sampled_from(("transactional", "bulk"))),
        job=draw(st.sampled_from(("", an_id(0), an_id(9)))),
        campaign=campaign,
        key=key,
        letter=draw(st.sampled_from(("", an_id(1), an_id(8)))),
        recipients=tuple(sorted(recipients)),
        tags=tuple(sorted(tags.items())),
        doubts=draw(st.sampled_from(((), ("unknown",), ("worker lost", "resend")))),
        body=_a_body(recipients, tags, key, campaign, draw(st.lists(words, max_size=2))),
        shown={"id": "?", "detail": said, "attempts": [{"error": draw(st.none() | words)}], "odd": [1, None]},
    )


_values: Final[dict[Field, st.SearchStrategy[str]]] = {
    Field.ID: st.integers(0, 9).map(an_id),
    Field.JOB: st.integers(0, 9).map(an_id),
    Field.STATE: _states,
    Field.REASON: st.sampled_from(("rejected", "unknown")),
    Field.STATUS: st.sampled_from(("200", "400")),
    Field.CAUSE: st.sampled_from(
        [cause_of(reason, detail, None) for reason in ("rejected", "unknown") for detail in ("list[n]: no", "no")]
    ),
    Field.LANE: st.sampled_from(("transactional", "bulk")),
    Field.DETAIL: words | st.just("list[n]: no"),
    Field.TEXT: words | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=5),
}
_conditions: st.SearchStrategy[Tree] = st.one_of(
    *[_values.get(field, words).map(lambda value, field=field: Is(field, value)) for field in Field if field is not Field.TAG],
    st.tuples(st.sampled_from(_names), words).map(lambda tag: Is(Field.TAG, tag[1], tag[0])),
    st.integers(-4000, 4000).map(lambda us: Since(_EPOCH + timedelta(milliseconds=AT, microseconds=us))),
    st.integers(-4000, 4000).map(lambda us: Until(_EPOCH + timedelta(milliseconds=AT, microseconds=us))),
)
trees: Final[st.SearchStrategy[Tree]] = st.recursive(
    _conditions,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=6,
)


def meets(record: Record) -> Callable[[Condition], bool]:
    """Whether a record meets a condition: what the words of the search language say, without any database."""

    def decide(condition: Condition) -> bool:
        ended_at = _EPOCH + timedelta(milliseconds=record.ended_ms)
        match condition:
            case Since(at):
                return ended_at >= at
            case Until(at):
                return ended_at < at
            case Is(Field.RECIPIENT, value):
                return value in record.recipients
            case Is(Field.TAG, value, name):
                return (name, value) in record.tags
            case Is(Field.TEXT, value):
                return value.casefold() in f"{record.sent_texts}\n{record.said}".strip("\n").casefold()
            case Is(Field.ID, value):
                return value in (record.id, record.letter)
            case Is(Field.JOB, value):
                return value == record.job or (record.kind == "job" and value == record.id)
            case Is(Field.STATE, "dead"):
                return record.state in ("dead", *LetterState)
            case Is(Field.DETAIL, value):
                detail = record.shown["detail"] if record.kind != "job" and record.state != "sent" else None
                return detail is not None and value in (detail, comparable(detail))
            case Is(Field.CAUSE, value):
                detail = record.shown["detail"]
                return record.kind == "letter" and bool(detail) and value == cause_of(record.reason, detail, record.app)
            case Is(Field.STATUS, value):
                return str(record.status) == value
            case Is(field, value):
                return bool(getattr(record, str(field)) == value)
        raise AssertionError(condition)

    return decide


numbers = itertools.count()
