"""A whole installation for a test: a data folder of its own, real worker processes, and waiting without guessing."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import redis

from wooshq import Settings, Wooshq
from wooshq.intents.status import Status
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row
from wooshq.ledger.steps import Ask, Steps
from wooshq.settings import variables
from wooshq.settings.redis_url import is_redis_url
from wooshq.settings.server_url import EMBEDDED

APPLICATION = "AAAAA-BBBBB"
TOKEN = "test-token-0123456789"
ROOT = Path(__file__).parent.parent
#: How long a test waits for an event before it fails. A slow and busy machine needs a part of it; a machine that is well needs seconds.
GENEROUS_S = 300.0


class Rig:
    """One installation. Everything that it starts ends with it. settings: by their names."""

    def __init__(self, folder: Path, base_url: str, **settings: Any) -> None:
        names = {
            "api_token": TOKEN,
            "application": APPLICATION,
            "base_url": base_url,
            **_a_redis(settings),
            "data_dir": folder / "data",
            "health_dir": folder / "health",
            "accept_within_s": 30.0,  # a slow machine must not look like a Redis that hangs
            **_patience(settings.get("http_total_s", 30.0)),
            "backoff_base_s": 0.2,
            "breaker_open_s": 0.5,
            "breaker_ceiling_s": 2.0,
            **settings,
        }
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("PUSHWOOSH_", "WOOSHQ_", "SENTRY_", "OTEL_"))}
        self.env["PYTHONPATH"] = os.pathsep.join(str(ROOT / p) for p in ("schemas", "tasks", "worker"))
        self.env |= {variables()[name]: str(value) for name, value in names.items()}
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.wooshq = Wooshq(some_settings(**names))
        self.wooshq.counts()

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a real worker process. It takes work once it is ready; intents that were accepted before wait for it."""
        log = (self.folder / f"worker-{len(self.workers)}.log").open("wb")
        worker = subprocess.Popen(
            [sys.executable, "-m", "wooshq_worker", "worker", *options], env=self.env, cwd=self.folder, stdout=log, stderr=log
        )
        self.workers.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill a worker, and end its leases and its turn as the keeper at once: the test need not wait until the clock has."""
        worker.kill()
        worker.wait()
        self.end_leases()

    def end_leases(self) -> None:
        """End every lease, and the turn of the worker whose keeper works. Only for workers that are dead: the others would lose theirs."""
        self.wooshq.do(_end_leases(self.wooshq.ledger.keys))

    def cli(self, *args: str, stdin: str | bytes = b"", timeout: float = GENEROUS_S) -> subprocess.CompletedProcess[bytes]:
        """Run the command line, as a user calls it."""
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        return subprocess.run(
            [sys.executable, "-m", "wooshq_worker", *args], env=self.env, cwd=self.folder, input=raw, capture_output=True, timeout=timeout
        )

    def start(self, *args: str, **pipes: Any) -> subprocess.Popen[bytes]:
        """Start the command line, to be fed, interrupted or waited for. pipes: of subprocess.Popen."""
        given = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
        return subprocess.Popen([sys.executable, "-m", "wooshq_worker", *args], env=self.env, cwd=self.folder, **given)

    def terminal(self, *args: str, columns: int = 80, ever: bool = False, **pipes: Any) -> str:
        """
        Run the command line on a terminal of `columns`, and return what a person sees at the end, without colours.

        ever: also what was drawn over. pipes: the streams that are not on the terminal.
        """
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = self.start(*args, **{"stdin": subprocess.DEVNULL, "stdout": theirs, "stderr": theirs, **pipes})
        os.close(theirs)
        seen = b""
        try:
            while some := os.read(ours, 65536):
                seen += some
        except OSError:  # Linux says so that the other side is closed
            pass
        finally:
            os.close(ours)
        process.communicate(timeout=GENEROUS_S)
        drawn = seen.decode().replace("\x1b[2K", "\n") if ever else re.sub(r"[^\n]*\x1b\[2K", "", seen.decode())
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "")

    def logs(self) -> str:
        """Everything that the workers wrote."""
        return "".join(p.read_text(errors="replace") for p in sorted(self.folder.glob("worker-*.log")))

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events that the workers logged under a name."""
        whole = [line for line in self.logs().splitlines(keepends=True) if line.endswith("\n")]
        return [event for event in map(json.loads, whole) if event["event"] == name]

    def ended(self, ids: Iterable[str], within_s: float = GENEROUS_S) -> list[Status]:
        """The statuses of intents, once all of them have ended."""
        out: list[Status] = []
        for intent_id in ids:
            wait_until(lambda i=intent_id: self.status(i).is_final, within_s=within_s, saw=lambda i=intent_id: self.status(i).to_json())
            out.append(self.status(intent_id))
        return out

    def status(self, intent_id: str) -> Status:
        """The status of an intent that is there."""
        found = self.wooshq.status(intent_id)
        assert found is not None
        return found

    def redis(self) -> redis.Redis:
        """A connection to the embedded Redis, with the ledger's database."""
        embedded = self.wooshq.installation.places.embedded
        assert embedded is not None
        return redis.Redis.from_url(embedded.url)

    def broker(self) -> redis.Redis:
        """A connection to the broker's database; only if the broker is Redis."""
        url = self.wooshq.installation.places.broker_url
        return redis.Redis.from_url(url.replace("redis+socket://", "unix://").replace("virtual_host=", "db="))

    def close(self) -> None:
        """End everything. Workers are killed: how a worker ends when it is told to has tests of its own, and takes a second each."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
        for worker in self.workers:
            worker.wait(GENEROUS_S)
        self.wooshq.close()


def _end_leases(keys: Keys) -> Steps[None]:
    names = [keys.fixed("leases"), keys.fixed("chunk_leases")]
    held = yield Ask([("ZRANGE", name, 0, -1) for name in names])
    ended = [("ZADD", name, "XX", 1, member) for name, members in zip(names, held, strict=True) for member in members]
    yield Ask([*ended, ("DEL", keys.fixed("keeper"))])


def wait_until(
    done: Callable[[], Any], *, within_s: float = GENEROUS_S, saw: Callable[[], object] = lambda: "", every_s: float = 0.02
) -> None:
    """Wait until `done()` is true, and ask every `every_s`. The failure says what was seen last, or the end of it."""
    ends = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < ends, f"not within {within_s:g} s; last seen: {str(saw())[-3000:]}"
        time.sleep(every_s)


def an_intent(user: str = "u1", **changes: Any) -> dict[str, Any]:
    """An intent that is valid unless told otherwise."""
    return {"to": {"users": [user]}, "message": {"push": {"title": "Hi", "body": "Your order left"}}, **changes}


def some_settings(**names: Any) -> Settings:
    """Settings of an installation with one application. Nothing comes from a `.env` file."""
    return Settings(**{"_env_file": None, "application": APPLICATION, **_a_redis(names), **names})


def _a_redis(names: Mapping[str, Any]) -> dict[str, Any]:
    """The embedded Redis, unless the settings name another one."""
    named = names.get("redis_url") or is_redis_url(names.get("broker_url") or "")
    return {} if named else {"redis_url": EMBEDDED}


def _patience(total_s: float) -> dict[str, float]:
    """Each time limit of a call as long as the whole call's: a stand-in on a busy machine must not look like a host that is gone."""
    return {"http_connect_s": total_s, "http_read_s": total_s}


# ── Rows of intents, whichever form they have; see row.lua ──────────────────────────────────────────────────────────────────────────────


def read_row(server: redis.Redis, key: str) -> dict[str, str]:
    """A row's fields; {} if it is not there."""
    text = packed(server, key)
    return as_row(server.hgetall(key) if text is None else [text])


def packed(server: redis.Redis, key: str) -> str | None:
    """A row that is one text."""
    answers: Any = server.mget(key)
    return None if answers[0] is None else answers[0].decode()


def change_moments(server: redis.Redis, key: str, *, at: int | None = None, expires: int | None = None) -> None:
    """Another moment at which the intent was accepted, or expires. The row keeps its form."""
    wanted = {name: value for name, value in (("at", at), ("expires", expires)) if value is not None}
    text = packed(server, key)
    if text is None:
        server.hset(key, mapping=wanted)  # type: ignore[arg-type]
        return
    moments, _, rest = text.partition("\n")
    kept = {**dict(zip(("at", "expires"), moments.split(" "), strict=True)), **wanted}
    server.set(key, f"{kept['at']} {kept['expires']}\n{rest}", keepttl=True)


def with_fields(server: redis.Redis, key: str, **more: str | int) -> None:
    """A row that is one text gets fields, as all rows had before; and some more of them."""
    row = {**read_row(server, key), **more}
    body = str(row.pop("body"))
    pieces = {str(n): body[at : at + 64] for n, at in enumerate(range(0, len(body), 64))} if len(body) <= 64 * 24 else {"body": body}
    server.delete(key)
    server.hset(key, mapping={**row, **pieces})  # type: ignore[arg-type]
