"""The README is true: its snippets run, its commands exist, its tables match the code."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
import typer.main
from celery import Celery

import wooshq
from wooshq import NotAccepted, Settings, Wooshq
from wooshq.testing import outbox
from wooshq_worker.cli import app as command_line
from wooshq_worker.cli.commands.letters.dead import GROUP_COLUMNS
from wooshq_worker.cli.terminal import out
from wooshq_worker.cli.terminal.tables import laid_out
from wooshq_worker.sandbox import SandboxThread

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PAGES = [(Path(__file__).parents[3] / "docs" / name).read_text(encoding="utf-8") for name in ("replay.md", "http-api.md")]
CONSOLE = [line for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
CONSOLE_OF_PAGES = [line for page in PAGES for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
APPLICATION = "AAAAA-BBBBB"
NOBODY = "redis://127.0.0.1:1/0"
"""A Redis that is down."""


def snippet(begins: str) -> str:
    """The one that begins so."""
    (found,) = [code for code in SNIPPETS if code.startswith(begins)]
    return found


def run(code: str, **names: Any) -> SimpleNamespace:
    """Run a snippet; the names it made."""
    made = {"__name__": "a_users_module", **names}
    exec(compile(code, "README.md", "exec"), made)
    return SimpleNamespace(**made)


@pytest.fixture(name="ours")
def behind_the_public_names(wooshq: Wooshq, monkeypatch: pytest.MonkeyPatch) -> Wooshq:
    """The test's own installation, behind the names that a snippet imports."""
    for name in ("enqueue", "enqueue_many", "status", "fan_out", "dead_letters", "gates"):
        monkeypatch.setattr(f"wooshq.{name}", getattr(wooshq, name))
    return wooshq


@pytest.fixture
def by_environment(wooshq: Wooshq, redis_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Wooshq:
    """The test's own installation, named by the environment."""
    for variable, value in (("WOOSHQ_REDIS_URL", redis_url), ("WOOSHQ_BROKER_URL", broker_url), ("PUSHWOOSH_APPLICATION", APPLICATION)):
        monkeypatch.setenv(variable, value)
    return wooshq


def out_of_reach(*_: object) -> Any:
    raise NotAccepted("Redis did not answer", intent_ids=["0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"])


class WhenASnippetIsCopied:
    def test_every_snippet_is_run_by_a_test_of_this_file(self) -> None:
        assert [code.splitlines()[0] for code in SNIPPETS] == [
            "# FastAPI: pip install 'wooshq[fastapi]'",
            "# Django: only after the transaction has committed",
            "# Flask: pip install 'wooshq[flask]'",
            "# Any Celery app, without wooshq installed: one intent as the JSON argument",
            "from wooshq import enqueue_many, status",
            "from wooshq import fan_out",
            "from wooshq import RecipientsFile, RowRules, fan_out",
            "from wooshq import dead_letters, gates",
            "# A test of your app",
            "from wooshq_worker.sandbox import SandboxThread",
        ]

    @pytest.mark.filterwarnings("ignore:Using `httpx`")
    def test_the_fastapi_app_answers_every_error(self, by_environment: Wooshq, monkeypatch: pytest.MonkeyPatch) -> None:
        from fastapi.testclient import TestClient

        with TestClient(run(snippet("# FastAPI")).app) as client:
            done = client.post("/orders/1/shipped?user=u1")
            assert done.status_code == 202
            assert by_environment.status(done.json()["id"]) is not None
            assert client.post("/orders/1/shipped?user=u1").json() == done.json()
            assert client.post("/orders/1/shipped?user=u2").status_code == 422
            assert client.post("/orders/2/shipped?user=").status_code == 422
        monkeypatch.setenv("WOOSHQ_REDIS_URL", NOBODY)
        with TestClient(run(snippet("# FastAPI")).app) as client:
            assert client.post("/orders/1/shipped?user=u1").status_code == 503

    def test_the_flask_app_answers_every_error(self, by_environment: Wooshq, monkeypatch: pytest.MonkeyPatch) -> None:
        client = run(snippet("# Flask")).app.test_client()
        done = client.post("/code", json={"user": "u1", "request_id": "r1"})
        assert (done.status_code, by_environment.status(done.json["id"]) is not None) == (202, True)
        assert client.post("/code", json={"user": "u1", "request_id": "r1"}).json == done.json, "asking again makes no second message"
        assert client.post("/code", json={"user": "", "request_id": "r2"}).status_code == 422
        monkeypatch.setenv("WOOSHQ_REDIS_URL", NOBODY)
        assert run(snippet("# Flask")).app.test_client().post("/code", json={"user": "u1", "request_id": "r1"}).status_code == 503

    def test_the_django_app_enqueues_after_the_commit_and_marks_orders_that_were_not_told(
        self, ours: Wooshq, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import django
        from django.conf import settings as django_settings
        from django.db import transaction

        django_settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
        django.setup()
        order = SimpleNamespace(pk=1, user_id=7, told=True, save=lambda **_: None)
        with transaction.atomic():
            run(snippet("# Django")).ship(order)
            assert "accepted" not in ours.counts()
        assert ours.counts()["accepted"] == 1
        monkeypatch.setattr(wooshq, "enqueue", out_of_reach)
        with transaction.atomic():
            run(snippet("# Django")).ship(order)
        assert order.told is False

    def test_any_celery_app_can_submit(self, broker_url: str) -> None:
        with Celery("shop", broker=broker_url, set_as_current=False) as shop:
            run(snippet("# Any Celery app"), app=shop)
        with redis.Redis.from_url(broker_url.replace("redis+socket://", "unix://").replace("virtual_host", "db")) as server:
            assert server.llen("transactional") == 1

    def test_many_intents_give_ids_and_errors_by_index(self, ours: Wooshq, capsys: pytest.CaptureFixture[str]) -> None:
        run(snippet("from wooshq import enqueue_many"))
        assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
            ["0", "queued"],
            ["1", "queued"],
            ["2", "to.users.0:"],
        ]

    def test_a_fan_out_makes_a_job_to_wait_for_or_cancel(self, ours: Wooshq, capsys: pytest.CaptureFixture[str]) -> None:
        def cancel_when_fed() -> None:
            while not (found := ours.bulk.list()) or found[0].state == "feeding":
                time.sleep(0.05)
            ours.bulk.cancel(found[0].id)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(cancel_when_fed)
            run(snippet("from wooshq import fan_out"))
        assert capsys.readouterr().out == "0 0 {}\n0 0 0 0 100\n"

    def test_a_fan_out_reads_a_file(
        self, ours: Wooshq, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("people.csv.gz").write_bytes(gzip.compress(b"User ID,locale\nu1,de\nu2,fil-PH\n"))
        run(snippet("from wooshq import RecipientsFile"))
        (job,) = ours.bulk.list()
        assert job.total == 2
        assert "In 1 row, the locale is not one that Pushwoosh knows" in capsys.readouterr().out

    def test_dead_letters_and_gates_can_be_used_from_python(self, ours: Wooshq, capsys: pytest.CaptureFixture[str]) -> None:
        ours.pause(lane="bulk", why="noon", by="ana")
        run(snippet("from wooshq import dead_letters"))
        assert capsys.readouterr().out == "0 0 {}\nhand * bulk noon ana None\n"

    def test_a_test_of_an_app_passes(self) -> None:
        def ship(order: int, user: str) -> None:
            wooshq.enqueue({"to": {"users": [user]}, "message": {"push": {"title": "Shipped", "body": f"Order {order}"}}})

        with outbox() as box:
            run(snippet("# A test of your app"), ship=ship).test_a_user_is_told(box)

    def test_the_sandbox_can_run_inside_a_test(self, capsys: pytest.CaptureFixture[str]) -> None:
        run(snippet("from wooshq_worker.sandbox"))
        assert capsys.readouterr().out.endswith("[] 0\n")


class WhenACommandIsCopied:
    @pytest.mark.parametrize("line", [line for line in (*CONSOLE, *CONSOLE_OF_PAGES) if re.search(r"(^\$|\|) wooshq ", line)])
    def test_it_exists_and_accepts_these_options(self, line: str) -> None:
        args = shlex.split(line[line.rindex("wooshq ") :] if line.startswith("$ wooshq") else line.rpartition("| ")[2], comments=True)[1:]
        command: Any = typer.main.get_command(command_line)
        context = command.make_context("wooshq", list(args))
        while hasattr(command, "commands") and args and args[0] in command.commands:
            command = command.commands[args.pop(0)]
            context = command.make_context("wooshq", list(args))
        assert context.command is not None

    def test_the_sandbox_accepts_these_requests(self) -> None:
        asked = [shlex.split(line, comments=True)[2:] for line in CONSOLE if line.startswith("$ curl ")]
        assert len(asked) == 4
        with SandboxThread() as sandbox:
            for *data, url in asked:
                body = data[1].encode() if data else None
                here = url.replace("http://127.0.0.1:8081", sandbox.url)
                with urllib.request.urlopen(urllib.request.Request(here, body), timeout=30) as answer:
                    assert answer.status == 200

    def test_its_output_is_that_of_a_terminal_with_100_columns(self) -> None:
        at = CONSOLE.index("$ wooshq dead groups")
        times, line = ["2026-11-24 06:46:54", "2026-11-24 06:46:55"], "                       █"
        row = ["5", "5", "rejected", "DEMO0-WOOSH", *times, line, "open", "fix and replay", "5f0c2a9b7e41", "unknown preset"]
        assert CONSOLE[at + 2 : at + 4] == laid_out(GROUP_COLUMNS, [row], 100)


class WhenATableIsRead:
    def test_the_settings_match_the_class(self) -> None:
        table = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*)$", README, re.MULTILINE))
        wanted = {}
        for name, info in Settings.model_fields.items():
            alias = info.validation_alias
            variable = alias.choices[0] if alias is not None and not isinstance(alias, str) else f"WOOSHQ_{name.upper()}"  # type: ignore[union-attr]
            default = info.get_default(call_default_factory=True)
            shown = json.dumps(default) if isinstance(default, (dict, bool)) else str(default)
            cell = "" if default is None else f"`{shown}`"
            wanted[variable] = f"{cell} | {info.description} |"
        assert table == wanted

    def test_it_has_every_exit_status(self) -> None:
        told = {int(status) for status in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
        assert told == {out.ALL_DONE, out.SOME_REFUSED, out.USED_WRONGLY, out.NOTHING_DONE, out.INTERRUPTED}
