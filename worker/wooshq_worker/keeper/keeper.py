"""The keeper: one worker at a time carries out the duties, in their order, each guarded against the failure of another."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable
from typing import Final

import structlog

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import KEEPER_S
from wooshq.ledger.jobs import JobLedger
from wooshq_worker.keeper.bells import ring_bells
from wooshq_worker.keeper.broker import LaneBroker
from wooshq_worker.keeper.due import count_letters, expire_intents, forget_old_letters, queue_due_retries, tidy_causes
from wooshq_worker.keeper.duty import Duty, DutyContext
from wooshq_worker.keeper.history.stop import stop_telling
from wooshq_worker.keeper.jobs import end_rollout_steps, queue_due_chunks, sweep_cancelled_jobs, sweep_expired_jobs
from wooshq_worker.keeper.leases import take_over_intents
from wooshq_worker.keeper.lost_chunks import take_over_chunks
from wooshq_worker.keeper.lost_turns import call_lost_turns
from wooshq_worker.keeper.replays import run_replays
from wooshq_worker.keeper.version_before import take_in_old_intents
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.keeper")

_GRACE_S: Final = 3.0
"""After an outage of the ledger, workers get this long to record outcomes before their leases are taken over."""
_SECOND_S: Final = 1.0

IN_EVERY_ROUND: Final[tuple[Duty, ...]] = (
    queue_due_retries,
    expire_intents,
    queue_due_chunks,
    end_rollout_steps,
    sweep_cancelled_jobs,
    sweep_expired_jobs,
    run_replays,
    ring_bells,
)
TAKE_OVER: Final[tuple[Duty, ...]] = (take_over_intents, take_over_chunks)
ONCE_A_SECOND: Final[tuple[Duty, ...]] = (
    take_in_old_intents,
    call_lost_turns,
    forget_old_letters,
    count_letters,
    tidy_causes,
    stop_telling,
)


class Keeper:
    """
    Every worker has one, and the one that holds the lock works. Two at once do no harm.

    Intents and chunks wait in the ledger alone. The keeper puts those whose time has come back into the lanes, and wakes workers.
    """

    def __init__(self, wooshq: Wooshq, client: LedgerClient) -> None:
        self._client = client
        self._ledger = wooshq.ledger
        self._tick_s = wooshq.settings.keeper_tick_s
        self._context = DutyContext(
            settings=wooshq.settings,
            intents=wooshq.ledger,
            jobs=JobLedger(wooshq.settings),
            client=client,
            broker=LaneBroker(wooshq.installation.app),
        )
        self._token = uuid.uuid4().hex
        self._second_began_at = 0.0
        self._stopping = False
        self._keeps_until = 0.0

    @property
    def is_keeper(self) -> bool:
        """Whether this worker is the keeper now."""
        return time.monotonic() < self._keeps_until

    def stop(self) -> None:
        """End after this round."""
        self._stopping = True

    async def run(self) -> None:
        """A round every `keeper_tick_s`. A round that fails does not end it."""
        while not self._stopping:
            try:
                asked_at = time.monotonic()
                if await self._client.do(self._ledger.be_keeper(self._token, KEEPER_S)):
                    self._keeps_until = asked_at + KEEPER_S
                    await self._round()
            except LedgerUnavailable:
                pass  # the client has logged it
            except Exception:
                log.error("keeper_round_failed", exc_info=True)
            await asyncio.sleep(self._tick_s)

    async def _round(self) -> None:
        now = time.monotonic()
        may_take_over = now - self._client.back_at > _GRACE_S
        is_new_second = now - self._second_began_at >= _SECOND_S
        if is_new_second:
            self._second_began_at = now
        await carry_out(duties_of_round(may_take_over=may_take_over, is_new_second=is_new_second), self._context)


def duties_of_round(*, may_take_over: bool, is_new_second: bool) -> tuple[Duty, ...]:
    """The duties of one round, in their order. may_take_over: False for a while after an outage of the ledger."""
    return IN_EVERY_ROUND + (TAKE_OVER if may_take_over else ()) + (ONCE_A_SECOND if is_new_second else ())


async def carry_out(duties: Iterable[Duty], context: DutyContext) -> None:
    """One duty after the other. One that fails does not keep the others from being done. Raises LedgerUnavailable."""
    for duty in duties:
        try:
            await duty(context)
        except LedgerUnavailable:
            raise
        except Exception:
            log.error("keeper_duty_failed", duty=getattr(duty, "__name__", ""), exc_info=True)
