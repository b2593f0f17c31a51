"""Rules that look at what a call says, and the table of the docs with every fault."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from wooshq_worker.sandbox.bad_control import BadControl
from wooshq_worker.sandbox.faults.fault import _EVERY_RULE, EFFECTS, WAYS, Fault
from wooshq_worker.sandbox.faults.plan import FaultPlan
from wooshq_worker.sandbox.faults.said import Said

DOCS = Path(__file__).parents[4] / "docs" / "testing.md"


def strikes(body: Any, **conditions: str) -> bool:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    plan = FaultPlan([Fault("status", status=400, **conditions)], seed=1, clock=lambda: 0.0)
    return plan.injection_for("A", ("u1",), said=Said(raw)).fault is not None


def test_a_rule_refuses_by_preset_and_by_text() -> None:
    body = {"transactional": {"payload": {"preset": "SALE-1", "content": [{"title": "50 % off, Zoë"}]}}}
    assert strikes(body, preset="SALE-1")
    assert not strikes(body, preset="SALE")
    assert not strikes({"title": "SALE-1"}, preset="SALE-1"), "a text is no preset"
    assert strikes(body, text="off, Zoë")
    assert not strikes(body, text="title"), "a name of a field is no text"
    assert strikes(body, preset="SALE-1", text="50 %")
    assert not strikes(body, preset="SALE-2", text="50 %")


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_not_json_says_nothing(body: bytes) -> None:
    assert not strikes(body, text="a")


def test_nothing_is_said_before_anything_is_read() -> None:
    with pytest.raises(BadControl):
        Fault("cut_before", how="accept", text="a")


def test_the_docs_have_every_fault_with_its_fields_and_ways_and_every_condition() -> None:
    text = DOCS.read_text(encoding="utf-8")
    table = text.partition("<!-- sandbox faults -->")[2].partition("<!-- /sandbox faults -->")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", table, re.MULTILINE))
    assert set(rows) == set(EFFECTS)
    for effect, fields in EFFECTS.items():
        assert set(re.findall(r"`(\w+)`", rows[effect])) == {*fields, *WAYS.get(effect, ())}, effect
    below = text.partition("<!-- /sandbox faults -->")[2].partition("goes wrong")[0]
    assert set(re.findall(r"`(\w+)`", below)) == {*(_EVERY_RULE - {"effect", "latency_s"}), "notify"} | {"cancel"}
