"""Writes the generated parts of docs/architecture.md, docs/events.md and docs/metrics.md: `make docs`. A test checks that they are current."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from wooshq.events.event import KINDS
from wooshq.ledger.states import MACHINES, Mark, Outcome
from wooshq_worker.observe.metrics import names

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "architecture.md"
METRICS: Final = ROOT / "docs" / "metrics.md"
EVENTS: Final = ROOT / "docs" / "events.md"
LAYERS: Final = ("schemas/wooshq_schemas", "tasks/wooshq", "worker/wooshq_worker")


def page(text: str) -> str:
    """docs/architecture.md with each generated part written anew."""
    return _written(text, {"map": map_of_folders(), **{name: diagram(moves) for name, moves in MACHINES.items()}})


def metrics_page(text: str) -> str:
    """docs/metrics.md with its tables written anew."""
    return _written(text, {"worker": table_of_metrics(names.OF_A_WORKER), "ledger": table_of_metrics(names.OF_THE_LEDGER)})


def events_page(text: str) -> str:
    """docs/events.md with its table written anew."""
    return _written(text, {"events": table_of_events()})


def table_of_events() -> str:
    """Every event: its name, version, what its data has, and when it comes."""
    lines = ["| type | version | `data` | when |", "| --- | --- | --- | --- |"]
    for name, kind in KINDS.items():
        fields = ", ".join(f"`{field}`" for field in kind.body.model_fields)
        lines.append(f"| `{name}` | {kind.version} | {fields} | {kind.means} |")
    return "\n".join([*lines, ""])


def _written(text: str, parts: Mapping[str, str]) -> str:
    """A part stands between `<!-- NAME -->` and `<!-- /NAME -->`."""
    for name, part in parts.items():
        text, found = re.subn(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", _put(part), text, flags=re.DOTALL)
        if found != 1:
            raise ValueError(f"there must be one part <!-- {name} -->, and there are {found}")
    return text


def table_of_metrics(metrics: Iterable[names.Metric]) -> str:
    """Name, type, labels, and what it means. Buckets stand below the sentence."""
    lines = ["| metric | type | labels | means |", "| --- | --- | --- | --- |"]
    for metric in metrics:
        buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)} s." if metric.buckets else ""
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help}{buckets} |")
    return "\n".join([*lines, ""])


def _put(part: str) -> Callable[[re.Match[str]], str]:
    """Puts a part between its markers."""
    return lambda markers: markers[1] + part + markers[2]


def diagram(moves: Mapping[Any, Mapping[Any, StrEnum]]) -> str:
    """A state machine as a Mermaid diagram. Moves between the same two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for source, by_event in moves.items():
        for event, target in by_event.items():
            arrows.setdefault((_state(source), _state(target)), []).append(str(event))
    final = {_state(target) for by_event in moves.values() for target in by_event.values() if target not in moves}
    lines = [f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in arrows.items()]
    lines += [f"    {state} --> [*]" for state in sorted(final)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])


def _state(state: StrEnum | None) -> str:
    """A state's name in a diagram: that of its value, or of the member for marks, whose values are single characters."""
    if state is None:
        return "[*]"
    return state.name.lower() if isinstance(state, (Mark, Outcome)) else str(state)


def map_of_folders() -> str:
    """Every folder with the sentence on top of it and the files in it, as the code has them."""
    lines: list[str] = []
    for layer in LAYERS:
        for folder in (ROOT / layer, *sorted(_folders_below(ROOT / layer))):
            files = sorted(f"`{file.stem}`" for file in folder.glob("*.py") if not file.stem.startswith("_"))
            lines.append(f"- **{folder.relative_to(ROOT)}**: {_sentence(folder)} {' '.join(files)}".rstrip())
            lines.extend(_lua_folders(folder))
    return "\n".join([*lines, ""])


def _folders_below(folder: Path) -> Iterator[Path]:
    return (file.parent for file in folder.rglob("__init__.py") if file.parent != folder)


def _lua_folders(folder: Path) -> Iterator[str]:
    """The folders of scripts in a folder, which have no Python file to say a sentence."""
    for below in sorted({script.parent for script in folder.rglob("*.lua")}):
        yield f"- **{below.relative_to(ROOT)}**: {' '.join(sorted(f'`{script.stem}`' for script in below.glob('*.lua')))}"


def _sentence(folder: Path) -> str:
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    return doc.split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    EVENTS.write_text(events_page(EVENTS.read_text(encoding="utf-8")), encoding="utf-8")
    METRICS.write_text(metrics_page(METRICS.read_text(encoding="utf-8")), encoding="utf-8")
