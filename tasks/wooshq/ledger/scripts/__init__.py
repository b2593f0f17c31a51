"""The ledger's Lua scripts: one move per file, its header is its signature; `-- uses NAME` puts a shared part on top."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FOLDERS = ("intents", "acts", "letters", "replays", "gates", "jobs", "chunks", "events", "subscribers", "people", "tokens", "workers")
"""The folders with scripts, one for each noun. `shared` holds the parts that scripts use."""
_HERE = files(__name__)
_USES = re.compile(r"^-- uses ([\w/]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """A script as Redis receives it, and its SHA-1 for EVALSHA."""

    name: str
    text: str
    sha: str


@cache
def source_of(name: str) -> Source:
    """The script `name`, as `<folder>/<name>`. Raises FileNotFoundError if it does not exist."""
    own = _read(f"{name}.lua")
    parts: dict[str, str] = {}
    _add_parts(own, parts)
    # Redis keeps every byte of a script, so comments are left out.
    lines = [line for text in (*parts.values(), own) for line in text.splitlines() if not line.lstrip().startswith("--")]
    text = "\n".join(line for line in lines if line)
    return Source(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def names() -> list[str]:
    """All scripts, as `<folder>/<name>`."""
    return sorted(
        f"{folder}/{entry.name[:-4]}" for folder in FOLDERS for entry in (_HERE / folder).iterdir() if entry.name.endswith(".lua")
    )


def header(name: str) -> str:
    """The comment on top of a script."""
    lines = []
    for line in _read(f"{name}.lua").splitlines():
        if not line.startswith("--"):
            break
        lines.append(line)
    return "\n".join(lines)


def _add_parts(text: str, parts: dict[str, str]) -> None:
    """Add the shared parts that a text uses, each once and after the parts that it uses itself."""
    for name in _USES.findall(text):
        if name not in parts:
            part = _read(f"shared/{name}.lua")
            _add_parts(part, parts)
            parts[name] = part


def _read(path: str) -> str:
    return (_HERE / path).read_text(encoding="utf-8")
