"""`wooshq health`, without the rest of the command line: importing that takes longer than the whole check."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from wooshq_worker.process.health.state import Health, State, default_folder, health_of, read_all

WELL: Final = 0
NOT_WELL: Final = 1


def quick(arguments: Sequence[str]) -> int | None:
    """The exit status of `wooshq health` with these arguments. None for any that need the whole command line, such as `--help`."""
    rest = [argument for argument in arguments if argument not in ("--ready", "--json")]
    if not rest:
        pid = None
    elif len(rest) == 2 and rest[0] == "--pid" and rest[1].isdecimal():
        pid = int(rest[1])
    else:
        return None
    return answer(ready="--ready" in arguments, pid=pid, as_json="--json" in arguments)


def answer(*, ready: bool, pid: int | None, as_json: bool) -> int:
    """
    Print how the workers of this machine are, and return the exit status.

    ready: a worker that is live, and not ready, is not well. pid: only this worker.
    """
    now = time.monotonic()
    found = [(state, health_of(state, now)) for state in read_all(_folder()) if pid in (None, state.pid)]
    if not found and not as_json:
        print("No worker is running here." if pid is None else f"No worker with the process id {pid} is running here.")
    for state, health in found:
        print(json.dumps({"pid": state.pid, "phase": state.phase, **asdict(health)}) if as_json else _line(state, health))
    are_well = all(health.ready if ready else health.live for _, health in found)
    return WELL if found and are_well else NOT_WELL


def _line(state: State, health: Health) -> str:
    if health.ready:
        return f"worker {state.pid}: live and ready"
    return f"worker {state.pid}: {'live, not ready' if health.live else 'not live'}: {'; '.join(health.why)}"


def _folder() -> Path:
    named = os.environ.get("WOOSHQ_HEALTH_DIR", "").strip() or _in_env_file()
    return Path(named) if named else default_folder()


def _in_env_file() -> str | None:
    if not Path(".env").is_file():
        return None
    from dotenv import dotenv_values

    return (dotenv_values(".env").get("WOOSHQ_HEALTH_DIR") or "").strip()
