"""What workers and relays tell the ledger: once, although an answer is lost, and also about what this Redis does not know."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import create_engine

from tests.databases import a_database, make_table
from tests.rig import Rig, an_intent, some_settings, wait_until
from wooshq import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.outbox import enqueue_in
from wooshq.outbox.relay import Relay
from wooshq.outbox.sessions import SqlAlchemyDatabase
from wooshq.overview.ledger import KEPT_MS, PulseLedger
from wooshq.overview.rates import Ends
from wooshq.spool.folder import SpoolFolder


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def sent(wooshq: Wooshq) -> int:
    return sum(sum(lane.sent_by_minute) for lane in wooshq.overview().lanes)


class WhenAWorkerTells:
    def test_what_ended_in_several_workers_is_added_up(self, wooshq: Wooshq) -> None:
        pulse = PulseLedger(wooshq.ledger.keys)
        for worker in ("w1", "w2"):
            for n in (1, 2, 2):
                wooshq.do(pulse.tell(worker, n, {}, {"bulk": Ends(sent=1, job_sent=10), "transactional": Ends(sent=2)}))
        assert sent(wooshq) == 4 * 13, "the repeated one counts once"
        assert sum(wooshq.overview().lanes[1].sent_by_ten_minutes) == 44

    def test_a_full_redis_takes_it(self, wooshq: Wooshq, server: redis.Redis) -> None:
        server.config_set("maxmemory", 1)
        try:
            wooshq.do(PulseLedger(wooshq.ledger.keys).tell("w1", 1, {"host": "a"}, {"bulk": Ends(sent=1)}))
        finally:
            server.config_set("maxmemory", 0)
        assert sent(wooshq) == 1

    def test_a_card_goes_after_an_hour_and_one_of_another_version_is_left_out(self, wooshq: Wooshq, server: redis.Redis) -> None:
        keys, pulse = wooshq.ledger.keys, PulseLedger(wooshq.ledger.keys)
        wooshq.do(pulse.tell("old", 1, {"unknown": 1}, {}))
        assert wooshq.overview().workers == ()
        server.zincrby(keys.fixed("workers"), -KEPT_MS - 1000, "old")
        wooshq.do(pulse.tell("new", 1, {}, {}))
        assert server.zrange(keys.fixed("workers"), 0, -1) == [b"new"]
        assert 0 < server.pttl(keys.worker("new")) <= KEPT_MS

    def test_the_hashes_do_not_grow(self, wooshq: Wooshq, server: redis.Redis) -> None:
        keys = wooshq.ledger.keys
        minute = int(time.time()) // 60
        for ago in range(1000):
            server.hset(keys.fixed("minutes"), f"bulk {(minute - ago) % 180}", f"{minute - ago} {Ends(sent=1).as_text()}")
        wooshq.do(PulseLedger(keys).tell("w1", 1, {}, {"bulk": Ends(sent=1)}))
        assert server.hlen(keys.fixed("minutes")) <= 182

    def test_what_was_not_told_while_redis_was_away_is_told_afterwards(self, rig: Rig) -> None:
        rig.start_worker()
        wait_until(lambda: rig.wooshq.overview().workers, saw=rig.logs, every_s=0.1)
        ids = [rig.wooshq.enqueue(an_intent(f"u{n}")) for n in range(20)]
        server: Any = rig.redis()
        server.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        rig.ended(ids)
        wait_until(lambda: sent(rig.wooshq) == 20, saw=lambda: sent(rig.wooshq), every_s=0.1)


class WhenARelayTells:
    def test_rows_that_wait_too_long_and_a_relay_that_is_gone_are_found(self, wooshq: Wooshq, server: redis.Redis, tmp_path: Path) -> None:
        with a_database("sqlite", tmp_path) as url:
            make_table(url)
            engine, database = create_engine(url), SqlAlchemyDatabase(url)
            with engine.begin() as connection:
                enqueue_in(connection, an_intent(), wooshq=wooshq)
            relay = Relay(wooshq, database, poll_s=0.05)
            thread = threading.Thread(target=relay.run)
            thread.start()
            try:
                wait_until(lambda: server.hget(wooshq.ledger.keys.fixed("seen"), "outbox wooshq outbox"))
            finally:
                relay.stop()
                thread.join()
                database.close()
                engine.dispose()
        assert [finding.kind for finding in wooshq.overview().findings] == ["no_worker"]
        wooshq.do(PulseLedger(wooshq.ledger.keys).saw_outbox("wooshq outbox", 40, 0, 90.0))
        found = wooshq.overview().findings[0]
        assert (found.kind, found.says) == ("outbox_behind", "The outbox is behind: 40 rows wait, the oldest for 90 s.")


class WhenAWorkerSeesASpool:
    def test_what_was_set_aside_there_is_found(self, rig: Rig, tmp_path: Path) -> None:
        folder = SpoolFolder(tmp_path / "spool" / rig.wooshq.settings.namespace, 10**6, 5.0)
        folder.set_aside([b'{"not": "an intent"}\n'])
        rig.env["WOOSHQ_SPOOL_DIR"] = str(tmp_path / "spool")
        rig.start_worker()
        wait_until(
            lambda: "1 message in the spool on" in str([f.says for f in rig.wooshq.overview().findings]),
            saw=lambda: rig.wooshq.overview().findings,
            every_s=0.1,
            within_s=60,
        )


def test_an_overview_of_a_redis_that_is_away_is_an_error(tmp_path: Path) -> None:
    away = some_settings(redis_url=f"unix://{tmp_path}/none.sock", broker_url=f"redis+socket://{tmp_path}/none.sock")
    with Wooshq(away) as wooshq, pytest.raises(LedgerUnavailable):
        wooshq.overview()
