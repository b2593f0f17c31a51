"""A full Redis refuses what is new and lets everything else go on: what is in the ledger is sent, and then there is room again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.rig import APPLICATION, an_intent, wait_until
from wooshq import Settings
from wooshq.errors import LedgerUnavailable
from wooshq.installation.embedded import EmbeddedRedis
from wooshq.intents.accept import entry_of, new_id
from wooshq.jobs import show as jobs
from wooshq.jobs.packing import Unit, pack
from wooshq.ledger.chunks import ChunkName, ChunkRecord, TakenChunk
from wooshq.ledger.intents import IntentLedger, Settlement
from wooshq.ledger.jobs import JobLedger, NewJob
from wooshq.ledger.run import run
from wooshq.ledger.states import Event, Mark
from wooshq.ledger.steps import Steps

INTENTS = 600
CHUNKS, SIZE = 10, 500
KEPT_S = 1.0
"""How long an ended intent is kept here: then its memory is free."""


@pytest.fixture
def server(data_dir: Path) -> Iterator[redis.Redis]:
    """A Redis of this test's own: it will be full."""
    with EmbeddedRedis(data_dir) as embedded, redis.Redis.from_url(embedded.url) as client:
        yield client


@contextmanager
def full(server: redis.Redis) -> Iterator[int]:
    """A limit just below what is used now, which is given."""
    used = used_by(server)
    server.config_set("maxmemory", used - 10_000)
    yield used
    server.config_set("maxmemory", 0)


def used_by(server: redis.Redis) -> int:
    return int(server.info("memory")["used_memory"])


class WhenRedisIsFull:
    """The limit is not raised until all is sent."""

    def test_every_intent_and_every_chunk_goes_from_claim_to_settle(self, server: redis.Redis) -> None:
        settings = Settings(_env_file=None, application=APPLICATION, max_age_s=KEPT_S, retention_s=KEPT_S, dead_retention_s=KEPT_S)  # type: ignore[call-arg]
        intents, jobs_ = IntentLedger(settings), JobLedger(settings)

        def do(steps: Steps[Any]) -> Any:
            return run(steps, server, "the test's Redis")

        entries = [entry_of(an_intent(f"u{n}", meta_data={"x": "y" * 2000}), settings) for n in range(INTENTS)]
        ids = [one.intent_id for one in do(intents.accept(entries))]
        job = NewJob(new_id(), "{}", "digest", APPLICATION, 10)
        do(jobs_.open(job))
        chunks = [pack(n, [Unit("users", None, (), tuple(f"user-{n}-{i}" for i in range(SIZE)))]) for n in range(CHUNKS)]
        for chunk in chunks:
            do(jobs_.chunks.feed(job.id, chunk))
        server.script_flush()  # and it has forgotten its scripts

        with full(server) as used:
            for refused in (intents.accept(entries_of_one_more(settings)), jobs_.chunks.feed(job.id, pack(CHUNKS, [a_unit()]))):
                with pytest.raises(LedgerUnavailable, match="OOM|OutOfMemory"):
                    do(refused)

            for at in range(0, INTENTS, 64):
                token = new_id()
                claims = do(intents.claim(ids[at : at + 64], token)).claimed
                assert {one.outcome for one in do(intents.admit(claims, token))} == {"go"}
                do(intents.gates.report(APPLICATION, well=0, failed=1))
                events = [Event.FAILED if n % 10 == 0 else Event.ACCEPTED for n in range(len(claims))]
                settled = [Settlement(claim, event, message_code="M-1") for claim, event in zip(claims, events, strict=True)]
                assert all(do(intents.settle(settled)))
            later = do(intents.come_due("due", INTENTS))
            assert len(do(intents.due(later))) == len(later) > 0
            claims = do(intents.claim(later, "again")).claimed
            assert all(do(intents.settle([Settlement(claim, Event.ACCEPTED, message_code="M-1") for claim in claims])))

            for number in range(CHUNKS):
                send_chunk(do, jobs_, ChunkName(job.id, number))
            do(jobs_.fed(job.id, refused=0, duplicates=0, chunks=CHUNKS))
            done = do(jobs.show(intents.keys, job.id))
            assert (done.state, done.sent, done.left) == ("done", CHUNKS * SIZE, 0)

            wait_until(lambda: used_by(server) < used / 2, saw=lambda: (used_by(server), used))
            assert do(intents.accept(entries_of_one_more(settings)))[0].new


def a_unit() -> Unit:
    return Unit("users", None, (), ("one more",))


def entries_of_one_more(settings: Settings) -> list[Any]:
    return [entry_of(an_intent("one more"), settings)]


def send_chunk(do: Any, ledger: JobLedger, name: ChunkName) -> None:
    """As a worker does: take, begin, then record and begin in one round trip."""
    token = new_id()
    assert isinstance(do(ledger.chunks.take(name, token)), TakenChunk)
    _, _, begun = do(step(ledger, name, token, None, 0, ["0-99"], 1))
    for number in range(1, SIZE // 100 + 1):
        assert (begun.outcome, begun.calls, begun.last) == ("go", 1, 100)
        first = (number - 1) * 100
        record = ChunkRecord(marks=[(Mark.SENT, first, first + 99)], calls=1, accepted=1)
        calls = [f"{first + 100}-{first + 199}"] if number < SIZE // 100 else []
        ours, at, begun = do(step(ledger, name, token, record, number, calls, number + 1))
        assert ours
    assert at == "done"


def step(
    ledger: JobLedger, name: ChunkName, token: str, record: ChunkRecord | None, no: int, calls: list[str], begin_no: int
) -> Steps[Any]:
    return ledger.chunks.record_and_begin(name, token, APPLICATION, record=record, recorded_no=no, calls=calls, begin_no=begin_no)
