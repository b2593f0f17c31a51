"""An intent's row: one text from accept to its end, unless it must say more; and rows as the versions before wrote them."""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.rig import an_intent, packed, read_row, some_settings, with_fields
from wooshq.intents.cancel import cancel_intent
from wooshq.intents.entry import entry_of, new_id
from wooshq.intents.status import statuses_of
from wooshq.ledger.entry import Entry
from wooshq.ledger.intents import Claim, IntentLedger, Settlement
from wooshq.ledger.run import run
from wooshq.ledger.states import Event
from wooshq.ledger.steps import Steps

ATTEMPT = {"at": "2026-05-01T09:00:00.000Z", "outcome": "sent", "http_status": 200, "latency_ms": 7}


class Rows:
    """A ledger whose rows are looked at."""

    def __init__(self, redis_url: str) -> None:
        self.redis = redis.Redis.from_url(redis_url)
        self.redis.flushdb()
        self.settings = some_settings()
        self.ledger = IntentLedger(self.settings)
        self.key = self.ledger.keys.intent

    def do(self, steps: Steps[Any]) -> Any:
        return run(steps, self.redis, "the test's Redis")

    def accepted(self, words: int, **fields: Any) -> tuple[str, str]:
        """The id and the body of an accepted intent."""
        push = {"title": "Hi", "body": "word " * words}
        entry = entry_of(json.dumps({**an_intent("u1"), "message": {"push": push}, **fields}), self.settings)
        self.do(self.ledger.accept([entry]))
        return entry.intent_id, entry.body

    def taken(self) -> Claim:
        """The intent that is taken next."""
        (claim,) = self.do(self.ledger.take("transactional", 1, token=new_id(), taker="t")).claims
        return claim  # type: ignore[no-any-return]

    def settled(self, claim: Claim, event: Event = Event.ACCEPTED, **fields: Any) -> bool:
        given = {"message_code": "M-1", **fields} if event is Event.ACCEPTED else fields
        return bool(self.do(self.ledger.settle([Settlement(claim, event, [ATTEMPT], **given)]))[0])

    def status(self, intent_id: str) -> Any:
        return self.do(statuses_of(self.ledger.keys, [intent_id]))[0]


@pytest.fixture
def rows(redis_url: str) -> Rows:
    return Rows(redis_url)


@pytest.mark.parametrize("words", [0, 10, 100, 250, 400, 1000])
def test_a_body_of_any_length_comes_back_whole(rows: Rows, words: int) -> None:
    intent_id, body = rows.accepted(words)
    assert rows.do(rows.ledger.bodies([intent_id])) == [body]
    claim = rows.taken()
    assert (claim.intent_id, claim.body) == (intent_id, body)
    assert rows.do(rows.ledger.bodies([intent_id])) == [body]
    assert rows.settled(claim)
    assert rows.do(rows.ledger.bodies([intent_id])) == [body]


def test_a_row_is_one_text_from_accept_to_its_end(rows: Rows) -> None:
    intent_id, body = rows.accepted(10)
    waits = packed(rows.redis, rows.key(intent_id))
    assert waits is not None
    assert waits[:-1].endswith(f"\n{body}")
    assert waits[-1] in string.ascii_letters
    claim = rows.taken()
    taken = packed(rows.redis, rows.key(intent_id))
    assert taken is not None
    assert taken.startswith(f"{waits}\n{claim.token} ")
    assert rows.settled(claim)
    sent = packed(rows.redis, rows.key(intent_id))
    assert sent is not None
    assert sent.startswith(taken)
    assert rows.redis.pttl(rows.key(intent_id)) > 0


def test_a_text_without_a_letter_is_still_sent(rows: Rows) -> None:
    """As the version before wrote it."""
    intent_id, body = rows.accepted(10)
    key = rows.key(intent_id)
    waits = packed(rows.redis, key)
    assert waits is not None
    rows.redis.set(key, waits[:-1])
    assert rows.do(rows.ledger.bodies([intent_id])) == [body]
    claim = rows.taken()
    assert (claim.intent_id, claim.body) == (intent_id, body)
    assert rows.settled(claim)
    assert (rows.status(intent_id).state, rows.do(rows.ledger.bodies([intent_id]))) == ("sent", [body])


def test_rows_that_are_alike_end_differently() -> None:
    """Lua's hash of a long text is sure to read only its last byte: rows with the same hash are compared with each other, each with all."""
    alike = [Entry(new_id(), '{"to":{"users":["u"]}}', "bulk", "AAAAA-BBBBB") for _ in range(500)]
    ends = Counter(entry.as_text()[-1] for entry in alike)
    assert max(ends.values()) < 50


def test_what_its_text_means_is_what_fields_said(rows: Rows) -> None:
    """Each state, read from one text and from fields that were written by the same steps."""
    both = []
    for make_fields in (False, True):
        intent_id, _ = rows.accepted(10, ttl_s=3600, id=new_id())
        seen, claims = [], []
        for step in range(3):
            if step == 0 and make_fields:
                with_fields(rows.redis, rows.key(intent_id))
            elif step == 1:
                claims.append(rows.taken())
            elif step == 2:
                assert rows.settled(claims[0])
            row = read_row(rows.redis, rows.key(intent_id))
            seen.append({name: value for name, value in row.items() if name in ("state", "lane", "app", "v", "fence", "code", "n", "a:1")})
            assert row.keys() >= {"at", "expires", "digest", "body"}
            assert ("begun" in row, "lease" in row, "ended" in row) == (step > 0, step > 0, step > 1)
        assert (packed(rows.redis, rows.key(intent_id)) is None) is make_fields
        both.append(seen)
        assert rows.redis.zscore(rows.ledger.keys.fixed("expiry"), intent_id) is None, "what has ended does not expire"
    assert both[0] == both[1]


def fails(rows: Rows, intent_id: str) -> str:
    assert rows.settled(rows.taken(), Event.FAILED, wait_ms=1000)
    return "retrying"


def is_given_back(rows: Rows, intent_id: str) -> str:
    assert rows.settled(rows.taken(), Event.HANDED_BACK)
    return "queued"


def expires(rows: Rows, intent_id: str) -> str:
    rows.redis.zadd(rows.ledger.keys.fixed("expiry"), {intent_id: 1})
    assert rows.do(rows.ledger.expire([intent_id])) == [intent_id]
    return "expired"


def is_cancelled(rows: Rows, intent_id: str) -> str:
    assert rows.do(rows.ledger.cancel(intent_id)) == "cancelled"
    return "cancelled"


def loses_its_worker(rows: Rows, intent_id: str) -> str:
    rows.taken()
    rows.redis.zadd(rows.ledger.keys.fixed("leases"), {intent_id: 1})
    assert rows.do(rows.ledger.take_over([intent_id], {})) == [intent_id]
    return "queued"


def is_noted(rows: Rows, intent_id: str) -> str:
    assert rows.do(rows.ledger.note(rows.taken(), [ATTEMPT], waits=True))
    return "sending"


@pytest.mark.parametrize("happens", [fails, is_given_back, expires, is_cancelled, loses_its_worker, is_noted])
def test_what_a_text_cannot_say_makes_fields_of_it(rows: Rows, happens: Callable[[Rows, str], str]) -> None:
    """And nothing of it is lost."""
    intent_id, body = rows.accepted(10, ttl_s=3600, id=new_id())
    before = read_row(rows.redis, rows.key(intent_id))
    state = happens(rows, intent_id)
    assert packed(rows.redis, rows.key(intent_id)) is None
    row = read_row(rows.redis, rows.key(intent_id))
    assert {**row, "state": "queued"}.items() >= before.items()
    assert (row["state"], rows.status(intent_id).state, row["body"]) == (state, state, body)


def test_a_late_settlement_of_a_text_changes_nothing(rows: Rows) -> None:
    intent_id, _ = rows.accepted(10)
    claim = rows.taken()
    sent = Settlement(claim, Event.ACCEPTED, [ATTEMPT], message_code="M-1")
    assert rows.do(rows.ledger.settle([Settlement(claim, Event.HANDED_BACK)])) == [True]
    other = rows.taken()
    before = read_row(rows.redis, rows.key(intent_id))
    assert rows.do(rows.ledger.settle([sent])) == [False]
    assert read_row(rows.redis, rows.key(intent_id)) == before
    assert rows.settled(other)
    after = packed(rows.redis, rows.key(intent_id))
    assert rows.settled(other), "a second time it gives the same answer"
    assert packed(rows.redis, rows.key(intent_id)) == after


@pytest.mark.parametrize(
    "said", [{"message_code": "two words"}, {"message_code": "{}"}, {"unknown_identifiers": ["u1"]}, {"held_ms": 5000}]
)
def test_an_end_that_does_not_fit_into_a_line_is_kept_in_fields(rows: Rows, said: dict[str, Any]) -> None:
    intent_id, body = rows.accepted(10)
    assert rows.settled(rows.taken(), **said)
    assert packed(rows.redis, rows.key(intent_id)) is None
    row = read_row(rows.redis, rows.key(intent_id))
    assert (row["state"], row["code"], row["body"]) == ("sent", said.get("message_code", "M-1"), body)


def test_several_are_accepted_in_the_order_of_the_call(rows: Rows) -> None:
    """Whatever their ids are."""
    wanted = [new_id() for _ in range(5)][::-1]
    rows.do(rows.ledger.accept([entry_of(an_intent("u1", id=i), rows.settings) for i in wanted]))
    claims = rows.do(rows.ledger.take("transactional", 5, token=new_id(), taker="t")).claims
    assert [claim.intent_id for claim in claims] == wanted


def test_of_two_entries_with_one_id_the_first_one_counts(rows: Rows) -> None:
    one = new_id()
    entries = [entry_of(an_intent("u1", id=one), rows.settings), entry_of(an_intent("u2", id=one), rows.settings)]
    first, second = rows.do(rows.ledger.accept(entries)).outcomes
    assert (first.new, second.new, second.clash) == (True, False, True)
    assert json.loads(rows.taken().body)["to"] == {"users": ["u1"]}


def test_an_entry_that_is_known_does_not_keep_the_others_out(rows: Rows) -> None:
    known, _ = rows.accepted(1, id=new_id())
    entries = [entry_of(an_intent("u1", id=i), rows.settings) for i in (new_id(), known, new_id())]
    outcomes = rows.do(rows.ledger.accept(entries)).outcomes
    assert [(one.new, one.clash) for one in outcomes] == [(True, False), (False, True), (True, False)]
    assert rows.do(rows.ledger.cancel(entries[2].intent_id)) == "cancelled"


# ── Rows as the versions before wrote them ──────────────────────────────────────────────────────────────────────────────────────────

FORMS = ("one field", "b1, b2…", "1, 2…", "0, 1, 2…")


def as_before(rows: Rows, intent_id: str, form: str) -> None:
    """The row becomes one with fields, its body in the field `body`, or `body` and pieces, or pieces alone."""
    key = rows.key(intent_id)
    body = read_row(rows.redis, key)["body"]
    with_fields(rows.redis, key)
    rows.redis.hdel(key, *(str(n) for n in range(24)))
    pieces = [body] if form == "one field" else [body[at : at + 64] for at in range(0, len(body), 64)]
    rest = {f"{'b' if form.startswith('b') else ''}{n}": piece for n, piece in enumerate(pieces) if n}
    rows.redis.hset(key, mapping={"0" if form.startswith("0") else "body": pieces[0], **rest})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("words", [10, 100, 250])
def test_a_row_of_the_versions_before_is_read_and_sent(rows: Rows, words: int, form: str) -> None:
    intent_id, body = rows.accepted(words)
    as_before(rows, intent_id, form)
    assert rows.status(intent_id).state == "queued"
    assert rows.do(rows.ledger.bodies([intent_id])) == [body]
    claim = rows.taken()
    assert (claim.intent_id, claim.body, claim.fence, claim.lane, claim.application) == (intent_id, body, 1, "transactional", "AAAAA-BBBBB")
    assert rows.settled(claim)
    status = rows.status(intent_id)
    assert (status.state, status.message_codes, len(status.attempts)) == ("sent", ["M-1"], 1)


@pytest.mark.parametrize("form", FORMS)
def test_a_row_of_the_versions_before_is_known_to_accept_and_can_be_cancelled(rows: Rows, form: str) -> None:
    given = new_id()
    intent_id, _ = rows.accepted(10, id=given)
    as_before(rows, intent_id, form)
    assert rows.do(rows.ledger.accept([entry_of(an_intent("u9", id=given), rows.settings)])).outcomes[0].clash
    assert rows.do(cancel_intent(rows.ledger, intent_id, "", None)) == "cancelled"
    assert rows.status(intent_id).state == "cancelled"


@pytest.mark.parametrize("form", FORMS)
def test_what_the_version_before_has_taken_is_settled_and_taken_over(rows: Rows, form: str) -> None:
    (sent, _), (lost, _) = rows.accepted(10), rows.accepted(10)
    for intent_id in (sent, lost):
        as_before(rows, intent_id, form)
    claims = {claim.intent_id: claim for claim in (rows.taken(), rows.taken())}
    assert rows.settled(claims[sent])
    rows.redis.zadd(rows.ledger.keys.fixed("leases"), {lost: 1})
    assert rows.do(rows.ledger.take_over([lost], {})) == [lost]
    assert (rows.status(sent).state, rows.status(lost).state) == ("sent", "queued")


def test_a_row_with_fields_is_stored_compactly(rows: Rows) -> None:
    intent_id, _ = rows.accepted(100)
    assert rows.settled(rows.taken(), Event.FAILED, wait_ms=1000)
    assert rows.redis.object("encoding", rows.key(intent_id)) in (b"ziplist", b"listpack")
