"""What the tests of a whole installation share: a data folder of their own, real worker processes, waiting without guessing."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from wooshq import Settings, Wooshq
from wooshq.intents.status import Status

APPLICATION = "AAAAA-BBBBB"
TOKEN = "test-token-0123456789"
ROOT = Path(__file__).parent.parent


class Rig:
    """One installation. Everything it starts ends with it."""

    def __init__(self, folder: Path, base_url: str, **settings: Any) -> None:
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("PUSHWOOSH_", "WOOSHQ_", "SENTRY_"))}
        self.env |= {
            "PYTHONPATH": os.pathsep.join(str(ROOT / p) for p in ("schemas", "tasks", "worker")),
            "PUSHWOOSH_API_TOKEN": TOKEN,
            "PUSHWOOSH_APPLICATION": APPLICATION,
            "PUSHWOOSH_BASE_URL": base_url,
            "WOOSHQ_DATA_DIR": str(folder / "data"),
            "WOOSHQ_BACKOFF_BASE_S": "0.2",
            "WOOSHQ_BREAKER_OPEN_S": "0.5",
            "WOOSHQ_BREAKER_CEILING_S": "2",
            **{f"WOOSHQ_{k.upper()}" if k.islower() else k: str(v) for k, v in settings.items()},
        }
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        names = {
            "api_token": TOKEN,
            "application": APPLICATION,
            "base_url": base_url,
            "data_dir": folder / "data",
            **{k: v for k, v in settings.items() if k.islower()},
        }
        self.wooshq = Wooshq(Settings(_env_file=None, **names))  # type: ignore[call-arg]
        self.wooshq.counts()

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """A real process; it takes work once it is ready, and what was accepted before waits for it."""
        log = (self.folder / f"worker-{len(self.workers)}.log").open("wb")
        worker = subprocess.Popen(
            [sys.executable, "-m", "wooshq_worker", "worker", *options], env=self.env, cwd=self.folder, stdout=log, stderr=log
        )
        self.workers.append(worker)
        return worker

    def cli(self, *args: str, stdin: str | bytes = b"", timeout: float = 120) -> subprocess.CompletedProcess[bytes]:
        """The command line, as a user calls it."""
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        return subprocess.run(
            [sys.executable, "-m", "wooshq_worker", *args], env=self.env, cwd=self.folder, input=raw, capture_output=True, timeout=timeout
        )

    def start(self, *args: str, **pipes: Any) -> subprocess.Popen[bytes]:
        """The command line, to be fed, interrupted or waited for; pipes: of subprocess.Popen."""
        given = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
        return subprocess.Popen([sys.executable, "-m", "wooshq_worker", *args], env=self.env, cwd=self.folder, **given)

    def terminal(self, *args: str, columns: int = 80, ever: bool = False, **pipes: Any) -> str:
        """
        What a person sees at last on a terminal so wide, without its colours.

        ever: also what was drawn over. pipes: what is not on the terminal.
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
        process.communicate(timeout=60)
        drawn = seen.decode().replace("\x1b[2K", "\n") if ever else re.sub(r"[^\n]*\x1b\[2K", "", seen.decode())
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "")

    def logs(self) -> str:
        return "".join(p.read_text(errors="replace") for p in sorted(self.folder.glob("worker-*.log")))

    def ended(self, ids: Iterable[str], within_s: float = 90) -> list[Status]:
        """The statuses of intents, once all have ended."""
        out: list[Status] = []
        for intent_id in ids:
            wait_until(lambda i=intent_id: self._status(i).is_final, within_s=within_s, saw=lambda i=intent_id: self._status(i).to_json())
            out.append(self._status(intent_id))
        return out

    def _status(self, intent_id: str) -> Status:
        found = self.wooshq.status(intent_id)
        assert found is not None
        return found

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait(30)
        self.wooshq.close()


def wait_until(done: Callable[[], Any], *, within_s: float = 60, saw: Callable[[], object] = lambda: "") -> None:
    """Poll to a generous deadline; its failure says what was seen last."""
    ends = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < ends, f"not within {within_s:g} s; last seen: {saw()}"
        time.sleep(0.05)


def an_intent(user: str = "u1", **changes: Any) -> dict[str, Any]:
    """Valid unless told otherwise."""
    return {"to": {"users": [user]}, "message": {"push": {"title": "Hi", "body": "Your order left"}}, **changes}
