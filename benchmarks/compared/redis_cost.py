"""What an intent costs Redis: CPU, commands and memory, beside the version before the ledger handed out the work (from git)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.bench import ROOT, Bench
from benchmarks.report import Figures

BEFORE: Final = "df2eff7"
"""The last version whose broker messages carried ids."""
_PROBE: Final = Path(__file__).with_name("redis_probe.py")


def run(out: Figures, *, quick: bool) -> None:
    waiting, many = (10_000, 4000) if quick else (50_000, 20_000)
    now = _probe(ROOT, waiting, many)
    with _tree_before() as tree:
        before = None if tree is None else _probe(tree, waiting, many)
    for key, what, goal in (
        ("cpu_us", "CPU of Redis for an intent, accepted in batches and sent, µs", ""),
        ("commands", "commands of Redis for the same, with those of scripts", ""),
        ("memory", "memory of Redis for a waiting intent of 130 bytes, bytes", "550"),
        ("keys", "the same by `MEMORY USAGE` of all keys, bytes", ""),
    ):
        note = "" if before is None else f"the version before: {before[key]:,.1f}"
        out.add(what, now[key], goal=goal, note=note)
    if before is None:
        out.add("CPU / that of the version before", "not measured", goal="0.5", note=f"no git history here has {BEFORE}")
    else:
        out.add("CPU / that of the version before", now["cpu_us"] / before["cpu_us"], goal="0.5")


def _probe(tree: Path, waiting: int, many: int) -> dict[str, float]:
    """Runs the probe with the packages of a tree, on a server of its own."""
    with Bench() as bench:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PUSHWOOSH_", "WOOSHQ_", "SENTRY_"))}
        packages = os.pathsep.join(str(tree / name) for name in ("schemas", "tasks", "worker"))
        done = subprocess.run(
            [sys.executable, str(_PROBE), bench.redis_url, str(waiting), str(many)],
            env={**clean, **bench.env, "PYTHONPATH": packages},
            cwd=bench.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"the probe of {tree} failed: {done.stderr[-1000:]}")
        return {key: float(value) for key, value in json.loads(done.stdout.splitlines()[-1]).items()}


@contextlib.contextmanager
def _tree_before() -> Iterator[Path | None]:
    """The version before, from git, in a folder of its own. None without its history, as in a tarball."""
    folder = Path(tempfile.mkdtemp(prefix="wq-before-"))
    try:
        made = subprocess.run(["git", "-C", str(ROOT), "archive", BEFORE, "schemas", "tasks", "worker"], capture_output=True, check=False)
        if made.returncode == 0:
            subprocess.run(["tar", "-x", "-C", str(folder)], input=made.stdout, check=True)
        yield folder if made.returncode == 0 else None
    except FileNotFoundError:  # git or tar
        yield None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
