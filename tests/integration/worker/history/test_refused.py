"""A record that the history's database refuses stops nobody else: it is set aside, shown, and tried again. A database that takes nothing is away."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from structlog.testing import capture_logs
from typer.testing import CliRunner

from tests.databases import a_database
from tests.integration.worker.history.desk import KEYS, Desk, until
from tests.rig import an_intent
from tests.unit.history.records import KINDS
from wooshq.history.aside import AsideLedger, SetAside
from wooshq.history.record import Record
from wooshq.history.store import History, HistoryAway
from wooshq_worker.cli import app
from wooshq_worker.keeper.history import writing
from wooshq_worker.keeper.history.ledger import EventLedger

TOO_LONG = secrets.token_hex(6000)
"""Nothing can be compressed in it. The title of a message that the databases of these tests do not take."""

#: Refuses long texts: PostgreSQL by an index that cannot have them, SQLite by a trigger.
REFUSE_SOME = {
    "postgresql": "CREATE INDEX refusing ON wooshq_history (texts)",
    "sqlite": "CREATE TRIGGER refusing BEFORE INSERT ON wooshq_history WHEN length(NEW.texts) > 5000 BEGIN SELECT RAISE(ABORT, 'no'); END",
}
REFUSE_ALL = {
    "postgresql": "ALTER TABLE wooshq_history ADD CONSTRAINT refusing CHECK (false) NOT VALID",
    "sqlite": "CREATE TRIGGER refusing BEFORE INSERT ON wooshq_history BEGIN SELECT RAISE(ABORT, 'no'); END",
}
TAKE_AGAIN = {
    "postgresql": "DROP INDEX refusing",
    "sqlite": "DROP TRIGGER refusing",
    "all": "ALTER TABLE wooshq_history DROP CONSTRAINT refusing",
}


class Refusing(Desk):
    """A desk whose database refuses what the test says."""

    kind = ""

    def says(self, statement: str) -> None:
        self.in_history()  # makes the tables
        engine = sqlalchemy.create_engine(self.settings.history_url.get_secret_value())  # type: ignore[union-attr]
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    @property
    def aside(self) -> list[SetAside]:
        return self.wooshq.do(AsideLedger(KEYS).list())

    def mixed(self, n: int) -> tuple[list[str], list[str]]:
        """Sent intents that the history takes, and those that it does not."""
        good = self.settled(n=n)
        bad = self.settled(n=2, message={"push": {"title": TOO_LONG, "body": "Hi"}})
        return good, bad


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path, quick: None) -> Iterator[Refusing]:
    with a_database(request.param, tmp_path) as url:
        made = Refusing(redis_url, tmp_path, history_url=url)
        made.kind = request.param
        yield made
        made.close()


class WhenTheDatabaseRefusesARecord:
    async def test_it_is_set_aside_and_the_others_go_on(self, desk: Refusing) -> None:
        desk.listen()
        desk.says(REFUSE_SOME[desk.kind])
        good, bad = desk.mixed(20)
        with capture_logs() as logs:
            await desk.consumed(lambda: not desk.redis.xlen(KEYS.fixed("events")) and len(desk.aside) == 2)
            later = desk.settled(n=3)
            await desk.consumed(lambda: sorted(desk.rows()) == bad)
        assert sorted(desk.in_history()) == sorted(good + later)
        assert sorted((one.kind, one.id) for one in desk.aside) == [("intent", one) for one in bad]
        assert {one["id"] for one in logs if one["event"] == "history_record_refused"} == {*bad}
        assert "history_away" not in [one["event"] for one in logs]
        said = f"{logs} {desk.aside}"
        assert TOO_LONG not in said
        assert TOO_LONG[:40] not in said
        assert desk.wooshq.do(EventLedger(desk.settings).state()).aside == 2
        assert "history_refuses" in [one.kind for one in desk.wooshq.overview().findings]
        assert [desk.status(one).state for one in bad] == ["sent", "sent"]

    async def test_it_is_tried_again_when_an_operator_says_so_and_nothing_is_told_outside(self, desk: Refusing) -> None:
        desk.listen()
        desk.says(REFUSE_SOME[desk.kind])
        good, bad = desk.mixed(3)
        await desk.consumed(lambda: len(desk.aside) == 2 and not desk.redis.xlen(KEYS.fixed("events")))
        since = desk.aside
        ledger = AsideLedger(KEYS)
        assert desk.wooshq.do(ledger.retry(desk.aside[:1], "a look", "ana")) == 1
        await desk.consumed(lambda: len(desk.aside) == 2 and not desk.redis.xlen(KEYS.fixed("events")))
        assert sorted(one.id for one in desk.aside) == sorted(one.id for one in since), "it was refused again"
        desk.says(TAKE_AGAIN[desk.kind])
        assert desk.wooshq.do(ledger.retry(desk.aside, "the index is gone", "ana")) == 2
        ((_, flat),) = desk.redis.xrange(KEYS.fixed("events"))
        assert flat[b"again"].split() == flat[b"sent"].split(), "webhooks were told of it before"
        await desk.consumed(lambda: not desk.rows())
        assert sorted(desk.in_history()) == sorted(good + bad)
        assert desk.aside == []
        acts = desk.wooshq.audit(most=9).found
        assert [(act.did, act.what, act.count) for act in acts] == [("retried", "history", 2), ("retried", "history", 1)]

    async def test_a_sweep_tries_it_again_and_what_is_written_is_listed_no_longer(self, desk: Refusing) -> None:
        desk.listen()
        desk.says(REFUSE_SOME[desk.kind])
        _, bad = desk.mixed(3)
        await desk.consumed(lambda: len(desk.aside) == 2 and sorted(desk.rows()) == bad)
        desk.says(TAKE_AGAIN[desk.kind])
        desk.redis.hset(KEYS.fixed("telling"), "swept_at", 0)
        await desk.consumed(lambda: not desk.rows() and not desk.redis.hlen(KEYS.fixed("history_aside")))
        assert {*bad} <= {*desk.in_history()}


class WhenTheDatabaseTakesNothing:
    async def test_it_is_away_whatever_it_says_and_nothing_is_set_aside(self, desk: Refusing) -> None:
        desk.listen()
        desk.says(REFUSE_ALL[desk.kind])
        ids = desk.settled(n=5)
        with capture_logs() as logs:
            async with desk.consumer():
                await until(lambda: "history_away" in [one["event"] for one in logs])
                assert sorted(desk.rows()) == ids
                desk.says(TAKE_AGAIN["all" if desk.kind == "postgresql" else desk.kind])
                await until(lambda: not desk.rows())
        assert "history_record_refused" not in [one["event"] for one in logs]
        assert sorted(desk.in_history()) == ids
        assert desk.aside == []


class WhenARecordEndsTheConnectionEachTime:
    async def test_it_is_found_too(self, desk: Refusing, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writing, "_SAME_TRIES", 2)
        desk.listen()
        ids = desk.settled(n=7)

        def write(history: History, records: list[Record]) -> None:
            if any(record.id == ids[4] for record in records):
                raise HistoryAway("the server closed the connection")
            history.write(records)

        desk.write = write
        await desk.consumed(lambda: desk.rows() == [ids[4]] and len(desk.aside) == 1)
        assert sorted(desk.in_history()) == sorted({*ids} - {ids[4]})


async def test_the_command_line_lists_it_and_has_it_tried_again(desk: Refusing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOOSHQ_REDIS_URL", desk.url)
    monkeypatch.setenv("WOOSHQ_HISTORY_URL", desk.settings.history_url.get_secret_value())  # type: ignore[union-attr]
    desk.listen()
    desk.says(REFUSE_SOME[desk.kind])
    (bad,) = desk.settled(**an_intent(message={"push": {"title": TOO_LONG, "body": "Hi"}}, to={"users": ["u1"]}))
    await desk.consumed(lambda: len(desk.aside) == 1)
    runner = CliRunner()
    assert bad in runner.invoke(app, ["history", "--json"]).output
    none = runner.invoke(app, ["history", "retry", "nothing"])
    assert (none.exit_code, "nothing: was not set aside." in none.output) == (1, True)
    done = runner.invoke(app, ["history", "retry", bad, "--why", "a test"])
    assert (done.exit_code, "1 record is tried again" in done.output) == (0, True), done.output
    assert desk.aside == []
