"""Commit and message are one fact: what is committed arrives once, whatever the relays do; what is rolled back never does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy
from sqlalchemy import MetaData, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tests.databases import KINDS, a_database, make_table
from tests.rig import an_intent, wait_until
from wooshq import IntentInvalid, LedgerUnavailable, Wooshq
from wooshq.intents.entry import new_id
from wooshq.ledger.intents import Settlement
from wooshq.ledger.states import Event
from wooshq.outbox import enqueue_in, outbox_table, statements
from wooshq.outbox.bell import channel
from wooshq.outbox.database import TableMissing
from wooshq.outbox.operate import MaySendTwice, OutboxActs, RowUnknown, RowWaits
from wooshq.outbox.relay import Moved, Relay
from wooshq.outbox.sessions import SqlAlchemyDatabase

OUTBOX = outbox_table(MetaData())


def rows(engine: sqlalchemy.Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(OUTBOX).order_by(OUTBOX.c.created_at)))


def intent_key(client: redis.Redis, wooshq: Wooshq, intent_id: str) -> str:
    """Where Redis keeps an intent, as an accepted one shows."""
    known = wooshq.enqueue(an_intent("other", idempotency_key="other"))
    (key,) = client.keys(f"*:intent:{known}")
    return str(key.decode()).replace(known, intent_id)


class WhenATransactionCommits:
    def test_its_intents_are_in_the_ledger_under_the_ids_that_the_app_was_told(
        self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        with Session(engine) as session, session.begin():
            ids = [enqueue_in(session, an_intent(f"u{n}"), wooshq=wooshq) for n in range(3)]
            assert wooshq.counts().get("accepted", 0) == 0
        assert relay.move() == Moved(claimed=3, accepted=3)
        assert [wooshq.status(i).state for i in ids] == ["queued"] * 3  # type: ignore[union-attr]
        assert rows(engine) == []
        assert relay.move() == Moved()

    def test_a_rollback_leaves_nothing(self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq) -> None:
        with Session(engine) as session:
            enqueue_in(session, an_intent(), wooshq=wooshq)
            session.rollback()
        assert relay.move() == Moved()

    def test_a_savepoint_that_is_rolled_back_takes_its_own_intents_back_only(
        self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        with Session(engine) as session, session.begin():
            kept = enqueue_in(session, an_intent("u1"), wooshq=wooshq)
            with session.begin_nested() as point:
                enqueue_in(session, an_intent("u2"), wooshq=wooshq)
                point.rollback()
        assert relay.move() == Moved(claimed=1, accepted=1)
        assert wooshq.status(kept) is not None

    def test_connections_and_scoped_sessions_do_it_too(self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq) -> None:
        with engine.begin() as connection:
            enqueue_in(connection, an_intent("u1"), wooshq=wooshq)
        scoped = scoped_session(sessionmaker(engine))
        enqueue_in(scoped, an_intent("u2"), wooshq=wooshq)
        scoped.commit()
        scoped.remove()
        assert relay.move().accepted == 2

    def test_async_sessions_do_it_too(self, tmp_path: Path, wooshq: Wooshq) -> None:
        url = f"sqlite:///{tmp_path / 'app.db'}"
        make_table(url)

        async def order() -> None:
            engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
            async with AsyncSession(engine) as session, session.begin():
                await enqueue_in(session, an_intent("u1"), wooshq=wooshq)
            async with AsyncSession(engine) as session:
                await enqueue_in(session, an_intent("u2"), wooshq=wooshq)
                await session.rollback()
            async with engine.begin() as connection:
                await enqueue_in(connection, an_intent("u3"), wooshq=wooshq)
            await engine.dispose()

        asyncio.run(order())
        assert Relay(wooshq, SqlAlchemyDatabase(url)).move() == Moved(claimed=2, accepted=2)

    def test_an_invalid_intent_is_refused_before_anything_is_inserted(self, engine: sqlalchemy.Engine, wooshq: Wooshq) -> None:
        with Session(engine) as session, session.begin(), pytest.raises(IntentInvalid, match="message"):
            enqueue_in(session, {"to": {"users": ["u1"]}}, wooshq=wooshq)
        assert rows(engine) == []

    def test_the_key_and_the_lane_are_those_of_enqueue(self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq) -> None:
        intent = an_intent(idempotency_key="order-7", lane="bulk")
        known = wooshq.enqueue(intent)
        with Session(engine) as session, session.begin():
            enqueue_in(session, intent, wooshq=wooshq)
        assert relay.move() == Moved(claimed=1, accepted=1)
        assert wooshq.counts()["accepted"] == 1
        assert wooshq.status("order-7").id == known  # type: ignore[union-attr]


class WhenARelayIsLostOrDoubled:
    def test_a_row_that_was_moved_and_not_deleted_is_one_message(self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq) -> None:
        with Session(engine) as session, session.begin():
            enqueue_in(session, an_intent(), wooshq=wooshq)
        kept = rows(engine)[0]
        assert relay.move().accepted == 1
        with engine.begin() as connection:  # as if the relay had died before its DELETE
            connection.execute(OUTBOX.insert(), dict(kept._mapping))
        assert relay.move() == Moved(claimed=1, accepted=1)
        assert wooshq.counts()["accepted"] == 1
        assert rows(engine) == []

    def test_what_a_lost_relay_had_claimed_is_taken_over_when_its_claim_ends(
        self, url: str, engine: sqlalchemy.Engine, wooshq: Wooshq
    ) -> None:
        with Session(engine) as session, session.begin():
            enqueue_in(session, an_intent(), wooshq=wooshq)
        database = SqlAlchemyDatabase(url)
        with database.transaction() as db:
            assert len(statements.claim(db, database.dialect, 10, 60_000)) == 1
        relay = Relay(wooshq, database)
        assert relay.move() == Moved()
        with engine.begin() as connection:
            connection.execute(text("UPDATE wooshq_outbox SET claimed_until = 1"))
        assert relay.move() == Moved(claimed=1, accepted=1)
        database.close()

    def test_many_relays_at_once_move_each_row_once(self, url: str, engine: sqlalchemy.Engine, wooshq: Wooshq) -> None:
        with Session(engine) as session, session.begin():
            for n in range(400):
                enqueue_in(session, an_intent(f"u{n}"), wooshq=wooshq)
        totals: list[Moved] = []

        def move_all() -> None:
            database = SqlAlchemyDatabase(url)
            relay, total = Relay(wooshq, database, batch=20), Moved()
            while (moved := relay.move()).claimed:
                total += moved
            totals.append(total)
            database.close()

        threads = [threading.Thread(target=move_all) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while (rest := Relay(wooshq, SqlAlchemyDatabase(url)).move()).claimed:  # a relay stops when it sees no free row
            totals.append(rest)
        assert sum(totals, Moved()) == Moved(claimed=400, accepted=400)
        assert (wooshq.counts()["accepted"], rows(engine)) == (400, [])


class WhenARowWillNeverDo:
    def test_it_is_set_aside_with_its_reason_and_the_others_go(self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq) -> None:
        wooshq.enqueue(an_intent("u1", idempotency_key="k"))
        with Session(engine) as session, session.begin():
            clash = enqueue_in(session, an_intent("u2", idempotency_key="k"), wooshq=wooshq)
            good = enqueue_in(session, an_intent("u3"), wooshq=wooshq)
            broken = enqueue_in(session, an_intent("u4"), wooshq=wooshq)
            session.execute(OUTBOX.update().where(OUTBOX.c.id == broken).values(body="{not json"))
        assert relay.move() == Moved(claimed=3, accepted=1, set_aside=2)
        assert wooshq.status(good) is not None
        left = {row.id: row for row in rows(engine)}
        assert left.keys() == {clash, broken}
        assert "idempotency_key: already accepted" in left[clash].reason
        assert {row.state for row in left.values()} == {"set_aside"}
        assert relay.move() == Moved()

    @pytest.mark.parametrize("key", ["a\x00b", "a\ud800b"], ids=["NUL", "half a surrogate pair"])
    def test_a_name_that_a_text_column_cannot_hold_stops_no_relay(
        self, key: str, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        """A row inserted by plain SQL may have a field with such a name, and a reason names fields."""
        with Session(engine) as session, session.begin():
            broken = enqueue_in(session, an_intent("u1"), wooshq=wooshq)
            body = json.dumps({"id": broken, **an_intent("u1"), key: 1})
            session.execute(OUTBOX.update().values(body=body))
            good = enqueue_in(session, an_intent("u2"), wooshq=wooshq)
        assert relay.move() == Moved(claimed=2, accepted=1, set_aside=1)
        assert wooshq.status(good) is not None
        assert [(row.id, row.state) for row in rows(engine)] == [(broken, "set_aside")]

    def test_one_that_redis_answers_with_an_error_is_set_aside_if_others_go(
        self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        with Session(engine) as session, session.begin():
            ids = [enqueue_in(session, an_intent(f"u{n}"), wooshq=wooshq) for n in range(3)]
        with redis.Redis.from_url(wooshq.installation.places.redis_url) as client:
            client.set(intent_key(client, wooshq, ids[1]), "no hash, so Redis answers WRONGTYPE")
        assert relay.move() == Moved(claimed=3, accepted=2, set_aside=1)
        assert [(row.id, row.state) for row in rows(engine)] == [(ids[1], "set_aside")]

    def test_no_row_is_blamed_if_redis_answers_each_with_an_error(self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq) -> None:
        with Session(engine) as session, session.begin():
            ids = [enqueue_in(session, an_intent(f"u{n}"), wooshq=wooshq) for n in range(3)]
        with redis.Redis.from_url(wooshq.installation.places.redis_url) as client:
            keys = [intent_key(client, wooshq, row_id) for row_id in ids]
            client.mset(dict.fromkeys(keys, "no hash, so Redis answers WRONGTYPE"))
            with pytest.raises(LedgerUnavailable, match="every row"):
                relay.move()
            assert [row.state for row in rows(engine)] == ["waiting"] * 3
            client.delete(*keys)
        assert relay.move() == Moved(claimed=3, accepted=3)

    def test_a_row_first_tried_longer_ago_than_ids_are_remembered_is_parked(
        self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        with Session(engine) as session, session.begin():
            enqueue_in(session, an_intent(), wooshq=wooshq)
            session.execute(OUTBOX.update().values(first_tried_at=1))
        assert relay.move() == Moved(claimed=1, parked=1)
        (row,) = rows(engine)
        assert row.state == "parked"
        assert "it may have been sent" in row.reason
        assert wooshq.counts().get("accepted", 0) == 0

    def test_a_schedule_that_passed_while_the_row_waited_is_no_mistake(
        self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        with Session(engine) as session, session.begin():
            known = enqueue_in(session, an_intent(), wooshq=wooshq)
            body = json.loads(session.execute(select(OUTBOX.c.body)).scalar_one())
            body["schedule"] = {"at": "2026-01-01T10:00:00Z"}
            session.execute(OUTBOX.update().values(body=json.dumps(body), created_at=1_767_200_000_000))
        assert relay.move() == Moved(claimed=1, accepted=1), [row.reason for row in rows(engine)]
        assert wooshq.status(known) is not None


class WhenTheTableIsMissing:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_error_says_how_to_make_it(self, kind: str, tmp_path: Path, wooshq: Wooshq) -> None:
        with a_database(kind, tmp_path) as url:
            database = SqlAlchemyDatabase(url)
            with pytest.raises(TableMissing, match="wooshq outbox sql"):
                Relay(wooshq, database).move()
            database.close()


class WhenTheTransactionIsCommitted:
    """A bell wakes the relay, so it need not look all the time."""

    @pytest.fixture
    def heard(self, url: str, wooshq: Wooshq) -> Iterator[list[int]]:
        """Filled by a relay that looks by itself only once an hour."""
        database, found = SqlAlchemyDatabase(url), list[int]()
        relay = Relay(wooshq, database, poll_s=3600)
        thread = threading.Thread(target=relay.run, args=[lambda moved: found.append(moved.accepted)])
        thread.start()
        with redis.Redis.from_url(wooshq.installation.places.redis_url) as client:
            wait_until(lambda: client.pubsub_numsub(channel(wooshq))[0][1] == 1)
        yield found
        relay.stop()
        thread.join()
        database.close()

    def test_a_session_wakes_the_relay(self, engine: sqlalchemy.Engine, wooshq: Wooshq, heard: list[int]) -> None:
        for n in range(3):  # also the session's second transaction, and a pooled connection's second use
            with Session(engine) as session:
                enqueue_in(session, an_intent(f"a{n}"), wooshq=wooshq)
                with session.begin_nested():
                    enqueue_in(session, an_intent(f"b{n}"), wooshq=wooshq)
                session.commit()
                enqueue_in(session, an_intent(f"c{n}"), wooshq=wooshq)
                session.commit()
            wait_until(lambda n=n: sum(heard) == 3 * (n + 1))  # type: ignore[misc]

    def test_a_connection_wakes_the_relay(self, engine: sqlalchemy.Engine, wooshq: Wooshq, heard: list[int]) -> None:
        for n in range(3):
            with engine.begin() as connection:
                enqueue_in(connection, an_intent(f"u{n}"), wooshq=wooshq)
            wait_until(lambda n=n: sum(heard) == n + 1)  # type: ignore[misc]


class WhenSomebodyLooks:
    def test_rows_are_listed_edited_tried_again_and_discarded(
        self, url: str, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        wooshq.enqueue(an_intent("u1", idempotency_key="k"))
        with Session(engine) as session, session.begin():
            clash, other = (enqueue_in(session, an_intent(f"u{n}", idempotency_key="k"), wooshq=wooshq) for n in (2, 3))
        relay.move()
        with Session(engine) as session, session.begin():
            waits = enqueue_in(session, an_intent("u4"), wooshq=wooshq)
        rows = OutboxActs(SqlAlchemyDatabase(url), wooshq.settings, wooshq.do)
        assert [row.id for row in rows.list(state="set_aside")] == sorted([clash, other])
        assert {row.id for row in rows.list(most=2)} | {waits} == {clash, other, waits}
        depth = rows.depth()
        assert (depth.waiting, depth.set_aside, depth.parked) == (1, 2, 0)

        for change in (rows.retry, rows.discard, lambda i: rows.edit(i, an_intent())):
            with pytest.raises(RowWaits):
                change(waits)
            with pytest.raises(RowUnknown):
                change("nobody")
        with pytest.raises(IntentInvalid):
            rows.edit(clash, {"to": {}})
        rows.edit(clash, an_intent("u2", idempotency_key="k2"))
        rows.retry(clash)
        rows.discard(other)
        assert relay.move() == Moved(claimed=2, accepted=2)
        assert wooshq.status(clash) is not None
        assert list(rows.list()) == []
        with pytest.raises(ValueError, match="parked"):
            list(rows.list(state="lost"))

    def test_a_person_is_removed_from_rows_that_were_put_away(
        self, url: str, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        with Session(engine) as session, session.begin():
            alone, shared, other = (
                enqueue_in(session, an_intent(to={"users": to}), wooshq=wooshq) for to in (["ann"], ["ann", "bob"], ["bob"])
            )
            session.execute(OUTBOX.update().values(first_tried_at=1))
        relay.move()
        with Session(engine) as session, session.begin():
            waits = enqueue_in(session, an_intent("ann"), wooshq=wooshq)
        rows = OutboxActs(SqlAlchemyDatabase(url), wooshq.settings, wooshq.do)
        assert rows.forget("ann", dry_run=True) == (1, 1, 1)
        assert rows.forget("ann", why="ann asked", by="ana") == (1, 1, 1)
        assert {row.id for row in rows.list()} == {shared, other, waits}
        assert (rows.show(shared).intent or {})["to"] == {"users": ["bob"]}
        (act,) = wooshq.audit().found
        assert (act.by, act.did, act.what, act.why, act.count, act.result) == (
            "ana",
            "forgotten",
            "outbox",
            "(forgotten) asked",
            2,
            "1 left",
        )
        assert relay.move().accepted == 1
        assert rows.forget("ann") == (0, 0, 0)
        assert alone not in {row.id for row in rows.list()}

    def test_a_parked_row_is_tried_again_only_if_a_double_is_accepted(
        self, url: str, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        with Session(engine) as session, session.begin():
            parked = enqueue_in(session, an_intent(), wooshq=wooshq)
            session.execute(OUTBOX.update().values(first_tried_at=1))
        relay.move()
        rows = OutboxActs(SqlAlchemyDatabase(url), wooshq.settings, wooshq.do)
        with pytest.raises(MaySendTwice, match="may have been sent"):
            rows.retry(parked)
        assert wooshq.audit().found == ()
        rows.retry(parked, may_double=True, why="it did not arrive", by="ana")
        assert rows.show(parked).reason == "tried again by ana, although it may have been sent before"
        assert relay.move() == Moved(claimed=1, accepted=1)
        assert wooshq.doubles().found == (), "it was not sent yet"
        (claim,) = wooshq.do(wooshq.ledger.take("transactional", 9, token=new_id(), taker="a")).claims
        sent = {"at": "2026-05-01T09:00:00.000Z", "outcome": "sent", "http_status": 200}
        assert wooshq.do(wooshq.ledger.settle([Settlement(claim, Event.ACCEPTED, [sent], message_code="M-1")])) == [True]
        (double,) = wooshq.doubles().found
        assert (double.id, double.recipients, double.reached, len(double.attempts)) == (parked, ("u1",), 2, 1)
        assert double.cause == "tried again by ana, although it may have been sent before"
        (act,) = wooshq.audit(id=parked).found
        assert (act.by, act.did, act.what, act.why, act.count) == ("ana", "retried", f"outbox {parked}", "it did not arrive", 1)
