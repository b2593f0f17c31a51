"""The docs say what the code says: generated parts are current, and every file that a page names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.write import EVENTS, LAYERS, METRICS, PAGE, ROOT, diagram, events_page, metrics_page, page

from wooshq.ledger.states import MACHINES

PAGES = [
    ROOT / name
    for name in (
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/django.md",
        "docs/events.md",
        "docs/history.md",
        "docs/http-api.md",
        "docs/metrics.md",
        "docs/operations.md",
        "docs/runbooks.md",
        "docs/outbox.md",
        "docs/search.md",
        "docs/testing.md",
        "docs/verdicts.md",
        "docs/web-apps.md",
    )
]


def named_in(text: str) -> set[str]:
    """Paths of the repository that stand in backticks or as the target of a link."""
    quoted = re.findall(r"`((?:schemas|tasks|worker|tests|docs)/[\w./-]+)`", text)
    linked = re.findall(r"\]\((?!https?:)([\w./-]+)\)", text)
    return {*quoted, *linked}


class WhenThePagesAreRead:
    def test_the_map_and_the_diagrams_are_current(self) -> None:
        text = PAGE.read_text(encoding="utf-8")
        assert page(text) == text, "run make docs"

    def test_the_tables_of_metrics_are_current(self) -> None:
        text = METRICS.read_text(encoding="utf-8")
        assert metrics_page(text) == text, "run make docs"

    def test_the_table_of_events_is_current(self) -> None:
        text = EVENTS.read_text(encoding="utf-8")
        assert events_page(text) == text, "run make docs"

    @pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
    def test_every_file_that_is_named_exists(self, path: Path) -> None:
        for name in named_in(path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists() or (path.parent / name).exists(), f"{path.name} names {name}"

    def test_every_folder_is_on_the_map_with_a_sentence(self) -> None:
        text = PAGE.read_text(encoding="utf-8")
        for layer in LAYERS:
            for folder in (ROOT / layer).rglob("__init__.py"):
                assert re.search(rf"^- \*\*{folder.parent.relative_to(ROOT)}\*\*: [A-Za-z].*\.", text, re.MULTILINE), folder


class WhenADiagramIsDrawn:
    @pytest.mark.parametrize("name", MACHINES)
    def test_it_has_every_move_of_the_table(self, name: str) -> None:
        drawn = diagram(MACHINES[name])
        events = [event for line in re.findall(r": (.+)$", drawn, re.MULTILINE) for event in line.split(", ")]
        assert len(events) == sum(len(by_event) for by_event in MACHINES[name].values())
