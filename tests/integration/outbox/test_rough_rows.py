"""Rows and databases that nobody planned for: no relay ends because of them, no list either, and the other rows go."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from tests.databases import a_database, make_table
from tests.integration.outbox.test_outbox import rows
from tests.rig import an_intent
from wooshq import Wooshq
from wooshq.outbox import enqueue_in, outbox_table, statements
from wooshq.outbox.database import DatabaseAway
from wooshq.outbox.operate import OutboxActs
from wooshq.outbox.relay import Moved, Relay
from wooshq.outbox.row import parts_of, traced
from wooshq.outbox.sessions import SqlAlchemyDatabase
from wooshq.settings.patience import patience

ID = "01a2107a-db08-7636-a22a-a0707f5f3714"


def write_by_hand(engine: sqlalchemy.Engine, **values: Any) -> None:
    """Insert a row by plain SQL."""
    now_ms = time.time_ns() // 1_000_000
    body = json.dumps({"id": ID, **an_intent()})
    row = {"id": ID, "body": body, "created_at": now_ms, "claimed_until": 0, "tries": 0, "state": "waiting", **values}
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO wooshq_outbox ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"), row)


def enqueued(engine: sqlalchemy.Engine, wooshq: Wooshq, user: str = "u1", **changes: Any) -> str:
    """One that an app enqueued and committed."""
    with Session(engine) as session, session.begin():
        return enqueue_in(session, an_intent(user, **changes), wooshq=wooshq)


@contextmanager
def silent_proxy(url: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """The URL of a proxy in front of a server, and what makes it forward nothing any more, and close nothing either."""
    server = sqlalchemy.make_url(url)
    silent, ended = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)

        def forward(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while some := source.recv(65536):
                    if silent.is_set():
                        ended.wait()
                    target.sendall(some)
            source.close()
            target.close()

        def accept() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    one, _ = listening.accept()
                    one.settimeout(None)
                    other = socket.create_connection((server.host or "127.0.0.1", server.port or 3306))
                    for pair in ((one, other), (other, one)):
                        threading.Thread(target=forward, args=pair, daemon=True).start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        through = server.set(host="127.0.0.1", port=listening.getsockname()[1])
        try:
            yield through.render_as_string(hide_password=False), silent.set
        finally:
            ended.set()
            accepting.join()


class WhenSomebodyHasWrittenARow:
    @pytest.mark.parametrize(
        "values",
        [
            {"created_at": 2**62},
            {"created_at": -(2**62)},
            {"created_at": 300_000_000_000_000},
            {"body": "[" * 200_000},
            {"body": json.dumps({"id": ID, **an_intent(), "\u044d\U0001f600": 1}, ensure_ascii=False)},
        ],
        ids=["far future", "far past", "after the year 9999", "deep", "a field in another alphabet"],
    )
    def test_it_is_set_aside_and_the_others_go_and_it_can_be_discarded(
        self, values: dict[str, Any], url: str, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq
    ) -> None:
        write_by_hand(engine, **values)
        good = enqueued(engine, wooshq)
        assert relay.move() == Moved(claimed=2, accepted=1, set_aside=1)
        assert wooshq.status(good) is not None
        database = SqlAlchemyDatabase(url)
        operator = OutboxActs(database, wooshq.settings, wooshq.do)
        (left,) = operator.list()
        assert (left.id, left.state, "please report" in str(left.reason)) == (ID, "set_aside", False)
        assert operator.depth().set_aside == 1
        operator.discard(ID)
        assert rows(engine) == []
        database.close()

    @pytest.mark.parametrize("column", ["created_at", "first_tried_at", "tries", "claimed_until"])
    def test_a_text_where_a_number_belongs_stops_no_relay(self, column: str, tmp_path: Path, wooshq: Wooshq) -> None:
        """SQLite alone takes it."""
        url = f"sqlite:///{tmp_path / 'app.db'}"
        make_table(url)
        engine = create_engine(url)
        write_by_hand(engine, **{column: "2026-11-27 10:00:00"})
        good = enqueued(engine, wooshq)
        database = SqlAlchemyDatabase(url)
        moved = Relay(wooshq, database).move()
        assert (moved.claimed, wooshq.status(good) is not None) == (2, True)
        assert moved.set_aside == (column == "created_at")
        assert [row.id for row in OutboxActs(database, wooshq.settings, wooshq.do).list()] == ([ID] if column == "created_at" else [])
        OutboxActs(database, wooshq.settings, wooshq.do).depth()
        database.close()
        engine.dispose()

    def test_one_in_a_state_that_nobody_knows_is_counted(self, url: str, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq) -> None:
        write_by_hand(engine, state="paused")
        assert relay.move() == Moved()
        database = SqlAlchemyDatabase(url)
        operator = OutboxActs(database, wooshq.settings, wooshq.do)
        assert operator.depth().set_aside == 1
        operator.retry(ID)
        assert relay.move() == Moved(claimed=1, accepted=1)
        database.close()

    def test_a_claim_of_a_clock_that_was_wrong_does_not_hold_it_up(self, engine: sqlalchemy.Engine, relay: Relay, wooshq: Wooshq) -> None:
        write_by_hand(engine, claimed_until=4_000_000_000_000)  # the year 2096
        assert relay.move() == Moved(claimed=1, accepted=1)


class WhenIntentsAreLarge:
    def test_a_claim_takes_no_more_than_fit_into_memory(self, url: str, engine: sqlalchemy.Engine, wooshq: Wooshq) -> None:
        known = [enqueued(engine, wooshq, f"u{n}", meta_data={"x": "y" * 1000}) for n in range(5)]
        database = SqlAlchemyDatabase(url)
        taken: list[str] = []
        sizes: list[int] = []
        for most_bytes in (1, 2500, 10_000):
            with database.transaction() as db:
                claimed = statements.claim(db, database.dialect, 10, 60_000, most_bytes)
            sizes.append(len(claimed))
            taken += [row.id for row in claimed]
        assert (sizes, sorted(taken)) == ([1, 3, 1], sorted(known))
        database.close()


class WhenTheDatabaseDoesNotDoIt:
    def test_one_that_became_read_only_is_waited_for(self, tmp_path: Path, wooshq: Wooshq) -> None:
        """As the old primary after a failover."""
        with a_database("postgresql", tmp_path) as url:
            make_table(url)
            engine = create_engine(url)
            enqueued(engine, wooshq)
            name = sqlalchemy.make_url(url).database
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
            database = SqlAlchemyDatabase(url)
            with pytest.raises(DatabaseAway, match="ReadOnlySqlTransaction"):
                Relay(wooshq, database).move()
            database.close()
            engine.dispose()

    def test_one_that_is_silent_is_given_up(self, tmp_path: Path, wooshq: Wooshq) -> None:
        """As a server behind a firewall that has forgotten the connection."""
        with a_database("mariadb", tmp_path) as url, silent_proxy(url) as (through, fall_silent):
            make_table(url)
            engine = create_engine(url)
            enqueued(engine, wooshq)
            database = SqlAlchemyDatabase(f"{through}?read_timeout=1")
            relay = Relay(wooshq, database)
            assert relay.move() == Moved(claimed=1, accepted=1)
            fall_silent()
            with pytest.raises(DatabaseAway):
                relay.move()
            database.close()
            engine.dispose()

    @pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+psycopg2", "mysql+pymysql", "mysql+mysqldb"])
    def test_no_driver_waits_for_hours_unless_its_url_says_so(self, driver: str) -> None:
        by_itself = patience(sqlalchemy.make_url(f"{driver}://db/shop"))
        assert {"keepalives_idle", "tcp_user_timeout"} <= by_itself.keys() or "read_timeout" in by_itself
        said = patience(sqlalchemy.make_url(f"{driver}://db/shop?connect_timeout=99"))
        assert by_itself.keys() - said.keys() == {"connect_timeout"}

    def test_a_right_that_is_missing_is_said_without_what_should_have_been_written(self, tmp_path: Path, wooshq: Wooshq) -> None:
        with a_database("sqlite", tmp_path) as url:
            make_table(url)
            engine = create_engine(url)
            write_by_hand(engine, state="set_aside")
            with engine.begin() as connection:
                connection.execute(text("CREATE TRIGGER no BEFORE UPDATE ON wooshq_outbox BEGIN SELECT RAISE(ABORT, 'not you'); END"))
            database = SqlAlchemyDatabase(url)
            with pytest.raises(DatabaseAway) as told:
                OutboxActs(database, wooshq.settings, wooshq.do).edit(ID, an_intent("private-person"))
            assert "private-person" not in f"{told.value} {told.value.__cause__}"
            database.close()
            engine.dispose()

    def test_an_id_that_is_there_already_is_told_without_the_message(self, engine: sqlalchemy.Engine, wooshq: Wooshq) -> None:
        enqueued(engine, wooshq, id=ID)
        with pytest.raises(IntegrityError) as told:
            enqueued(engine, wooshq, "private-person", id=ID)
        assert "private-person" not in str(told.value)


class WhenTheCharacterSetIsOld:
    def test_emoji_do_not_cost_the_order(self, tmp_path: Path, wooshq: Wooshq) -> None:
        with a_database("mariadb", tmp_path) as url:
            engine = create_engine(url)
            with engine.begin() as connection:
                connection.execute(text(f"ALTER DATABASE {sqlalchemy.make_url(url).database} CHARACTER SET latin1"))
            metadata = MetaData()
            outbox_table(metadata)
            metadata.create_all(engine)
            good = enqueued(engine, wooshq, message={"push": {"title": "\U0001f600 \u017c\u00f3\u0142\u0107", "body": "x"}})
            write_by_hand(engine, body=json.dumps({"id": ID, **an_intent(), "\u044d\U0001f600": 1}))
            database = SqlAlchemyDatabase(url)
            assert Relay(wooshq, database).move() == Moved(claimed=2, accepted=1, set_aside=1)
            assert wooshq.status(good) is not None
            (body,) = wooshq.do(wooshq.ledger.bodies([good]))
            assert json.loads(str(body))["message"]["push"]["title"] == "\U0001f600 \u017c\u00f3\u0142\u0107"
            database.close()
            engine.dispose()


class WhenAnAppHasMoreThanOneDatabaseOrSchema:
    def test_the_table_is_where_relays_look_whatever_schema_the_metadata_names(self) -> None:
        metadata = MetaData(schema="shop")
        table = outbox_table(metadata)
        assert (table.fullname, outbox_table(metadata) is table) == ("wooshq_outbox", True)

    def test_the_connection_of_one_of_them_can_be_given(self, tmp_path: Path, wooshq: Wooshq) -> None:
        class Shop(DeclarativeBase): ...

        class Order(Shop):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        outbox_table(Shop.metadata)
        url = f"sqlite:///{tmp_path / 'shop.db'}"
        engine = create_engine(url)
        Shop.metadata.create_all(engine)
        other = create_engine(f"sqlite:///{tmp_path / 'other.db'}")

        class Other(DeclarativeBase): ...

        with sessionmaker(binds={Shop: engine, Other: other})() as session:
            session.add(Order(id=1))
            enqueue_in(session.connection({"mapper": Order}), an_intent(), wooshq=wooshq)
            session.commit()
            session.add(Order(id=2))
            enqueue_in(session.connection({"mapper": Order}), an_intent(), wooshq=wooshq)
            session.rollback()
        database = SqlAlchemyDatabase(url)
        assert Relay(wooshq, database).move() == Moved(claimed=1, accepted=1)
        database.close()
        engine.dispose()


@pytest.mark.parametrize("trace", ["-", f"00-{'a' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'b' * 16}-01 vendor=1,other=2"])
def test_a_context_behind_the_json_is_told_from_json_on_several_lines(trace: str) -> None:
    for body in ('{"to":{"users":["u1"]}}', '{\n  "to": {"users": ["u1\\n-"]}\n}', "not JSON\n00-no-trace"):
        assert parts_of(traced(body, trace)) == (body, trace)
        assert parts_of(traced(body, "")) == (body, "")
