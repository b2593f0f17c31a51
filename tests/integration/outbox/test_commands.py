"""`wooshq outbox` and `wooshq relay` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from tests.databases import make_table
from tests.rig import Rig, an_intent
from wooshq.outbox import enqueue_in

URL = "WOOSHQ_OUTBOX_URL"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'app.db'}"


@pytest.fixture
def shop(rig: Rig, url: str) -> Rig:
    make_table(url)
    rig.env[URL] = url
    return rig


def commit(shop: Rig, url: str, *users: str, **changes: object) -> list[str]:
    engine = create_engine(url)
    with Session(engine) as session, session.begin():
        ids = [enqueue_in(session, an_intent(user, **changes), wooshq=shop.wooshq) for user in users]
    engine.dispose()
    return ids


def sql(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


class WhenRowsWait:
    def test_the_relay_moves_them_and_says_how_many(self, shop: Rig, url: str) -> None:
        ids = commit(shop, url, "u1", "u2")
        assert b"waiting              2" in shop.cli("outbox").stdout
        done = shop.cli("relay", "--once")
        assert (done.returncode, done.stderr.decode()) == (0, "Moved 2 rows into the ledger.\n")
        assert [shop.status(i).state for i in ids] == ["queued", "queued"]
        assert json.loads(shop.cli("outbox", "--json").stdout) == {"waiting": 0, "set_aside": 0, "parked": 0, "oldest_s": None}

    def test_the_doctor_says_how_many(self, shop: Rig, url: str) -> None:
        commit(shop, url, "u1")
        assert "outbox: 1 waiting, the oldest for" in shop.cli("doctor", "--offline").stdout.decode()

    def test_status_knows_that_a_row_waits_and_why_it_was_put_away(self, shop: Rig, url: str) -> None:
        shop.wooshq.enqueue(an_intent("u1", idempotency_key="k"))
        (clash,) = commit(shop, url, "u2", idempotency_key="k")
        waits = json.loads(shop.cli("status", clash, "--json").stdout)
        assert (waits["state"], "a relay" in waits["waiting_for"]) == ("in_outbox", True)
        shop.cli("relay", "--once")
        put_away = json.loads(shop.cli("status", clash, "--json").stdout)
        assert (put_away["state"], "already accepted" in put_away["detail"]) == ("set_aside", True)

    def test_an_unknown_id_may_be_in_the_outbox_of_an_app_whose_url_is_not_set(self, rig: Rig) -> None:
        said = rig.cli("status", str(uuid.uuid4()))
        assert (said.returncode, b"manage.py wooshq_outbox" in said.stderr) == (1, True)

    def test_a_redis_that_is_away_is_said(self, shop: Rig, url: str) -> None:
        commit(shop, url, "u1")
        shop.env |= {"WOOSHQ_REDIS_URL": "redis://127.0.0.1:1/0", "WOOSHQ_ACCEPT_WITHIN_S": "1"}
        done = shop.cli("outbox")
        assert (done.returncode, b"waiting              1" in done.stdout, b"did not answer" in done.stderr) == (0, True, True)


class WhenARowWasPutAway:
    def test_it_is_shown_mended_and_tried_again(self, shop: Rig, url: str, tmp_path: Path) -> None:
        shop.wooshq.enqueue(an_intent("u1", idempotency_key="k"))
        (clash,) = commit(shop, url, "u2", idempotency_key="k")
        assert shop.cli("relay", "--once").returncode == 1
        listed = json.loads(shop.cli("outbox", "list", "--json").stdout)
        assert (listed["id"], listed["state"], "already accepted" in listed["reason"]) == (clash, "set_aside", True)
        assert clash in shop.cli("outbox", "list", "--state", "set_aside").stdout.decode()
        shown = json.loads(shop.cli("outbox", "show", clash, "--json").stdout)
        assert shown["intent"]["idempotency_key"] == "k"
        refused = shop.cli("outbox", "edit", clash, "-", stdin='{"to": {}}')
        assert (refused.returncode, b"message" in refused.stderr) == (1, True)
        assert shop.cli("outbox", "edit", clash, "-", stdin=json.dumps({**shown["intent"], "idempotency_key": "k2"})).returncode == 0
        assert shop.cli("outbox", "retry", clash).returncode == 0
        again = shop.cli("outbox", "retry", clash)
        assert (again.returncode, b"it waits for a relay" in again.stderr) == (1, True)
        assert shop.cli("relay", "--once").returncode == 0
        assert shop.status(clash).state == "queued"

    def test_what_show_prints_can_be_edited_as_it_is(self, shop: Rig, url: str) -> None:
        shop.wooshq.enqueue(an_intent("u1", idempotency_key="k"))
        (clash,) = commit(shop, url, "u2", idempotency_key="k")
        shop.cli("relay", "--once")
        shown = json.loads(shop.cli("outbox", "show", clash, "--json").stdout)
        other = shop.cli("outbox", "edit", clash, "-", stdin=json.dumps({**shown, "id": str(uuid.uuid4())}))
        assert (other.returncode, b"is the id of another intent" in other.stderr) == (1, True)
        no_intent = shop.cli("outbox", "edit", clash, "-", stdin=json.dumps({**shown, "intent": "x"}))
        assert (no_intent.returncode, b"is not an object" in no_intent.stderr) == (1, True)
        shown["intent"]["idempotency_key"] = "k2"
        assert shop.cli("outbox", "edit", clash, "-", stdin=json.dumps(shown)).returncode == 0
        changed = json.loads(shop.cli("outbox", "show", clash, "--json").stdout)
        assert (changed["intent"]["idempotency_key"], "changed since" in changed["reason"]) == ("k2", True)
        retried = shop.cli("outbox", "retry", clash)
        assert (retried.returncode, retried.stderr) == (0, b"It waits for a relay.\n")
        shop.cli("relay", "--once")
        assert shop.status(clash).state == "queued"

    def test_to_retry_it_unchanged_is_said_to_be_in_vain(self, shop: Rig, url: str) -> None:
        shop.wooshq.enqueue(an_intent("u1", idempotency_key="k"))
        (clash,) = commit(shop, url, "u2", idempotency_key="k")
        shop.cli("relay", "--once")
        retried = shop.cli("outbox", "retry", clash)
        assert (retried.returncode, b"will be set aside again" in retried.stderr) == (0, True)

    def test_an_edited_intent_counts_as_enqueued_now(self, shop: Rig, url: str) -> None:
        shop.wooshq.enqueue(an_intent("u1", idempotency_key="k"))
        (clash,) = commit(shop, url, "u2", idempotency_key="k", ttl_s=3600)
        shop.cli("relay", "--once")
        sql(url, "UPDATE wooshq_outbox SET created_at = created_at - 7200000")
        shown = json.loads(shop.cli("outbox", "show", clash, "--json").stdout)
        shown["intent"]["idempotency_key"] = "k2"
        shop.cli("outbox", "edit", clash, "-", stdin=json.dumps(shown))
        shop.cli("outbox", "retry", clash)
        shop.cli("relay", "--once")
        assert shop.status(clash).state == "queued"

    def test_all_of_them_are_tried_again_at_once(self, shop: Rig, url: str) -> None:
        shop.wooshq.enqueue(an_intent("u1", idempotency_key="k"))
        ids = commit(shop, url, "u2", "u3", idempotency_key="k")
        shop.cli("relay", "--once")
        for wrong in ((), (ids[0], "--state", "set_aside")):
            assert shop.cli("outbox", "retry", *wrong).returncode == 2
        done = shop.cli("outbox", "retry", "--state", "set_aside")
        assert (done.returncode, done.stderr) == (0, b"2 rows for a relay to try again.\n")
        assert json.loads(shop.cli("outbox", "--json").stdout)["waiting"] == 2
        parked = shop.cli("outbox", "retry", "--state", "parked")
        assert (parked.returncode, b"--may-double" in parked.stderr) == (1, True)

    def test_it_is_discarded(self, shop: Rig, url: str) -> None:
        shop.wooshq.enqueue(an_intent("u1", idempotency_key="k"))
        (clash,) = commit(shop, url, "u2", idempotency_key="k")
        shop.cli("relay", "--once")
        assert shop.cli("outbox", "discard", clash).returncode == 0
        assert shop.cli("outbox", "list").stdout == b"The outbox has no such row.\n"
        gone = shop.cli("outbox", "show", clash)
        assert (gone.returncode, b"no row of the outbox has this id" in gone.stderr) == (1, True)


class WhenTheDatabaseIsNotRight:
    def test_a_missing_url_is_named(self, rig: Rig) -> None:
        done = rig.cli("outbox")
        assert (done.returncode, b"WOOSHQ_OUTBOX_URL" in done.stderr) == (2, True)

    @pytest.mark.parametrize("bad", ["nonsense", "oracle://app:secret@db/x", "nodriver+none://app:secret@db/x"])
    def test_a_url_that_cannot_be_used_is_refused_without_its_password(self, rig: Rig, bad: str) -> None:
        done = rig.cli("outbox", "--url", bad)
        assert (done.returncode, b"WOOSHQ_OUTBOX_URL" in done.stderr, b"secret" in done.stderr) == (2, True, False)

    def test_a_missing_table_is_said_with_the_way_to_make_it(self, rig: Rig, url: str) -> None:
        for command in (("outbox",), ("relay", "--once"), ("relay",)):
            done = rig.cli(*command, "--url", url)
            assert (done.returncode, b"wooshq outbox sql" in done.stderr) == (2, True), command

    def test_a_database_that_is_away_is_said(self, rig: Rig) -> None:
        done = rig.cli("outbox", "--url", "postgresql+psycopg://app:secret@127.0.0.1:1/x")
        assert (done.returncode, b"secret" in done.stderr) == (3, False)
        assert b"the database runs" in done.stderr

    def test_the_sql_that_is_printed_makes_the_table(self, rig: Rig, url: str, tmp_path: Path) -> None:
        sql = rig.cli("outbox", "sql", "--dialect", "sqlite").stdout.decode()
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])"
        subprocess.run([sys.executable, "-c", script, str(tmp_path / "app.db"), sql], check=True)
        assert rig.cli("outbox", "--url", url).returncode == 0
