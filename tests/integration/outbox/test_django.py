"""`wooshq.django` in a real project: enqueue in the transaction, relay, commands, checks, settings, admin."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.databases import KINDS, a_database, make_table
from tests.databases.django_project import FOLDER, DjangoProject
from tests.rig import Rig

ENQUEUE = """
from django.db import transaction
from wooshq.django import enqueue
def intent(user, **more):
    return {"to": {"users": [user]}, "message": {"push": {"title": "Hi", "body": "x"}}, **more}
"""


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with a_database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def project(rig: Rig, url: str, tmp_path: Path) -> DjangoProject:
    made = DjangoProject(tmp_path, url, rig.env)
    done = made.run("migrate", "-v", "0")
    assert (done.returncode, "wooshq.W003" in done.stderr) == (0, False), done.stderr
    return made


@pytest.fixture
def on_sqlite(rig: Rig, tmp_path: Path) -> DjangoProject:
    """A project without tables."""
    return DjangoProject(tmp_path, f"sqlite:///{tmp_path / 'app.db'}", rig.env)


def shape(url: str) -> dict[str, Any]:
    """Columns with whether they may be NULL, the primary key, and the index of the outbox."""
    engine = sqlalchemy.create_engine(url)
    found = sqlalchemy.inspect(engine)
    said = {
        "columns": {column["name"]: bool(column["nullable"]) for column in found.get_columns("wooshq_outbox")},
        "key": found.get_pk_constraint("wooshq_outbox")["constrained_columns"],
        "index": [index["column_names"] for index in found.get_indexes("wooshq_outbox") if index["name"] == "wooshq_outbox_waiting"],
    }
    engine.dispose()
    return said


class WhenTheMigrationHasRun:
    def test_the_table_is_the_one_that_the_plain_sql_makes(
        self, request: pytest.FixtureRequest, project: DjangoProject, url: str, tmp_path: Path
    ) -> None:
        (tmp_path / "plain").mkdir()
        with a_database(request.node.callspec.params["url"], tmp_path / "plain") as plain:
            make_table(plain)
            assert shape(plain) == shape(url)

    def test_what_commits_is_moved_and_what_is_rolled_back_is_not(self, project: DjangoProject, rig: Rig) -> None:
        committed = project.python(
            ENQUEUE
            + """
ids = [enqueue(intent("alone"))]
with transaction.atomic():
    ids.append(enqueue(intent("u1")))
    try:
        with transaction.atomic():
            enqueue(intent("u2"))
            raise KeyError
    except KeyError:
        pass
try:
    with transaction.atomic():
        enqueue(intent("u3"))
        raise KeyError
except KeyError:
    pass
print(json.dumps(ids))
"""
        )
        done = project.run("wooshq_relay", "--once")
        assert (done.returncode, done.stdout) == (0, "Moved 2 into the ledger.\n"), done.stderr
        assert [rig.status(i).state for i in committed] == ["queued", "queued"]
        assert rig.wooshq.counts()["accepted"] == 2

    def test_the_commands_of_wooshq_know_the_outbox(self, project: DjangoProject) -> None:
        row_id = project.python(ENQUEUE + "print(json.dumps(enqueue(intent('u1'))))")
        assert json.loads(project.run("wooshq", "status", row_id, "--json").stdout)["state"] == "in_outbox"
        assert "outbox: 1 waiting" in project.run("wooshq", "doctor", "--offline").stdout
        assert "waiting              1" in project.run("wooshq", "outbox").stdout
        assert project.run("wooshq", "relay", "--once").returncode == 0
        assert json.loads(project.run("wooshq", "status", row_id, "--json").stdout)["state"] == "queued"

    def test_an_invalid_intent_is_refused_before_the_insert(self, project: DjangoProject) -> None:
        said = project.python(
            ENQUEUE
            + """
from wooshq import IntentInvalid
from wooshq.django.models import OutboxRow
try:
    enqueue({"to": {"users": ["u1"]}})
except IntentInvalid as error:
    print(json.dumps([str(error), OutboxRow.objects.count()]))
"""
        )
        assert ("message" in said[0], said[1]) == (True, 0)

    def test_transactions_that_are_ended_by_hand_have_it_too(self, project: DjangoProject, rig: Rig) -> None:
        committed = project.python(
            ENQUEUE
            + """
transaction.set_autocommit(False)
ids = [enqueue(intent("u1"))]
transaction.commit()
enqueue(intent("u2"))
transaction.rollback()
print(json.dumps(ids))
"""
        )
        assert project.run("wooshq_relay", "--once").stdout == "Moved 1 into the ledger.\n"
        assert [rig.status(i).state for i in committed] == ["queued"]

    def test_rows_that_were_put_away_are_shown_mended_and_tried_again(self, project: DjangoProject, rig: Rig) -> None:
        _first, clash, other = project.python(
            ENQUEUE + "print(json.dumps([enqueue(intent(f'u{n}', idempotency_key='k')) for n in range(3)]))"
        )
        assert "Put away: 2" in project.run("wooshq_relay", "--once").stdout
        left = [json.loads(line) for line in project.run("wooshq_outbox", "list", "--json").stdout.splitlines()]
        assert len(left) == 2
        assert rig.wooshq.counts()["accepted"] == 1
        clash, other = (row["id"] for row in left)
        shown = json.loads(project.run("wooshq_outbox", "show", clash, "--json").stdout)
        assert (shown["state"], "already accepted" in shown["reason"]) == ("set_aside", True)
        wrong = project.run("wooshq_outbox", "edit", clash, "-", stdin="{}")
        assert (wrong.returncode, "message" in wrong.stderr) == (1, True)
        mended = json.dumps({**shown, "intent": {**shown["intent"], "idempotency_key": "k2"}})
        assert project.run("wooshq_outbox", "edit", clash, "-", stdin=mended).returncode == 0
        assert project.run("wooshq_outbox", "retry", clash).stdout == "It waits for a relay.\n"
        assert "will be set aside again" in project.run("wooshq_outbox", "retry", other).stdout
        assert "see manage.py wooshq_outbox" in project.run("wooshq_relay", "--once").stderr
        assert project.run("wooshq_outbox", "retry").returncode == 1
        assert project.run("wooshq_outbox", "retry", "--state", "set_aside").stdout == "Rows that wait for a relay again: 1\n"
        assert project.run("wooshq_relay", "--once").returncode == 0
        assert project.run("wooshq_outbox", "discard", other).returncode == 0
        assert rig.status(clash).state == "queued"
        gone = project.run("wooshq_outbox", "show", other)
        assert (gone.returncode, "no row of the outbox has this id" in gone.stderr) == (1, True)


class WhenTheDatabaseIsSetOtherwise:
    def test_relays_do_not_fail_because_of_each_other(self, tmp_path: Path, rig: Rig) -> None:
        with a_database("postgresql", tmp_path) as url:
            project = DjangoProject(tmp_path, url, rig.env, isolation_level=4)  # psycopg.IsolationLevel.SERIALIZABLE
            assert project.run("migrate", "-v", "0").returncode == 0
            level = """
from django.db import connection
from wooshq.django.outbox import DjangoDatabase
with DjangoDatabase().transaction() as db:
    inside = db.rows("SHOW transaction_isolation")
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("SHOW transaction_isolation")
    outside = cursor.fetchall()
print(json.dumps([*inside, *outside]))
"""
            assert project.python(ENQUEUE + level) == [["read committed"], ["serializable"]]

    def test_one_that_became_read_only_is_said_and_not_a_crash(self, tmp_path: Path, rig: Rig) -> None:
        with a_database("postgresql", tmp_path) as url:
            project = DjangoProject(tmp_path, url, rig.env)
            assert project.run("migrate", "-v", "0").returncode == 0
            done = project.run("wooshq_relay", "--once", PGOPTIONS="-c default_transaction_read_only=on")
            says = "The database 'default' did no work (ReadOnlySqlTransaction)"
            assert (done.returncode, says in done.stderr, "Traceback" in done.stderr) == (3, True, False), done.stderr


class WhenTheProjectIsChecked:
    def test_all_is_well(self, project: DjangoProject) -> None:
        done = project.run("check", "--database", "default", "--fail-level", "WARNING")
        assert done.returncode == 0, done.stderr
        assert project.run("makemigrations", "--check", "--dry-run").returncode == 0

    def test_a_missing_table_is_said_with_its_remedy(self, on_sqlite: DjangoProject) -> None:
        assert on_sqlite.run("check").returncode == 0
        done = on_sqlite.run("check", "--database", "default", "--fail-level", "WARNING")
        assert (done.returncode, "manage.py migrate wooshq" in done.stderr) == (1, True)
        relay = on_sqlite.run("wooshq_relay", "--once")
        assert (relay.returncode, "no table wooshq_outbox" in relay.stderr) == (1, True)

    def test_a_sqlite_that_does_not_wait_is_a_warning(self, on_sqlite: DjangoProject) -> None:
        assert on_sqlite.run("migrate", "-v", "0").returncode == 0
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(on_sqlite.folder / "app.db")}
        on_sqlite.set(DATABASES={"default": database})
        assert "wooshq.W004" in on_sqlite.run("check", "--database", "default").stderr

    def test_a_redis_that_is_away_is_a_warning(self, project: DjangoProject) -> None:
        away = {"WOOSHQ_REDIS_URL": "redis://127.0.0.1:1/0", "WOOSHQ_ACCEPT_WITHIN_S": "0.5"}
        done = project.run("check", "--database", "default", **away)
        assert (done.returncode, "wooshq.W002" in done.stderr) == (0, True)
        project.python(ENQUEUE + "print(json.dumps(enqueue(intent('u1'))))")
        shown = project.run("wooshq_outbox", **away)
        assert (shown.returncode, "waiting    1, the oldest for" in shown.stdout, "did not answer" in shown.stderr) == (0, True, True)
        relay = project.run("wooshq_relay", "--once", **away)
        assert relay.returncode in (0, 3)

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"redis_ulr": "redis://x/0"}, "redis_url"),
            ({"redis_url": "http://x/0"}, "WOOSHQ_REDIS_URL"),
            ([], "must be a dict"),
            ({"api_token": "my secret\ntoken"}, "API_TOKEN"),
        ],
    )
    def test_wrong_settings_are_named_and_never_shown(self, on_sqlite: DjangoProject, settings: Any, says: str) -> None:
        on_sqlite.set(WOOSHQ=settings or [1])
        for name in ("WOOSHQ_REDIS_URL", "PUSHWOOSH_API_TOKEN"):
            on_sqlite.env.pop(name, None)
        done = on_sqlite.run("check")
        assert done.returncode == 1
        assert says in done.stderr
        assert "secret" not in done.stderr


class WhenDjangoHasTheSettings:
    READ = "import wooshq\ns = wooshq._default.settings\nprint(json.dumps([s.application, s.rate_per_s, s.rates]))"

    def test_they_count_and_the_environment_wins(self, on_sqlite: DjangoProject) -> None:
        on_sqlite.set(WOOSHQ={"application": "FFFFF-FFFFF", "rate_per_s": 7, "rates": {"X": 1.0}})
        assert on_sqlite.python(self.READ)[1:] == [7, {"X": 1.0}]
        assert on_sqlite.env["PUSHWOOSH_APPLICATION"] == on_sqlite.python(self.READ)[0]
        del on_sqlite.env["PUSHWOOSH_APPLICATION"]
        assert on_sqlite.python(self.READ)[0] == "FFFFF-FFFFF"
        on_sqlite.env["WOOSHQ_RATE_PER_S"] = "9"
        assert on_sqlite.python(self.READ)[1] == 9

    def test_so_do_the_commands_of_wooshq(self, on_sqlite: DjangoProject) -> None:
        on_sqlite.set(WOOSHQ={"application": "FFFFF-FFFFF"})
        del on_sqlite.env["PUSHWOOSH_APPLICATION"]
        done = on_sqlite.run("wooshq", "doctor", "--offline", "--json")
        assert "FFFFF-FFFFF" in done.stdout, done.stderr
        assert "--help" in on_sqlite.run("wooshq").stdout

    def test_the_environment_can_want_no_redis(self, on_sqlite: DjangoProject) -> None:
        on_sqlite.set(WOOSHQ={"redis_url": "redis://db.example/0"})
        for name in [name for name in on_sqlite.env if name.startswith(("WOOSHQ_REDIS", "PUSHWOOSH_"))]:
            del on_sqlite.env[name]
        on_sqlite.env |= {"WOOSHQ_BROKER_URL": "memory://", "PUSHWOOSH_BASE_URL": "sandbox"}
        assert on_sqlite.run("check", "--fail-level", "WARNING").returncode == 0
        assert on_sqlite.python("import wooshq\ns = wooshq._default.settings\nprint(json.dumps([s.redis_url, s.application]))") == [
            None,
            "SANDB-OXAPP",
        ]

    def test_a_worker_without_a_redis_that_is_named_is_refused(self, on_sqlite: DjangoProject) -> None:
        for name in [name for name in on_sqlite.env if name.startswith("WOOSHQ_")]:
            del on_sqlite.env[name]
        done = on_sqlite.run("wooshq_worker")
        assert (done.returncode, "No Redis is named" in done.stderr) == (1, True)

    def test_the_worker_gets_them(self, on_sqlite: DjangoProject) -> None:
        on_sqlite.set(WOOSHQ={"log_level": "NOT_A_LEVEL"})
        done = on_sqlite.run("wooshq_worker")
        assert (done.returncode, "WOOSHQ_LOG_LEVEL" in done.stderr) == (1, True), done.stderr


class WhenOneMessageGoesToAQueryset:
    TEMPLATE = json.dumps({"message": {"push": {"title": "Sale", "body": "Hi, {n} items"}}})

    def test_each_row_is_a_recipient(self, project: DjangoProject, rig: Rig, tmp_path: Path) -> None:
        (tmp_path / "sale.json").write_text(self.TEMPLATE)
        project.python(
            "from orders.models import Order\nOrder.objects.bulk_create([Order(user=f'u{n}', items=n % 3) for n in range(50)])\nprint(1)"
        )
        columns = ("--template", "sale.json", "--columns", "user=user,n=items")
        preview = json.loads(project.run("wooshq_fanout", "orders.Order", *columns, "--filter", "items=2", "--dry-run", "--json").stdout)
        assert preview["recipients"] == 16
        readable = project.run("wooshq_fanout", "orders.Order", *columns, "--filter", "items=2", "--dry-run").stdout
        assert ("recipients  16" in readable, "u2 receives:" in readable) == (True, True)
        done = project.run("wooshq_fanout", "orders.Order", *columns, "--filter", "items=2")
        assert done.returncode == 0, done.stderr
        assert rig.wooshq.bulk.show(done.stdout.strip()).total == 16

    def test_rows_that_are_no_recipients_are_said_and_written(self, on_sqlite: DjangoProject, rig: Rig, tmp_path: Path) -> None:
        assert on_sqlite.run("migrate", "-v", "0").returncode == 0
        (tmp_path / "sale.json").write_text(self.TEMPLATE)
        users = "[f'u{n}' for n in range(5)] + [''] * 7"
        on_sqlite.python(f"from orders.models import Order\nOrder.objects.bulk_create([Order(user=u, items=1) for u in {users}])\nprint(1)")
        command = ("wooshq_fanout", "orders.Order", "--template", "sale.json", "--columns", "user=user,n=items", "--max-rejects", "10")
        done = on_sqlite.run(*command, "--rejects", "left_out.ndjson")
        assert done.returncode == 0, done.stderr
        assert "7 rows were no recipients" in done.stderr
        assert len(re.findall(r"^row \d+: ", done.stderr, re.MULTILINE)) == 5
        left_out = [json.loads(line) for line in (tmp_path / "left_out.ndjson").read_text().splitlines()]
        assert [line["row"] for line in left_out] == list(range(6, 13))
        assert rig.wooshq.bulk.show(done.stdout.strip()).total == 5
        again = on_sqlite.run(*command, "--rejects", "left_out.ndjson")
        assert (again.returncode, "cannot be written" in again.stderr) == (1, True)

    def test_a_missing_template_is_said(self, on_sqlite: DjangoProject) -> None:
        done = on_sqlite.run("wooshq_fanout", "orders.Order", "--template", "nowhere.json", "--columns", "user")
        assert (done.returncode, "--template: nowhere.json" in done.stderr) == (1, True)

    def test_a_function_may_give_a_queryset_with_a_limit(self, on_sqlite: DjangoProject, tmp_path: Path) -> None:
        assert on_sqlite.run("migrate", "-v", "0").returncode == 0
        (tmp_path / "sale.json").write_text(self.TEMPLATE)
        (tmp_path / "audiences.py").write_text(
            "from orders.models import Order\ndef first():\n    return Order.objects.order_by('pk')[:2]\n"
        )
        on_sqlite.python("from orders.models import Order\nOrder.objects.bulk_create([Order(user=f'u{n}') for n in range(5)])\nprint(1)")
        args = ("wooshq_fanout", "audiences.first", "--template", "sale.json", "--columns", "user=user,n=items")
        done = on_sqlite.run(*args, "--dry-run", "--json")
        assert json.loads(done.stdout)["recipients"] == 2, done.stderr
        assert "with a limit" in on_sqlite.run(*args, "--filter", "items=1").stderr

    @pytest.mark.parametrize(
        ("args", "says"),
        [
            (("orders.Nothing", "--columns", "user"), "neither a model nor a function"),
            (("json.dumps.x", "--columns", "user"), "SOURCE"),
            (("orders.Order", "--columns", "user=nobody"), "--filter or --columns"),
            (("orders.Order", "--columns", "user", "--filter", "colour=red"), "--filter or --columns"),
            (("orders.Order", "--columns", "user", "--filter", "items"), "NAME=VALUE"),
            (("orders.Order", "--columns", "user", "--default", "n"), "--default: n has no value"),
        ],
    )
    def test_a_mistake_is_said(self, on_sqlite: DjangoProject, tmp_path: Path, args: tuple[str, ...], says: str) -> None:
        (tmp_path / "sale.json").write_text(self.TEMPLATE)
        done = on_sqlite.run("wooshq_fanout", *args, "--template", "sale.json")
        assert (done.returncode, says in done.stderr) == (1, True), done.stderr


class WhenSomebodyLooksIntoTheAdmin:
    def test_the_list_has_no_recipients_and_nothing_can_be_changed(self, on_sqlite: DjangoProject) -> None:
        assert on_sqlite.run("migrate", "-v", "0").returncode == 0
        pages = on_sqlite.python(
            ENQUEUE
            + """
from django.contrib.auth.models import User
from django.test import Client
row = enqueue(intent("a-person"))
client = Client()
client.force_login(User.objects.create_superuser("root"))
base = "/admin/wooshq/outboxrow/"
pages = [client.get(base), client.get(f"{base}?q={row}"), client.get(f"{base}{row}/change/")]
refused = [client.get(base + "add/"), client.post(f"{base}{row}/delete/"), client.post(f"{base}{row}/change/", {"state": "parked"})]
print(json.dumps({"row": row, "pages": [p.content.decode() for p in pages], "refused": [r.status_code for r in refused]}))
"""
        )
        listed, found, one = pages["pages"]
        assert pages["row"] in listed
        assert pages["row"] in found
        assert "a-person" not in listed
        assert "a-person" in one
        assert not re.search(r'name="_save"|deletelink', one)
        assert pages["refused"] == [403, 403, 403]


def test_the_example_passes_its_own_tests(on_sqlite: DjangoProject) -> None:
    done = on_sqlite.run("test", "orders", DJANGO_SETTINGS_MODULE="myshop.settings")
    assert done.returncode == 0, done.stderr
    ran = re.search(r"Ran (\d+) tests", done.stderr)
    assert ran is not None
    assert int(ran[1]) == (FOLDER / "orders/tests.py").read_text().count("def test_")
