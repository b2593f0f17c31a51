"""Alert rules, runbooks and the dashboard say what the code says: metrics and labels exist, and every alert has its runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from wooshq.gates.waiting import Why
from wooshq.ledger.gates import GateName
from wooshq.ledger.states import Event, Reason
from wooshq_worker.cli import app as command_line
from wooshq_worker.observe.metrics.events import STATES
from wooshq_worker.observe.metrics.ledger import DOUBLES, EVENTS
from wooshq_worker.observe.metrics.names import OF_A_WORKER, OF_THE_LEDGER

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy" / "prometheus" / "wooshq.rules.yml"
RULE_TESTS = RULES.with_name("wooshq.rules.test.yml")
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "wooshq.json").read_text(encoding="utf-8"))
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
GROUPS = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
RECORDED = {rule["record"]: rule["expr"] for group in GROUPS for rule in group["rules"] if "record" in rule}
METRICS = {metric.name: metric for metric in (*OF_A_WORKER, *OF_THE_LEDGER)}

VALUES: dict[str, set[str]] = {
    "gate": set(GateName),
    "reason": {*Reason, *Why},
    "lane": {"transactional", "bulk"},
    "event": {*EVENTS, *Event},
    "cause": set(DOUBLES.values()),
    "state": {"feeding", "running", "paused", "stopped", "waiting", "set_aside", "parked", *STATES},
    "verdict": {"sent", "retry", "dead", "hold", "unknown"},
    "outcome": {"left", "sent", "dead", "expired", "cancelled", "unknown_identifiers"},
}
"""Label → its values, where these are a closed list."""


def expressions() -> Iterator[tuple[str, str]]:
    """Where an expression stands, and it."""
    yield from ((name, rule["expr"]) for name, rule in ALERTS.items())
    yield from RECORDED.items()
    for panel in DASHBOARD["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", ()))
    yield from ((one["name"], one["expr"]) for one in DASHBOARD["annotations"]["list"])


def metric_of(name: str) -> Any:
    """The metric that a sample of this name belongs to."""
    if name in METRICS:
        return METRICS[name]
    return METRICS[re.sub(r"_(bucket|sum|count)$", "", name)]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_an_expression_names_metrics_and_labels_that_exist(where: str, expression: str) -> None:
    assert set(re.findall(r"\bwooshq:\w+", expression)) <= RECORDED.keys()
    whole = re.sub(r"\bwooshq:\w+", lambda found: f"({RECORDED[found[0]]})", expression)
    used = re.findall(r"\b(wooshq_\w+)(?:\{([^}]*)\})?", whole)
    assert used, where
    labels = {"le", "job", "instance"}
    for name, selector in used:
        metric = metric_of(name)
        assert name == metric.name or (metric.kind == "histogram" and name != metric.name), name
        labels |= set(metric.labels)
        for label, operator, value in re.findall(r'(\w+)\s*(=~|!=|=)\s*"([^"]*)"', selector):
            assert label in {*metric.labels, "job", "instance"}, f"{name} has no label {label}"
            if label in VALUES and "$" not in value:
                assert set(value.split("|") if operator == "=~" else [value]) <= VALUES[label]
    for group in re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", whole):
        assert {label.strip() for label in group.split(",") if label.strip()} <= labels, where


class WhenAnAlertFires:
    def test_each_has_a_section_of_the_runbooks_and_each_section_an_alert(self) -> None:
        assert re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE) == list(ALERTS)

    @pytest.mark.parametrize("name", ALERTS)
    def test_it_links_to_its_section_and_says_what_it_means(self, name: str) -> None:
        annotations = ALERTS[name]["annotations"]
        assert annotations["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
        assert annotations["summary"].endswith(".")
        assert ALERTS[name]["labels"]["severity"] in ("critical", "warning")

    def test_every_command_of_the_runbooks_exists(self) -> None:
        commands = re.findall(r"`wooshq\s+([^`]+)`", RUNBOOKS)
        assert len(commands) > 20
        for words in (command.split() for command in commands):
            found: Any = typer.main.get_command(command_line)
            while hasattr(found, "commands") and words and words[0] in found.commands:
                found = found.commands[words.pop(0)]
            assert found.name != "wooshq", words
            options = {option for parameter in found.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options, (found.name, words)


class WhenTheDashboardIsOpened:
    def test_panels_have_names_and_places_of_their_own(self) -> None:
        panels = DASHBOARD["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        places: set[tuple[int, int]] = set()
        for panel in panels:
            at = panel["gridPos"]
            here = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert at["x"] + at["w"] <= 24
            assert not here & places, panel["title"]
            places |= here

    def test_every_metric_that_matters_is_on_it(self) -> None:
        shown = {metric_of(name).name for _, expression in expressions() for name in re.findall(r"\bwooshq_\w+", expression)}
        assert {metric.name for metric in (*OF_A_WORKER, *OF_THE_LEDGER)} - shown == {
            # Numbers to look up, not to look at.
            "wooshq_worker_is_keeper",
            "wooshq_worker_loop_age_seconds",
            "wooshq_settled_total",
            "wooshq_settled_late_total",
            "wooshq_spans_total",
            "wooshq_job_recipients_total",
            "wooshq_taken_total",
            "wooshq_waiting_unread",
            "wooshq_letters",
            "wooshq_keeper_age_seconds",
            "wooshq_worker_history_process",
            "wooshq_worker_history_starts_total",
            "wooshq_history_waiting",
            "wooshq_history_untold",
            "wooshq_webhook_oldest_seconds",
            "wooshq_event_deliveries_total",
        }


def promtool(*arguments: str, cwd: Path) -> None:
    """Run it, and fail with what it says."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    done = subprocess.run([found, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [("check", "rules", RULES.name), ("test", "rules", RULE_TESTS.name)], ids=" ".join)
def test_promtool_accepts_the_rules_and_their_tests(arguments: tuple[str, ...]) -> None:
    promtool(*arguments, cwd=RULES.parent)


def test_promtool_accepts_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    whole = [expression.replace("$__rate_interval", "5m").replace("$job", ".*") for _, expression in expressions()]
    rules = [{"record": f"panel:{n}", "expr": expression} for n, expression in enumerate(whole)]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", "panels.yml", cwd=tmp_path)
