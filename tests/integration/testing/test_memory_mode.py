"""`WOOSHQ_BROKER_URL=memory://`: an app in development runs without a Redis and a worker, and is told so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig import ROOT, TOKEN, an_intent
from wooshq_worker.sandbox import SandboxThread

BEGIN = f"""
import asyncio, json, re, sys, time, urllib.request
import wooshq, wooshq.aio
from wooshq import Wooshq, bulk, cancel, dead_letters, enqueue, enqueue_many, fan_out, status

def an_intent(user="u1", **more):
    return {{**{an_intent()!r}, "to": {{"users": [user]}}, "application": "AAAAA-BBBBB", **more}}

flush = wooshq.enqueue.__self__.flush
"""


def run(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A program of a developer, with this environment."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PUSHWOOSH_", "WOOSHQ_"))}
    env |= {"PYTHONPATH": os.pathsep.join(str(ROOT / layer) for layer in ("schemas", "tasks", "worker"))}
    env |= {"WOOSHQ_BROKER_URL": "memory://", "PUSHWOOSH_BASE_URL": "sandbox", **variables}
    return subprocess.run(
        [sys.executable, "-c", BEGIN + code], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


class WhenAnAppRuns:
    def test_it_sends_without_a_redis_and_a_worker_and_says_so(self, tmp_path: Path) -> None:
        code = """
intent_id = enqueue(an_intent())
assert flush(60)
print(status(intent_id).state)
"""
        done = run(code, tmp_path)
        assert done.stdout.splitlines()[-1] == "sent", done.stderr
        assert done.stderr.count("memory_mode: WOOSHQ_BROKER_URL=memory:// is for development") == 1
        assert "What is not sent when the process ends is lost" in done.stderr
        assert list(tmp_path.iterdir()) == [], "no embedded Redis, no file"

    def test_a_developer_can_look_at_what_arrived(self, tmp_path: Path) -> None:
        code = """
import logging
said = []
logging.getLogger("wooshq.memory").addHandler(type("Said", (logging.Handler,), {"emit": lambda self, one: said.append(one.getMessage())})())
enqueue(an_intent("u7"))
assert flush(60)
with urllib.request.urlopen(re.search(r"http://\\S+/sandbox/calls", said[0])[0]) as answer:
    print([call["recipients"] for call in json.load(answer)["calls"]])
"""
        assert run(code, tmp_path).stdout.splitlines()[-1] == "[['u7']]"

    def test_every_call_works(self, tmp_path: Path) -> None:
        code = """
report = enqueue_many(an_intent(f"u{n}") for n in range(50))
job = fan_out({"message": {"push": {"body": "Hi {name}"}}, "application": "AAAAA-BBBBB"}, [{"user": "u1", "name": "Ann"}, {"user": "u2", "name": "Bob"}])
async_id = asyncio.run(wooshq.aio.enqueue(an_intent("u3")))
assert job.wait(60).state == "done"
assert flush(60)
print({status(i).state for i in (*report.ids, async_id)}, job.show().sent)
"""
        done = run(code, tmp_path)
        assert done.stdout.splitlines()[-1] == "{'sent'} 2", done.stderr

    def test_a_failure_is_retried_in_real_time(self, tmp_path: Path) -> None:
        code = """
intent_id = enqueue(an_intent())
while status(intent_id).state != "sent":
    time.sleep(0.05)
print(len(status(intent_id).attempts))
"""
        with SandboxThread(token=TOKEN) as sandbox:
            sandbox.set_faults({"effect": "status", "status": 503, "first": 4})
            done = run(code, tmp_path, PUSHWOOSH_BASE_URL=sandbox.url, PUSHWOOSH_API_TOKEN=TOKEN, WOOSHQ_BACKOFF_BASE_S="0.2")
            assert done.stdout.splitlines()[-1] == "5", done.stderr
            assert len(sandbox.accepted) == 1

    def test_what_was_enqueued_last_is_sent_before_the_process_ends(self, tmp_path: Path) -> None:
        with SandboxThread(token=TOKEN) as sandbox:
            done = run("enqueue(an_intent())", tmp_path, PUSHWOOSH_BASE_URL=sandbox.url, PUSHWOOSH_API_TOKEN=TOKEN)
            assert done.returncode == 0, done.stderr
            assert len(sandbox.accepted) == 1
            assert "memory_lost" not in done.stderr

    def test_what_could_not_be_sent_is_lost_and_the_process_says_so(self, tmp_path: Path) -> None:
        with SandboxThread(token=TOKEN) as sandbox:
            sandbox.set_faults({"effect": "status", "status": 503})
            code = "enqueue(an_intent())\nassert flush(60)"
            done = run(code, tmp_path, PUSHWOOSH_BASE_URL=sandbox.url, PUSHWOOSH_API_TOKEN=TOKEN, WOOSHQ_BACKOFF_BASE_S="600")
        assert "memory_lost: 1 messages were not sent" in done.stderr

    def test_a_forked_child_has_a_ledger_and_a_worker_of_its_own(self, tmp_path: Path) -> None:
        code = """
import os
first = enqueue(an_intent())
assert flush(60)
if (child := os.fork()) == 0:
    assert status(first) is None
    second = enqueue(an_intent())
    assert flush(60)
    print(status(second).state, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(status(first).state)
"""
        done = run(code, tmp_path)
        assert done.stdout.splitlines()[-2:] == ["sent", "sent"], done.stderr

    def test_two_installations_do_not_share_messages(self, tmp_path: Path) -> None:
        code = """
from wooshq import Settings
other = Wooshq(Settings(namespace="other"))
intent_id = other.enqueue(an_intent())
assert other.flush(60)
print(other.status(intent_id).state, status(intent_id))
"""
        assert run(code, tmp_path).stdout.splitlines()[-1] == "sent None"


class WhenItCannotStart:
    @pytest.mark.parametrize("url", ["", "https://api.pushwoosh.com"])
    def test_a_real_api_is_refused_at_the_first_call(self, tmp_path: Path, url: str) -> None:
        done = run("enqueue(an_intent())", tmp_path, PUSHWOOSH_BASE_URL=url)
        assert "SettingsInvalid: WOOSHQ_BROKER_URL=memory:// is for development, and PUSHWOOSH_BASE_URL is a real API" in done.stderr

    def test_a_missing_extra_is_named(self, tmp_path: Path) -> None:
        done = run("sys.modules['fakeredis'] = None\nenqueue(an_intent())", tmp_path)
        assert "WOOSHQ_BROKER_URL=memory:// needs the package fakeredis. Install the extra: pip install 'wooshq[testing]'" in done.stderr

    def test_gevent_is_refused_at_the_first_call(self, tmp_path: Path) -> None:
        done = run("from gevent import monkey\nmonkey.patch_all()\nenqueue(an_intent())", tmp_path)
        assert "SettingsInvalid: WOOSHQ_BROKER_URL=memory:// does not run with gevent" in done.stderr
        assert "memory_lost" not in done.stderr

    @pytest.mark.parametrize("command", ["worker", "status", "doctor"])
    def test_another_process_says_that_it_cannot_see_the_messages(self, tmp_path: Path, command: str) -> None:
        code = f"sys.argv = ['wooshq', {command!r}]\nfrom wooshq_worker.__main__ import main\nmain()"
        done = run(code, tmp_path)
        assert done.returncode == 2, done.stderr
        assert "no other process can see them" in done.stderr
