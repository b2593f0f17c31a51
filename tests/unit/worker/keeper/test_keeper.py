"""The keeper's rounds: which duties are done, in which order, and what a failure of one does to the others."""

from __future__ import annotations

from typing import Any

import pytest

from wooshq.errors import LedgerUnavailable
from wooshq_worker.keeper.duty import Duty
from wooshq_worker.keeper.keeper import IN_EVERY_ROUND, ONCE_A_SECOND, TAKE_OVER, carry_out, duties_of_round


class World:
    """Duties that note that they were done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.context: Any = object()

    def duty(self, name: str, error: Exception | None = None) -> Duty:
        async def do(context: Any) -> None:
            assert context is self.context
            self.done.append(name)
            if error is not None:
                raise error

        return do


class WhenADutyFails:
    async def test_the_others_are_done(self) -> None:
        world = World()
        await carry_out([world.duty("a"), world.duty("b", ValueError()), world.duty("c")], world.context)
        assert world.done == ["a", "b", "c"]

    async def test_the_round_ends_if_the_ledger_is_unavailable(self) -> None:
        world = World()
        away = LedgerUnavailable("away", maybe_done=False)
        with pytest.raises(LedgerUnavailable):
            await carry_out([world.duty("a", away), world.duty("b")], world.context)
        assert world.done == ["a"]


class WhenTheLedgerWasAway:
    def test_no_lease_is_taken_over_before_workers_could_record_their_outcomes(self) -> None:
        assert not set(TAKE_OVER) & set(duties_of_round(may_take_over=False, is_new_second=True))
        assert set(TAKE_OVER) <= set(duties_of_round(may_take_over=True, is_new_second=False))


class WhenARoundBegins:
    def test_every_duty_is_done_once_if_nothing_forbids_it(self) -> None:
        duties = duties_of_round(may_take_over=True, is_new_second=True)
        assert duties == IN_EVERY_ROUND + TAKE_OVER + ONCE_A_SECOND
        assert len(set(duties)) == len(duties)

    def test_the_broker_is_asked_once_a_second_only(self) -> None:
        assert not set(ONCE_A_SECOND) & set(duties_of_round(may_take_over=True, is_new_second=False))
