"""
Workers, the processes that write the history, Redis and the history's database are killed or away at any moment: what the API received, what the producer was told and what the
history says are the same.

CHAOS_SEEDS=30 makes so many runs with each database, instead of a few.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
import redis
import sqlalchemy

from tests.databases import a_database
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq.history.record import Record
from wooshq.history.store import History, open_history
from wooshq.ledger.keys import Keys

SEEDS = int(os.environ.get("CHAOS_SEEDS", "1"))
SINGLES, IN_JOB = 160, 40
KEYS = Keys("wq")


class Gateway:
    """Between the workers and the database: passes bytes on, or refuses and cuts every connection, as a host does that is down."""

    def __init__(self, port: int) -> None:
        """port: of the database, on this machine."""
        self._to = port
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self.is_open = True
        self.port = 0
        ready = threading.Event()

        async def serve() -> None:
            server = await asyncio.start_server(self._passed_on, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()

        self._loop.create_task(serve())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        assert ready.wait(30)

    def cut(self) -> None:
        self.is_open = False
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in list(self._writers)])

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _passed_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, ours}
        await asyncio.gather(_copy(reader, ours), _copy(theirs, writer))
        self._writers -= {writer, ours}


def _writes_history(pid: int) -> bool:
    try:
        return "wooshq_worker.beside" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:  # it has ended
        return False


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    writer.close()


class Database:
    """The history's database, which can be away for a while."""

    def __init__(self, kind: str, folder: Path, url: str) -> None:
        self._gateway = Gateway(sqlalchemy.make_url(url).port or 5432) if kind == "postgresql" else None
        self._file = folder / "history.db"
        self.url = f"sqlite:///{self._file}"
        if self._gateway is not None:
            self.url = sqlalchemy.make_url(url).set(port=self._gateway.port).render_as_string(hide_password=False)

    def close(self) -> None:
        if self._gateway is not None:
            self._gateway.close()

    @contextmanager
    def away(self) -> Iterator[None]:
        if self._gateway is not None:
            self._gateway.cut()
            yield
            self._gateway.is_open = True
            return
        engine = sqlalchemy.create_engine(self.url, connect_args={"timeout": 60})  # somebody else writes, for long
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield
            connection.rollback()
        engine.dispose()


def answer(call: Call, n: int) -> Reply | None:
    """By the first letter of the recipient: refused; busy, or the answer is lost, at the first call; or accepted."""
    first = call.recipients[0] if len(call.recipients) == 1 else ""
    if any(one.startswith("refused") for one in call.recipients):
        return refusal(400, 3, "is not valid") if not first else refusal(400, 3, "users.list[0]: is not valid")
    if first.startswith("busy") and first not in SEEN:
        SEEN.add(first)
        return refusal(503, 14, "busy")
    if first.startswith("lost") and first not in SEEN:
        SEEN.add(first)
        return Reply(cut=True)
    return None


SEEN: set[str] = set()


class Run:
    """One run: what the producer was told, and what is done to it."""

    def __init__(self, folder: Path, api: StandIn, database: Database, seed: int) -> None:
        self.api = api
        self.database = database
        self.dice = Random(seed)
        self.rig = Rig(folder / "rig", api.url, history_url=database.url)
        self.rigs = [self.rig]
        self.told: dict[str, str] = {}
        self.job_id = ""

    def close(self) -> None:
        for rig in self.rigs[::-1]:
            rig.close()

    def produce(self) -> None:
        kinds = [self.dice.choice(("sent", "sent", "sent", "sent", "busy", "lost", "refused")) for _ in range(SINGLES)]
        people = [f"{kind}{n}" for n, kind in enumerate(kinds)]
        report = self.rig.wooshq.enqueue_many(an_intent(one) for one in people)
        self.told = {str(told): one for told, one in zip(report.ids, people, strict=True)}
        template = {"message": {"push": {"title": "Hi"}}}
        self.job_id = self.rig.wooshq.fan_out(template, [*(f"job{n}" for n in range(IN_JOB - 1)), "refused-in-job"]).id
        self.rig.wooshq.cancel(self.dice.choice(list(self.told)))

    def do_something_bad(self) -> None:
        what = self.dice.choice(("kill a worker", "kill a worker", "consumer", "consumer", "database", "database", "redis", "events"))
        if what == "kill a worker":
            worker = self.dice.choice(self.workers)
            self.rigs[0].kill(worker)
            self.rigs[0].start_worker()
        elif what == "consumer":
            self.kill_consumers()
        elif what == "database":
            with self.database.away():
                time.sleep(self.dice.uniform(0.1, 1.0))
        elif what == "redis":
            with contextlib.suppress(redis.RedisError), self.rig.redis() as server:
                os.kill(int(server.info("server")["process_id"]), signal.SIGKILL)
            # The next installation starts the server again, on the same files.
            self.rig = Rig(self.rigs[0].folder, self.api.url, history_url=self.database.url)
            self.rigs.append(self.rig)
        else:
            self.age_events()

    @property
    def workers(self) -> list[object]:
        return [worker for worker in self.rigs[0].workers if worker.poll() is None]

    def kill_consumers(self) -> None:
        """The processes that write the history, while their workers go on. There is one soon after a worker's start."""
        wait_until(lambda: self.consumers, saw=self.rigs[0].logs)
        for process in self.consumers:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)

    @property
    def consumers(self) -> list[int]:
        return [pid for pid in (int(event["process"]) for event in self.rigs[0].events("history_process_started")) if _writes_history(pid)]

    def age_events(self) -> None:
        """What a consumer has taken looks old, as after a minute: another one takes it, although the first one may live."""
        with self.rig.redis() as server:
            events = KEYS.fixed("events")
            if not server.exists(events):
                return
            ids = [pending["message_id"] for pending in server.xpending_range(events, "history", "-", "+", 1000)]
            if ids:
                server.xclaim(events, "history", "nobody", 0, ids, idle=10**7, justid=True)

    def has_ended(self) -> bool:
        counts = self.rig.wooshq.counts()
        singles = sum(counts.get(name, 0) for name in ("sent", "expired", "cancelled", "dead"))
        return singles >= SINGLES + 1 and self.rig.wooshq.bulk.show(self.job_id).state == "done"

    def is_in_history(self) -> bool:
        """Whether everything that was told is there, and no event is left."""
        self.age_events()
        with self.rig.redis() as server:
            return not server.xlen(KEYS.fixed("events")) and not any(
                server.hget(key, "state") in (b"sent", b"expired", b"cancelled") for key in server.keys(KEYS.intent("*"))
            )

    def records(self, history: History) -> dict[str, Record]:
        return {record.id: record for record in history.find(None, limit=1000) if record.kind == "intent"}


@pytest.mark.stand_in(answer=answer, latency_s=0.02)
@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_api_the_producer_and_the_history_say_the_same(kind: str, seed: int, tmp_path: Path, api: StandIn) -> None:
    SEEN.clear()
    with a_database(kind, tmp_path) as url:
        database = Database(kind, tmp_path, url)
        run = Run(tmp_path, api, database, seed)
        try:
            for _ in range(2):
                run.rig.start_worker()
            run.produce()
            bad = run.dice.randrange(3, 7)
            for n in range(bad):
                wait_until(lambda n=n: len(api.calls) >= n * SINGLES // bad or run.has_ended())
                run.do_something_bad()
            wait_until(run.has_ended, saw=run.rig.wooshq.counts, every_s=0.1)
            run.do_something_bad()
            wait_until(run.is_in_history, saw=lambda: (run.rig.wooshq.counts(), run.rigs[0].logs()[-2000:]), every_s=0.1)
            assert_the_same(run)
        finally:
            run.close()
            database.close()


def assert_the_same(run: Run) -> None:
    history = open_history(run.rig.wooshq.settings)
    assert history is not None
    records = run.records(history)
    job = history.read(run.job_id, "job")
    history.close()
    of_job = {record.id for record in records.values() if record.job == run.job_id}
    assert records.keys() == run.told.keys() | of_job
    for told, person in run.told.items():
        record = records[told]
        assert record.recipients == (person,)
        times = run.api.accepted[person]
        may_be_unsent = record.state in ("cancelled", "expired", "dead")
        assert times >= 1 or may_be_unsent, (person, record)
        assert times == 0 or record.state == "sent" or record.doubts, (person, record)
        if times > 1:
            unknown = [one["outcome"] for one in record.shown["attempts"]].count("unknown")
            assert record.doubts, (person, record)
            assert unknown >= times - 1, (person, record)
        assert (record.state == "dead") == person.startswith("refused") or record.doubts or record.state == "cancelled", (person, record)
        shown = run.rig.status(told)
        assert (shown.state, len(shown.attempts)) == (record.state, len(record.shown["attempts"]))
    assert job is not None
    assert job.shown["sent"] == IN_JOB - 1
    assert {person for person in run.api.accepted if person.startswith("job")} == {f"job{n}" for n in range(IN_JOB - 1)}
