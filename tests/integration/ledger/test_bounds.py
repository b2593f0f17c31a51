"""What a script may hold up is bounded, and what it is asked twice it does once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from tests.integration.ledger.replays import replay_one
from tests.rig import an_intent, some_settings
from wooshq import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.intents.entry import entry_of, new_id
from wooshq.intents.status import statuses_of
from wooshq.ledger.intents import TAKE_BYTES, Claim, IntentLedger, Settlement
from wooshq.ledger.run import run
from wooshq.ledger.states import Event, Reason
from wooshq.ledger.steps import Steps
from wooshq.letters.replays.ledger import ReplayLedger
from wooshq_worker.ledger_client import LedgerClient


class Desk:
    """A ledger, and what is done with it."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.url = url
        self.settings = some_settings(**settings)
        self.ledger = IntentLedger(self.settings)
        self.replays = ReplayLedger(self.settings)
        self.redis = redis.Redis.from_url(url)

    def do(self, steps: Steps[Any]) -> Any:
        return run(steps, self.redis, "the test's Redis")

    def accepted(self, n: int = 1, **fields: Any) -> list[str]:
        entries = [entry_of(an_intent(f"u{i}", **fields), self.settings) for i in range(n)]
        return [one.intent_id for one in self.do(self.ledger.accept(entries)).outcomes]

    def take(self, most: int = 64, token: str = "") -> Any:
        return self.do(self.ledger.take("transactional", most, token=token or new_id(), taker="a"))

    def claimed(self) -> Claim:
        (claim,) = self.take().claims
        return claim  # type: ignore[no-any-return]

    def dead(self) -> str:
        ids = self.accepted()
        claim = self.claimed()
        assert self.do(self.ledger.settle([Settlement(claim, Event.GIVEN_UP, reason=Reason.REJECTED, detail="no")])) == [True]
        return str(ids[0])


@pytest.fixture
def desk(redis_url: str) -> Iterator[Desk]:
    made = Desk(redis_url, dead_retention_s=600, retention_s=600, max_age_s=500)
    yield made
    made.redis.close()


class WhenAnIntentIsTriedForDays:
    def test_the_first_and_the_last_attempts_are_kept_and_all_are_counted(self, desk: Desk) -> None:
        (intent_id,) = desk.accepted()
        for hundred in range(3):
            claim = desk.claimed()
            assert claim.attempts == 100 * hundred
            attempts = [{"at": "2026-05-01T09:00:00.000Z", "outcome": "hold", "code": str(100 * hundred + n)} for n in range(100)]
            desk.do(desk.ledger.settle([Settlement(claim, Event.HANDED_BACK, attempts)]))
        (status,) = desk.do(statuses_of(desk.ledger.keys, [intent_id]))
        assert [int(attempt["code"]) for attempt in status.attempts] == [*range(10), *range(210, 300)]


class WhenIntentsAreLarge:
    def test_a_take_takes_what_fits_and_leaves_the_rest_in_its_lane(self, desk: Desk) -> None:
        ids = desk.accepted(5, meta_data={"x": "y" * (TAKE_BYTES // 2)})
        taken = desk.take(token="token")
        assert [c.intent_id for c in taken.claims] == ids[:2]
        assert taken.has_more
        assert [c.intent_id for c in desk.take(token="token").claims] == ids[:2], "asked again it answers as before"
        assert [c.intent_id for c in desk.take().claims] == ids[2:4]
        assert [c.intent_id for c in desk.take().claims] == ids[4:]

    def test_one_that_is_larger_than_any_take_is_taken_alone(self, desk: Desk) -> None:
        big = replace(entry_of(an_intent(), desk.settings), body=json.dumps({"x": "y" * (TAKE_BYTES + 1)}))
        desk.do(desk.ledger.accept([big]))
        assert desk.claimed().intent_id == big.intent_id


class WhenAnAnswerIsLost:
    async def test_a_take_is_asked_again_with_its_token_instead_of_waiting_for_its_lease(self, desk: Desk) -> None:
        ids = desk.accepted(3)
        client = LedgerClient(desk.url, "the test's Redis")
        asked = 0
        real = client._redis.execute_command

        async def loses_the_first_answers(*args: Any, **options: Any) -> Any:
            nonlocal asked
            asked += 1
            answer = await real(*args, **options)
            if asked <= 2:
                raise redis.TimeoutError("Timeout reading from socket")
            return answer

        client._redis.execute_command = loses_the_first_answers  # type: ignore[method-assign]
        taken = await client.do_until_answered(lambda: desk.ledger.take("transactional", 64, token="token", taker="a"))
        await client.close()
        assert [c.intent_id for c in taken.claims] == ids
        assert [c.fence for c in taken.claims] == [1, 1, 1]

    async def test_a_ledger_that_never_got_the_question_is_not_waited_for(self) -> None:
        client = LedgerClient("redis://127.0.0.1:1/0", "nowhere")
        with pytest.raises(LedgerUnavailable):
            await client.do_until_answered(lambda: IntentLedger(some_settings()).take("bulk", 1, token="token", taker="a"))


class WhenALetterIsEditedWhileItIsReplayed:
    def test_the_edit_is_sent_or_its_author_is_told(self, desk: Desk) -> None:
        letter = desk.dead()
        seen = entry_of(an_intent("as it was read"), desk.settings)
        key = desk.ledger.keys.letter(letter)
        desk.redis.hset(key, "edited", json.dumps(an_intent("edited meanwhile")))
        assert not desk.do(replay_one(desk.replays, letter, seen))
        assert desk.redis.hget(key, "state") == b"open"
        edited = (desk.redis.hget(key, "edited") or b"").decode()
        assert desk.do(replay_one(desk.replays, letter, seen, edited=edited))


class WhenARetentionIsOver:
    def test_a_letter_that_was_replayed_is_kept_as_long_as_any_other(self, desk: Desk) -> None:
        for event, fields in ((Event.ACCEPTED, {"message_code": "M-1"}), (Event.EXPIRE, {})):
            letter = desk.dead()
            new = entry_of(an_intent(), desk.settings)
            assert desk.do(replay_one(desk.replays, letter, new))
            assert desk.redis.pttl(desk.ledger.keys.letter(letter)) == -1, "while it is replayed it cannot be forgotten"
            claim = desk.claimed()
            assert desk.do(desk.ledger.settle([Settlement(claim, event, **fields)])) == [True]
            assert 0 < desk.redis.pttl(desk.ledger.keys.letter(letter)) <= 600_000

    def test_the_list_of_letters_forgets_those_that_are_gone(self, desk: Desk) -> None:
        kept, gone = desk.dead(), desk.dead()
        letters = desk.ledger.keys.fixed("letters")
        desk.redis.delete(desk.ledger.keys.letter(gone))
        desk.redis.zadd(letters, {kept: 1, gone: 1})
        desk.do(desk.ledger.letters.trim(100))
        assert desk.redis.zrange(letters, 0, -1) == [kept.encode()]


class WhenAFilterIsEmpty:
    @pytest.mark.parametrize("name", ["recipient", "campaign", "application", "bulk", "detail", "lane", "reason", "state"])
    def test_an_empty_text_is_no_filter_and_is_refused(self, redis_url: str, broker_url: str, name: str) -> None:
        with (
            Wooshq(some_settings(redis_url=redis_url, broker_url=broker_url)) as wooshq,
            pytest.raises(ValueError, match=name),
        ):
            wooshq.dead_letters.replay(**{name: ""})
