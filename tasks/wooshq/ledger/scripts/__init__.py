"""The ledger's Lua scripts: one move a file, its header is its signature; `-- uses NAME` puts a shared part on top."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

ROOMS = ("intents", "letters", "gates", "jobs")
"""The folders with scripts. `shared` holds the parts that scripts use."""
_USES = re.compile(r"^-- uses (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """A script as it is sent to Redis, and its SHA-1 (what EVALSHA asks for)."""

    name: str
    text: str
    sha: str


@cache
def source_of(name: str) -> Source:
    """The script `name`. Raises FileNotFoundError where there is none."""
    own = _read(f"{name}.lua")
    text = "".join(_read(f"shared/{part}.lua") + "\n" for part in _USES.findall(own)) + own
    # Comments are for readers here; Redis keeps every byte of a script for as long as it runs.
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return Source(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def names() -> list[str]:
    """All scripts, as `<room>/<name>`."""
    return sorted(
        f"{room}/{entry.name[:-4]}" for room in ROOMS for entry in (files(__name__) / room).iterdir() if entry.name.endswith(".lua")
    )


def header(name: str) -> str:
    """The comment on top of a script."""
    lines = []
    for line in _read(f"{name}.lua").splitlines():
        if not line.startswith("--"):
            break
        lines.append(line)
    return "\n".join(lines)


def _read(path: str) -> str:
    return (files(__name__) / path).read_text(encoding="utf-8")
