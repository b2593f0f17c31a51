"""One installation to measure: an embedded Redis, the API of api.py, workers; and processes that end with their block."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from wooshq import Settings, Wooshq
from wooshq.installation.embedded import EmbeddedRedis

ROOT: Final = Path(__file__).parent.parent
APPLICATION: Final = "AAAAA-BBBBB"
_FIRST: Final = 512
"""Messages that a worker sends before it is measured: enough for all its connections. A TLS handshake costs as much as ten calls."""


def wait(done: Callable[[], bool], within_s: float = 900, every_s: float = 0.02) -> None:
    """Waits until `done()`. Ends the benchmark after `within_s` seconds."""
    ends = time.monotonic() + within_s
    while not done():
        if time.monotonic() > ends:
            raise SystemExit(f"the benchmark did not finish within {within_s:g} s")
        time.sleep(every_s)


@contextmanager
def process(*command: str, env: Mapping[str, str], log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that ends with the block."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PUSHWOOSH_", "WOOSHQ_", "SENTRY_"))}
    with (log or Path(os.devnull)).open("ab") as err:
        started = subprocess.Popen([sys.executable, *command], cwd=ROOT, env={**clean, **env}, stdout=subprocess.PIPE, stderr=err)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


class Bench:
    """One installation: an embedded Redis, a certificate authority, and the API of api.py. A context manager."""

    def __init__(self, latency_ms: int = 50, *, http2: bool = False, **settings: Any) -> None:
        """
        http2: the API listens at `http2_url`, too. settings: over those of a production installation, which has no history unless it says
        where; with one the worker spends a part of its CPU on it (section `history`).
        """
        self.folder = Path(tempfile.mkdtemp(prefix="wq-bench-"))
        self._latency_ms = latency_ms
        self._http2 = http2
        self._settings = {"history_url": "off", **settings}

    def __enter__(self) -> Bench:
        self._redis = EmbeddedRedis(self.folder)
        self.broker_url = self._redis.__enter__().broker_url
        certificate = self._issue_certificate()
        options = ["--latency-ms", str(self._latency_ms), "--certificate", str(certificate), *(["--http2"] if self._http2 else [])]
        self._api = process("-m", "benchmarks.api", *options, env={}, log=self.folder / "api.log")
        out = self._api.__enter__().stdout
        assert out is not None
        self.api_url, *more = out.readline().decode().split()
        self.http2_url = more[0] if more else ""
        self.wooshq = Wooshq(
            Settings(_env_file=None, application=APPLICATION, redis_url="embedded", data_dir=self.folder, **self._settings)  # type: ignore[call-arg]
        )
        self.wooshq.counts()
        self.redis_url = self.broker_url.replace("redis+socket://", "unix://").replace("virtual_host=", "db=")
        self.redis = redis.Redis.from_url(self.redis_url)
        return self

    def __exit__(self, *error: object) -> None:
        self.wooshq.close()
        self.redis.close()
        self._api.__exit__(None, None, None)
        self._redis.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _issue_certificate(self) -> Path:
        """The API's, with its key. Its authority is trusted by those whose environment has `trust`."""
        import trustme  # `make bench` installs it

        authority, issued = trustme.CA(), self.folder / "api.pem"
        authority.cert_pem.write_to_path(self.folder / "authority.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(issued)
        self._tls = ssl.create_default_context(cafile=str(self.folder / "authority.pem"))
        return issued

    @property
    def trust(self) -> dict[str, str]:
        return {"SSL_CERT_FILE": str(self.folder / "authority.pem")}

    @property
    def env(self) -> dict[str, str]:
        return {
            **self.trust,
            "PUSHWOOSH_API_TOKEN": "bench",
            "PUSHWOOSH_APPLICATION": APPLICATION,
            "PUSHWOOSH_BASE_URL": self.api_url,
            "WOOSHQ_REDIS_URL": "embedded",
            "WOOSHQ_DATA_DIR": str(self.folder),
            **{f"WOOSHQ_{name.upper()}": str(value) for name, value in self._settings.items()},
        }

    @contextmanager
    def worker(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """One worker process. It has already sent some messages, so its connections to the API are open."""
        with process("-m", "wooshq_worker", "worker", env={**self.env, **more}, log=self.folder / "worker.log") as started:
            before = self.wooshq.counts().get("sent", 0)
            self.wooshq.enqueue_many({"to": {"users": [f"first-{n}"]}, "message": {"push": {"title": "Hi"}}} for n in range(_FIRST))
            wait(lambda: self.wooshq.counts().get("sent", 0) - before >= _FIRST, 60)
            self.reset()
            yield started

    def arrived(self) -> dict[str, Any]:
        """What arrived at the API since the last reset, as in `Arrivals.as_dict`."""
        with urllib.request.urlopen(f"{self.api_url}/arrivals", timeout=60, context=self._tls) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    def reset(self) -> None:
        """Clears what arrived at the API."""
        self._post("/reset", {})

    def refuse(self, recipients: list[str]) -> None:
        """Lets the API refuse each call that has one of these recipients."""
        self._post("/refused", recipients)

    def _post(self, path: str, body: Any) -> None:
        urllib.request.urlopen(f"{self.api_url}{path}", json.dumps(body).encode(), timeout=60, context=self._tls).close()
