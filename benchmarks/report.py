"""The measured figures, as tables for docs/benchmarks.md and as lines on standard error during the run."""

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
    """The table of one section. name: the name in its marks in docs/benchmarks.md."""

    name: str
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    profiles: list[tuple[str, dict[str, float]]] = field(default_factory=list)
    _kept: dict[str, float] = field(default_factory=dict)

    def add(self, what: str, figure: float | str, *, goal: str = "", note: str = "") -> None:
        """Adds a row, and prints it."""
        cell = figure if isinstance(figure, str) else shown(figure)
        self.rows.append((what, cell, goal, note))
        print(f"  {what:<58} {cell:>12}  {f'goal {goal}' if goal else '':<14} {note}", file=sys.stderr, flush=True)

    def keep(self, name: str, figure: float) -> None:
        """Keeps a figure for a later row of this section."""
        self._kept[name] = figure

    def kept(self, name: str) -> float:
        return self._kept[name]

    def profile(self, of: str, parts: dict[str, float]) -> None:
        """Adds a profile. of: what was measured. parts: part → share of the CPU."""
        if not parts:
            print("  no profile: py-spy is not installed, or has no permission to read other processes", file=sys.stderr)
            return
        self.profiles.append((of, parts))
        for name, part in parts.items():
            print(f"    {name:<56} {part:>12.0%}", file=sys.stderr)

    def as_markdown(self) -> str:
        lines = ["| measured | figure | goal | note |", "| --- | --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        for of, parts in self.profiles:
            lines += ["", f"{of}. Share of the CPU: " + "; ".join(f"{name} {part:.0%}" for name, part in parts.items()) + "."]
        return "\n".join(lines) + "\n"


def shown(figure: float) -> str:
    """With three significant digits, or whole."""
    if figure == int(figure) or abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.2f}" if abs(figure) < 10 else f"{figure:.1f}"


def median_of(values: list[float]) -> str:
    """A note that lists the values of all rounds."""
    return f"median of {len(values)}: {', '.join(f'{value:,.0f}' for value in values)}"


def machine() -> str:
    """The machine and the versions, in one line."""
    model = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory_gb = next((int(line.split()[1]) / 1e6 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("celery", "kombu", "redis", "httptools", "uvloop"))
    return f"{os.cpu_count()} cores ({model}), {memory_gb:.0f} GB, {platform.system()}, Python {platform.python_version()}, {versions}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def write(figures: Figures, *, command: str) -> None:
    """Writes the table between the marks of its section."""
    text = PAGE.read_text()
    block = f"<!-- {figures.name} -->\n*`{command}`, measured on {datetime.now(UTC):%Y-%m-%d}; {machine()}.*\n\n{figures.as_markdown()}<!-- /{figures.name} -->"
    mark = re.compile(rf"<!-- {figures.name} -->.*?<!-- /{figures.name} -->", re.DOTALL)
    if not mark.search(text):
        raise SystemExit(f"docs/benchmarks.md has no marks for {figures.name}")
    PAGE.write_text(mark.sub(lambda _: block, text))
