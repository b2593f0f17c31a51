"""Which Redis is used? From Python one must be named, so that a web app that forgot its URL does not use one that no worker reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig, an_intent, wait_until
from wooshq import Settings, SettingsInvalid, Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.installation.places import places
from wooshq_worker.cli.terminal.no_worker import NoWorkerYet


def settings(**names: Any) -> Settings:
    return Settings(**{"_env_file": None, "application": "AAAAA-BBBBB", **names})


def from_asyncio(made: Settings) -> Any:
    return asyncio.run(AsyncWooshq(made).enqueue(an_intent()))


CALLS: list[Callable[[Settings], Any]] = [
    lambda made: Wooshq(made).enqueue(an_intent()),
    lambda made: Wooshq(made).enqueue_many([an_intent()]),
    lambda made: Wooshq(made).fan_out({"message": {"push": {"title": "Hi"}}}, ["u1"]),
    lambda made: Wooshq(made).status("0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"),
    lambda made: Wooshq(made).__enter__(),
    from_asyncio,
]


class WhenAWebAppForgotTheRedis:
    @pytest.mark.parametrize("call", CALLS)
    def test_each_call_says_what_to_set_and_starts_no_redis(self, data_dir: Path, call: Callable[[Settings], Any]) -> None:
        with pytest.raises(SettingsInvalid) as error:
            call(settings(data_dir=data_dir))
        assert str(error.value).startswith("WOOSHQ_REDIS_URL is not set. Set it to the Redis that your workers use.")
        assert f"For the embedded Redis in {data_dir}, set WOOSHQ_REDIS_URL=embedded" in str(error.value)
        assert list(data_dir.iterdir()) == []

    def test_an_empty_variable_is_like_none(self, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WOOSHQ_REDIS_URL", "")
        with pytest.raises(SettingsInvalid):
            Wooshq(settings(data_dir=data_dir)).enqueue(an_intent())

    def test_a_broker_that_is_not_redis_does_not_change_this(self, data_dir: Path) -> None:
        with pytest.raises(SettingsInvalid, match="The broker is not Redis, and the ledger needs a Redis"):
            Wooshq(settings(data_dir=data_dir, broker_url="amqp://127.0.0.1")).enqueue(an_intent())

    def test_a_broker_that_is_redis_is_used(self) -> None:
        url = "redis://redis.example:6379/0"
        assert places(settings(broker_url=url)) == places(settings(redis_url=url))


class WhenTheEmbeddedRedisIsAskedFor:
    def test_it_is_used(self, data_dir: Path) -> None:
        with Wooshq(settings(data_dir=data_dir, redis_url="embedded")) as wooshq:
            assert wooshq.status(wooshq.enqueue(an_intent())) is not None
        assert (data_dir / "redis").is_dir()

    @pytest.mark.parametrize("word", ["Embedded", "embedded://", "embeded"])
    def test_another_spelling_is_refused(self, word: str) -> None:
        with pytest.raises(ValueError, match="or be the word embedded"):
            settings(redis_url=word)


class WhenTheCommandLineNamesNoRedis:
    @pytest.fixture(autouse=True)
    def _unnamed(self, rig: Rig) -> None:
        del rig.env["WOOSHQ_REDIS_URL"]

    def test_it_uses_the_embedded_one_and_doctor_says_so(self, rig: Rig) -> None:
        sent = rig.cli("send", "--json", stdin=json.dumps(an_intent()))
        assert rig.wooshq.status(json.loads(sent.stdout)["id"]) is not None
        findings = {one["what"]: one for one in map(json.loads, rig.cli("doctor", "--offline", "--json").stdout.splitlines())}
        assert findings["installation"]["level"] == "warn"
        assert findings["installation"]["says"].startswith("WOOSHQ_REDIS_URL is not set, so this uses the embedded Redis")

    def test_a_worker_warns_and_names_the_folder(self, rig: Rig) -> None:
        rig.start_worker()
        wait_until(lambda: rig.events("redis_not_named"), saw=rig.logs)
        (event,) = rig.events("redis_not_named")
        assert (event["level"], event["folder"]) == ("warning", str(rig.folder / "data" / "redis"))
        assert "or to embedded if this is right" in event["hint"]

    def test_a_worker_with_another_broker_does_not_start(self, rig: Rig) -> None:
        rig.env["WOOSHQ_BROKER_URL"] = "amqp://127.0.0.1"
        done = rig.cli("worker")
        assert (done.returncode, done.stderr.decode()[:28]) == (2, "WOOSHQ_REDIS_URL is not set.")


class WhenTheCommandLineAsksForTheEmbeddedRedis:
    def test_neither_doctor_nor_a_worker_warns(self, rig: Rig, api: Any) -> None:
        intent_id = rig.wooshq.enqueue(an_intent())
        rig.start_worker()
        assert "installation" not in rig.cli("doctor", "--offline").stdout.decode()
        rig.ended([intent_id])
        assert rig.events("redis_not_named") == []


class WhenNoWorkerRuns:
    def test_each_command_that_waits_says_so(self, rig: Rig) -> None:
        template = rig.folder / "hi.json"
        template.write_text('{"message": {"push": {"title": "Hi"}}}')
        job = rig.wooshq.fan_out(json.loads(template.read_text()), ["u1"])
        commands = {
            ("send", "--wait"): json.dumps(an_intent()),
            ("fanout", "--template", str(template), "--recipients", "-"): "user\nu1\n",
            ("bulk", "show", job.id, "--watch"): "",
        }
        processes = [rig.start(*command) for command in commands]
        for process, text in zip(processes, commands.values(), strict=True):
            assert process.stdin is not None
            process.stdin.write(text.encode())
            process.stdin.close()
        for process in processes:
            assert process.stderr is not None
            said = next(line for line in iter(process.stderr.readline, b"") if b"No worker" in line)
            where = rig.wooshq.installation.where
            assert said.decode() == f"No worker is running on the Redis at {where}, so nothing is sent. Start one: wooshq worker\n"
            process.kill()
            process.wait()
            process.stderr.close()

    def test_it_is_said_within_three_seconds_and_once(self, wooshq: Wooshq, capsys: pytest.CaptureFixture[str]) -> None:
        times = [n / 10 for n in range(31)]
        no_worker_yet = NoWorkerYet(wooshq, iter(times).__next__)
        for _ in times:
            no_worker_yet.look()
        assert capsys.readouterr().err.count("No worker is running") == 1

    def test_a_worker_that_runs_or_takes_over_is_noticed(self, wooshq: Wooshq, capsys: pytest.CaptureFixture[str]) -> None:
        taking_over, running = NoWorkerYet(wooshq, iter((0, 5)).__next__), NoWorkerYet(wooshq, iter((0, 5)).__next__)
        taking_over.look()
        assert wooshq.do(wooshq.ledger.be_keeper("token", 60))
        for no_worker_yet in (taking_over, running, running):
            no_worker_yet.look()
        assert capsys.readouterr().err == ""
