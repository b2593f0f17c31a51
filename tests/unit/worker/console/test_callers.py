"""A request's token becomes a caller; tokens are read again while time passes, and kept while Redis is away."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wooshq.errors import LedgerUnavailable
from wooshq.tokens.token import Scope, Token, hash_of, recognise
from wooshq_worker.console.access.callers import FRESH_S, STALE_S, Callers, fixed_token
from wooshq_worker.console.access.rate import Bucket
from wooshq_worker.console.access.refused import Refused


def a_token(name: str, *scopes: str) -> Token:
    return Token(name, list(scopes or ("read",)), None, "", "", hash_of(f"secret of {name}"))


class Ledger:
    """The tokens of a ledger that a test changes, and its clock."""

    def __init__(self, *tokens: Token) -> None:
        self.kept: list[Token] | None = list(tokens)  #: None: Redis is away
        self.reads = 0
        self.now = 100.0
        self.tokens = SimpleNamespace(list=self._list)

    async def _list(self) -> list[Token]:
        await asyncio.sleep(0)
        self.reads += 1
        if self.kept is None:
            raise LedgerUnavailable("away", maybe_done=False)
        return self.kept

    def callers(self, *fixed: Token, **rules: Any) -> Callers:
        return Callers(cast(Any, self), fixed, clock=lambda: self.now, **rules)


async def who(callers: Callers, name: str) -> str | int:
    """The name of the caller, or the status of the refusal."""
    try:
        return (await callers.caller(f"Bearer secret of {name}")).name
    except Refused as error:
        return error.status


class WhenTokensAreKnown:
    async def test_they_are_read_once_for_many_requests(self) -> None:
        ledger = Ledger(a_token("shop"))
        callers = ledger.callers()
        assert await asyncio.gather(*(who(callers, "shop") for _ in range(50))) == ["shop"] * 50
        assert ledger.reads == 1

    async def test_a_revoked_one_counts_no_longer_than_promised(self) -> None:
        ledger = Ledger(a_token("shop"))
        callers = ledger.callers()
        await who(callers, "shop")
        ledger.kept = []
        ledger.now += STALE_S
        assert await who(callers, "shop") == 401

    async def test_a_new_one_counts_after_the_tokens_were_read_again(self) -> None:
        ledger = Ledger()
        callers = ledger.callers()
        assert await who(callers, "shop") == 401
        ledger.kept = [a_token("shop")]
        ledger.now += FRESH_S
        await who(callers, "shop")  # begins to read
        for _ in range(5):
            await asyncio.sleep(0)
        assert await who(callers, "shop") == "shop"

    async def test_while_redis_is_away_the_last_ones_count_and_nobody_waits_for_it_each_time(self) -> None:
        ledger = Ledger(a_token("shop"))
        callers = ledger.callers()
        await who(callers, "shop")
        ledger.kept = None
        ledger.now += 10 * STALE_S
        assert [await who(callers, "shop") for _ in range(5)] == ["shop"] * 5
        assert ledger.reads == 2

    async def test_if_they_were_never_read_only_fixed_ones_count(self) -> None:
        ledger = Ledger()
        ledger.kept = None
        with pytest.raises(LedgerUnavailable):
            await ledger.callers().caller("Bearer secret of shop")
        assert await who(ledger.callers(fixed_token("ana", "secret of ana")), "ana") == "ana"

    async def test_a_scope_that_it_does_not_have_is_403(self) -> None:
        caller = await Ledger(a_token("shop", "send")).callers().caller("Bearer secret of shop")
        caller.may(Scope.SEND)
        with pytest.raises(Refused) as refused:
            caller.may(Scope.OPERATE)
        assert refused.value.status == 403

    async def test_each_token_has_a_rate_of_its_own(self) -> None:
        ledger = Ledger(a_token("shop"), a_token("crm"))
        callers = ledger.callers(rate_per_s=2)
        assert [await who(callers, "shop") for _ in range(3)] == ["shop", "shop", 429]
        assert await who(callers, "crm") == "crm"


class WhenATokenIsRecognised:
    def test_it_is_compared_with_all_and_by_its_hash_alone(self) -> None:
        tokens = [a_token(f"t{n}") for n in range(3)]
        assert recognise("secret of t0", tokens) == tokens[0]
        assert recognise("secret of t2", tokens) == tokens[2]
        for unknown in ("", "secret of t3", tokens[0].hash, "\udcff"):
            assert recognise(unknown, tokens) is None


class WhenABucketIsUsed:
    def test_it_lets_the_rate_through_over_any_time(self) -> None:
        bucket, let = Bucket(5.0, 0.0), 0
        for tick in range(1000):  # ten seconds, a hundred tries each
            let += bucket.take(5.0, tick / 100) == 0
        assert let in (54, 55)

    def test_it_says_how_long_to_wait(self) -> None:
        bucket = Bucket(1.0, 0.0)
        assert bucket.take(0.1, 0.0) == 0
        assert bucket.take(0.1, 0.0) == 10
        assert bucket.take(0.1, 10.0) == 0
