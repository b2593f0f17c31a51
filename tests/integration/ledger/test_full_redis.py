"""A full Redis refuses what is new and lets everything else go on: what is in the ledger is sent, and then there is room again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.rig import APPLICATION, an_intent, some_settings, wait_until
from wooshq.errors import LedgerUnavailable
from wooshq.installation.embedded import EmbeddedRedis
from wooshq.intents.entry import entry_of, new_id
from wooshq.jobs.packing import Unit, pack
from wooshq.jobs.show import show_job
from wooshq.ledger.chunks import ChunkName, ChunkRecord, TakenChunk
from wooshq.ledger.gates import Heard
from wooshq.ledger.intents import Claim, IntentLedger, Settlement
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


class Desk:
    """A ledger, and the work of a worker in it."""

    def __init__(self, server: redis.Redis) -> None:
        self.server = server
        kept = {"max_age_s": KEPT_S, "retention_s": KEPT_S, "dead_retention_s": KEPT_S}
        self.settings = some_settings(**kept)
        self.intents = IntentLedger(self.settings)
        self.jobs = JobLedger(self.settings)

    def do(self, steps: Steps[Any]) -> Any:
        return run(steps, self.server, "the test's Redis")

    def accept(self, n: int) -> list[str]:
        entries = [entry_of(an_intent(f"u{i}", meta_data={"x": "y" * 2000}), self.settings) for i in range(n)]
        return [one.intent_id for one in self.do(self.intents.accept(entries)).outcomes]

    def feed(self, job_id: str, number: int) -> None:
        self.do(self.jobs.chunks.feed(job_id, pack(number, [Unit("users", None, (), tuple(f"user-{number}-{i}" for i in range(SIZE)))])))

    def take(self) -> list[Claim]:
        return self.do(self.intents.take("transactional", 64, token=new_id(), taker="a")).claims  # type: ignore[no-any-return]

    def send_intents(self, ids: Sequence[str]) -> None:
        """As a worker does: take, report, settle. One in ten fails first."""
        sent = []
        while claims := self.take():
            self.do(self.intents.gates.report(APPLICATION, Heard(failed=1)))
            events = [Event.FAILED if n % 10 == 0 else Event.ACCEPTED for n in range(len(claims))]
            settled = [Settlement(claim, event, message_code="M-1") for claim, event in zip(claims, events, strict=True)]
            assert all(self.do(self.intents.settle(settled)))
            sent += [claim.intent_id for claim in claims]
        assert sorted(sent) == sorted(ids)
        failed = self.do(self.intents.come_due("due", len(ids)))
        assert len(self.do(self.intents.due(failed))) == len(failed) > 0
        while claims := self.take():
            assert all(self.do(self.intents.settle([Settlement(claim, Event.ACCEPTED, message_code="M-1") for claim in claims])))

    def send_chunk(self, name: ChunkName) -> None:
        """As a worker does: take, begin, then record and begin in one round trip."""
        token = new_id()
        assert isinstance(self.do(self.jobs.chunks.take(name, token)), TakenChunk)
        _, _, begun = self.step(name, token, 1)
        for number in range(2, SIZE // 100 + 2):
            assert (begun.outcome, begun.calls, begun.last) == ("go", 1, 100)
            ours, at, begun = self.step(name, token, number)
            assert ours
        assert at == "done"

    def step(self, name: ChunkName, token: str, number: int) -> Any:
        """Record the call before, and begin the next one, to a hundred recipients each."""
        first = (number - 1) * 100
        record = ChunkRecord(marks=[(Mark.SENT, first - 100, first - 1)], calls=1, accepted=1) if first else None
        calls = [f"{first}-{first + 99}"] if first < SIZE else []
        return self.do(
            self.jobs.chunks.record_and_begin(name, token, APPLICATION, record=record, recorded_no=number - 1, calls=calls, begin_no=number)
        )


class WhenRedisIsFull:
    def test_intents_and_chunks_go_from_take_to_settle_and_then_there_is_room_again(self, server: redis.Redis) -> None:
        desk = Desk(server)
        ids = desk.accept(INTENTS)
        job = NewJob(new_id(), "{}", "digest", APPLICATION, 10)
        desk.do(desk.jobs.open(job))
        for number in range(CHUNKS):
            desk.feed(job.id, number)
        server.script_flush()  # it has also forgotten its scripts

        with full(server) as used:
            for refused in (lambda: desk.accept(1), lambda: desk.feed(job.id, CHUNKS)):
                with pytest.raises(LedgerUnavailable, match=r"OutOfMemory|OOM"):
                    refused()

            desk.send_intents(ids)
            for number in range(CHUNKS):
                desk.send_chunk(ChunkName(job.id, number))
            desk.do(desk.jobs.fed(job.id, refused=0, duplicates=0, chunks=CHUNKS))

            done = desk.do(show_job(desk.jobs.keys, job.id))
            assert (done.state, done.sent, done.left) == ("done", CHUNKS * SIZE, 0)
            wait_until(lambda: used_by(server) < used / 2, saw=lambda: (used_by(server), used))
            assert len(desk.accept(1)) == 1
