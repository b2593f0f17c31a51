"""
The state of a worker: what it writes into a file every two seconds, and whether that means that it is live and ready.

Needs only the standard library, because a health check must be cheap.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

BEAT_S: Final = 2.0
"""A worker writes its state this often."""
SILENT_S: Final = 20.0
"""A worker is not live if it wrote no state for this long, or if its event loop did not run for this long."""
START_S: Final = 120.0
"""A worker is not live if its start takes longer. A long append-only file of the embedded Redis takes half a minute."""
AWAY_S: Final = 10.0
"""A worker is not ready if Redis or the broker is away for longer than this: a failover takes less."""


@dataclass(frozen=True)
class State:
    """
    What a worker says about itself. written_at, began_at: monotonic seconds, the same clock for all processes of a machine.

    loop_s: age of the last turn of the event loop. ledger_lost_s, broker_lost_s: how long Redis and the broker have been away; None if they
    are there. deaf_s: for how long its lanes have had work, and it has received none of it.
    """

    pid: int
    phase: Literal["starting", "running", "stopping"]
    began_at: float
    written_at: float
    loop_s: float = 0.0
    ledger_lost_s: float | None = None
    broker_lost_s: float | None = None
    has_token: bool = True
    deaf_s: float = 0.0


@dataclass(frozen=True)
class Health:
    """live: the process works, and a restart would not help. ready: it can send now. why: what is not well."""

    live: bool
    ready: bool
    why: tuple[str, ...] = ()


def health_of(state: State, now: float) -> Health:
    """now: monotonic."""
    dead = list(_not_live(state, now))
    why = [*dead, *_not_ready(state)]
    return Health(live=not dead, ready=not why, why=tuple(why))


def _not_live(state: State, now: float) -> Iterator[str]:
    silent_s = now - state.written_at
    if not -SILENT_S < silent_s <= SILENT_S:  # before: of an earlier start of the machine
        yield f"it has given no sign of life for {abs(silent_s):.0f} s"
    if state.phase == "starting" and state.written_at - state.began_at > START_S:
        yield f"it has not started within {START_S:.0f} s"
    if state.loop_s > SILENT_S:
        yield f"its event loop has not run for {state.loop_s:.0f} s"


def _not_ready(state: State) -> Iterator[str]:
    if state.phase != "running":
        yield f"it is {state.phase}"
    if (state.ledger_lost_s or 0) > AWAY_S:
        yield f"Redis has not answered for {state.ledger_lost_s:.0f} s"
    if (state.broker_lost_s or 0) > AWAY_S:
        yield f"it has not been connected to the broker for {state.broker_lost_s:.0f} s"
    if state.deaf_s > AWAY_S:
        yield f"it has received nothing for {state.deaf_s:.0f} s, although its lanes have work"
    if not state.has_token:
        yield "PUSHWOOSH_API_TOKEN is not set, so it holds every message"


# The files


def default_folder() -> Path:
    """A private folder below the temporary folder."""
    return Path(tempfile.gettempdir()) / f"wooshq-{_user()}"


def write(state: State, folder: Path) -> None:
    """Replace the file of this worker. Raises OSError, also if somebody else made the folder, who could then read and replace files in it."""
    _make_private(folder)
    new = folder / f".worker-{state.pid}.new"
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        os.write(file, json.dumps(asdict(state)).encode())
    finally:
        os.close(file)
    new.replace(_file(folder, state.pid))


def read_all(folder: Path) -> list[State]:
    """The states of all workers of this folder whose process runs, by process id."""
    return sorted((state for file in folder.glob("worker-*.json") if (state := _read(file)) is not None), key=lambda state: state.pid)


def forget_ended(folder: Path) -> None:
    """Remove the files of workers that were killed. Never raises."""
    for file in folder.glob("worker-*.json"):
        pid = file.stem.rpartition("-")[2]
        try:
            os.kill(int(pid), 0)
        except (ProcessLookupError, ValueError):
            with contextlib.suppress(OSError):
                file.unlink()
        except OSError:  # the process of another user
            pass


def remove(folder: Path, pid: int) -> None:
    """Remove the file of a worker that has ended. Never raises."""
    with contextlib.suppress(OSError):
        _file(folder, pid).unlink()


def _file(folder: Path, pid: int) -> Path:
    return folder / f"worker-{pid}.json"


def _read(file: Path) -> State | None:
    try:
        state = State(**json.loads(file.read_bytes()))
        os.kill(state.pid, 0)
    except PermissionError:  # the process of another user
        return state
    except (OSError, ValueError, TypeError):  # it has ended, or its file is of another version
        return None
    return state


def _make_private(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{folder} is not a folder")
    if found.st_uid != _user():
        raise PermissionError(f"{folder} belongs to another user")


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0
