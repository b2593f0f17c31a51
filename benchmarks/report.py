"""What was measured, as tables for docs/benchmarks.md and as lines while it runs."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"


@dataclass
class Figures:
    """One section's table. name: of its marks in docs/benchmarks.md."""

    name: str
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    profiles: list[tuple[str, dict[str, float]]] = field(default_factory=list)
    _kept: dict[str, float] = field(default_factory=dict)

    def add(self, what: str, figure: float | str, *, goal: str = "", note: str = "") -> None:
        said = figure if isinstance(figure, str) else shown(figure)
        self.rows.append((what, said, goal, note))
        print(f"  {what:<58} {said:>12}  {f'goal {goal}' if goal else '':<14} {note}", file=sys.stderr, flush=True)

    def keep(self, name: str, figure: float) -> None:
        self._kept[name] = figure

    def kept(self, name: str) -> float:
        return self._kept[name]

    def profile(self, of: str, parts: dict[str, float]) -> None:
        if not parts:
            print("  no profile: py-spy is not there, or may not look at other processes here", file=sys.stderr)
            return
        self.profiles.append((of, parts))
        for name, part in parts.items():
            print(f"    {name:<56} {part:>12.0%}", file=sys.stderr)

    def as_markdown(self) -> str:
        lines = ["| what | figure | goal | |", "| --- | --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        for of, parts in self.profiles:
            lines += ["", f"{of}, by where its CPU goes: " + "; ".join(f"{name} {part:.0%}" for name, part in parts.items()) + "."]
        return "\n".join(lines) + "\n"


def shown(figure: float) -> str:
    if figure == int(figure) or abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.2f}" if abs(figure) < 10 else f"{figure:.1f}"


def machine() -> str:
    """The machine and what ran on it, in a line."""
    model = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory_gb = next((int(line.split()[1]) / 1e6 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("celery", "kombu", "redis", "aiohttp", "httpx"))
    return f"{os.cpu_count()} cores ({model}), {memory_gb:.0f} GB, {platform.system()}, Python {platform.python_version()}, {versions}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def write(figures: Figures, *, command: str) -> None:
    """Put a section's table between its marks in the page."""
    text = PAGE.read_text()
    said = f"<!-- {figures.name} -->\n*`{command}` of {datetime.now(UTC):%Y-%m-%d}; {machine()}.*\n\n{figures.as_markdown()}<!-- /{figures.name} -->"
    mark = re.compile(rf"<!-- {figures.name} -->.*?<!-- /{figures.name} -->", re.DOTALL)
    if not mark.search(text):
        raise SystemExit(f"docs/benchmarks.md has no marks for {figures.name}")
    PAGE.write_text(mark.sub(lambda _: said, text))
