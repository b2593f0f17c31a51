"""How an intent's row keeps its body: in pieces, so that Redis stores the row compactly."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis

from tests.rig import an_intent, some_settings
from wooshq.intents.entry import entry_of, new_id
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.run import run
from wooshq.ledger.steps import Steps


class Rows:
    """A ledger whose rows are looked at."""

    def __init__(self, redis_url: str) -> None:
        self.redis = redis.Redis.from_url(redis_url)
        self.redis.flushdb()
        self.settings = some_settings()
        self.ledger = IntentLedger(self.settings)

    def do(self, steps: Steps[Any]) -> Any:
        return run(steps, self.redis, "the test's Redis")

    def accepted(self, words: int) -> tuple[str, str]:
        """The id and the body of an accepted intent."""
        push = {"title": "Hi", "body": "word " * words}
        entry = entry_of(json.dumps({**an_intent("u1"), "message": {"push": push}}), self.settings)
        self.do(self.ledger.accept([entry]))
        return entry.intent_id, entry.body

    def taken(self) -> str:
        """The body of the intent that is taken next."""
        (claim,) = self.do(self.ledger.take("transactional", 1, token=new_id(), taker="t")).claims
        return str(claim.body)


@pytest.fixture
def rows(redis_url: str) -> Rows:
    return Rows(redis_url)


@pytest.mark.parametrize("words", [0, 10, 100, 250, 1000])
def test_a_body_of_any_length_comes_back_whole(rows: Rows, words: int) -> None:
    intent_id, body = rows.accepted(words)
    assert rows.do(rows.ledger.bodies([intent_id])) == [body]
    assert rows.taken() == body


@pytest.mark.parametrize("former", ["b", ""])
@pytest.mark.parametrize("words", [10, 100, 250])
def test_pieces_under_their_former_names_are_read_too(rows: Rows, words: int, former: str) -> None:
    """Rows were written with `body`, then `b1`, `b2` or `1`, `2` and so on."""
    intent_id, body = rows.accepted(words)
    key = rows.ledger.keys.intent(intent_id)
    names = [name for name in map(bytes.decode, rows.redis.hkeys(key)) if name.isdecimal()]
    assert len(names) > 1
    for name in names:
        if name == "0" or former == "b":
            rows.redis.hset(key, "body" if name == "0" else f"b{name}", rows.redis.hget(key, name))
            rows.redis.hdel(key, name)
    assert rows.do(rows.ledger.bodies([intent_id])) == [body]
    assert rows.taken() == body


def test_a_row_is_stored_compactly_from_accept_to_take(rows: Rows) -> None:
    intent_id, _ = rows.accepted(100)
    key = rows.ledger.keys.intent(intent_id)
    assert rows.redis.object("encoding", key) in (b"ziplist", b"listpack")
    rows.taken()
    assert rows.redis.object("encoding", key) in (b"ziplist", b"listpack")
