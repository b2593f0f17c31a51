"""The folder of the embedded Redis, and the socket in it: private to one user, on a local disk, and with room to write."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from wooshq.errors import EmbeddedRedisError

LONGEST_SOCKET: Final = 103
"""Longest path of a unix socket in bytes, without the closing NUL (sun_path: 108 on Linux, 104 on macOS)."""

NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs", "fuse.glusterfs"})
"""File systems on which locks and sockets do not reliably keep a second host out."""

INSTEAD: Final = "set WOOSHQ_DATA_DIR to a local folder that you can write to, or set WOOSHQ_REDIS_URL to your own Redis"

_LONGEST_LOG: Final = 1024 * 1024
_ROOM: Final = 65536


class Urls(NamedTuple):
    """ledger: as redis-py takes it. broker: as Celery takes it; another database of the same server."""

    ledger: str
    broker: str


def folder_of(data_dir: Path) -> Path:
    """The server's folder. Its real path, so that two names for one folder are one server."""
    return Path(os.path.realpath(os.path.expanduser(data_dir))) / "redis"


def urls_of(folder: Path) -> Urls:
    """The URLs of the server in the folder, whether it runs or not."""
    path = quote(str(socket_of(folder)))
    return Urls(f"unix://{path}?db=0", f"redis+socket://{path}?virtual_host=1")


def log_of(folder: Path) -> Path:
    """The file to which the server writes what it says."""
    return folder / "redis.log"


def socket_of(folder: Path) -> Path:
    """The socket in use. The process that started the server wrote its path down, because another process may have another TMPDIR."""
    try:
        kept = (folder / "socket.path").read_text("utf-8")
    except OSError:
        kept = ""
    return Path(kept) if kept else _socket_for(folder)


def choose_socket(folder: Path) -> Path:
    """
    The socket for a server that starts now. Its path is written down if it is outside the folder.

    Raises EmbeddedRedisError if no path is short enough, OSError if the path cannot be written down.
    """
    path = _socket_for(folder)
    note = folder / "socket.path"
    if path.parent == folder:
        note.unlink(missing_ok=True)  # left from before the folder was moved here
        return path
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise EmbeddedRedisError(f"the paths of {folder} and of the temporary folder are both too long for a socket: {INSTEAD}")
    make_private(path.parent)
    note.write_text(str(path), "utf-8")
    return path


def make_private(folder: Path) -> None:
    """
    Make sure that only this user can enter the folder: a process that can open the socket can read and send everything.

    Raises EmbeddedRedisError if the folder is a link or belongs to another user, OSError if it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise EmbeddedRedisError(f"{folder} is a link, and must be a folder: {INSTEAD}")
    if found.st_uid != os.geteuid():
        raise EmbeddedRedisError(f"{folder} belongs to another user (id {found.st_uid}, you are {os.geteuid()}): {INSTEAD}")
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def check_it_can_be_written(folder: Path) -> None:
    """Raises OSError if a server in the folder would start, and then fail at its first write. Also empties a server's log that is too long."""
    probe = folder / "probe"
    try:
        probe.write_bytes(bytes(_ROOM))
    finally:
        probe.unlink(missing_ok=True)
    log = log_of(folder)
    if log.exists() and log.stat().st_size > _LONGEST_LOG:
        os.truncate(log, 0)


def refuse_network(folder: Path) -> None:
    """Raises EmbeddedRedisError if the folder is on a network file system."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    if kind := network_kind(str(folder), mounts):
        raise EmbeddedRedisError(f"{folder} is on a network file system ({kind}), where two hosts could open the same files: {INSTEAD}")


def network_kind(folder: str, mounts: list[str]) -> str | None:
    """The kind of network file system that holds `folder`; None for a local one. mounts: lines of /proc/self/mountinfo."""
    longest, kind = "", ""
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].replace("\\040", " ")
        if (folder == point or folder.startswith(point.rstrip("/") + "/")) and len(point) >= len(longest):
            longest, kind = point, right.split(" ")[0]
    return kind if kind in NETWORK else None


def _socket_for(folder: Path) -> Path:
    """In the folder. If that path is too long for a socket: in a short private folder below the temporary folder."""
    near = folder / "redis.sock"
    if len(os.fsencode(near)) <= LONGEST_SOCKET:
        return near
    named = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"wooshq-{os.geteuid()}-{named}" / "redis.sock"
