"""A packed record is small, and comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from tests.unit.history.records import AT, a_record, some_records
from wooshq.history.pack import count_recipients, pack, unpack
from wooshq.history.record import Record
from wooshq.ledger.replies import moment

BESIDE = ("kind", "id", "state", "ended_ms", "changed_ms", "reason", "status", "code", "app", "lane")


def again(record: Record, packed: bytes) -> Record:
    return unpack(packed, {name: getattr(record, name) for name in BESIDE})


@given(some_records(), st.dictionaries(st.text(max_size=8), json_values, max_size=5), st.data())
def test_any_record_comes_back(record: Record, odd: dict[str, Any], data: st.DataObject) -> None:
    ats = st.integers(0, AT * 2).map(moment) | st.sampled_from(["2026-04-24T03:06:39Z", "x", None, "2026-99-24T03:06:39.000Z", 5])
    attempt = st.fixed_dictionaries(
        {
            "at": ats,
            "outcome": st.just("sent"),
            "http_status": st.none() | st.just(200),
            "code": st.none(),
            "latency_ms": st.none(),
            "error": st.none() | st.text(max_size=3),
            "probe": st.booleans(),
        }
    )
    shown = {**record.shown, **{name: value for name, value in odd.items() if name not in ("attempts", "-")}}
    attempts = data.draw(st.lists(attempt | st.just({"odd": 1}), max_size=3))
    whole = Record(**{name: getattr(record, name) for name in Record.__slots__} | {"shown": {**shown, "attempts": attempts}})
    found = again(whole, pack(whole))
    assert replace(found, shown={}) == replace(whole, shown={})
    assert json.dumps(found.shown, sort_keys=True) == json.dumps(whole.shown, sort_keys=True), "equal, although NaN is not"
    assert count_recipients(pack(whole)) == count_recipients(pack(whole, bare=True)) == len(record.recipients)


def test_a_bare_one_names_nobody() -> None:
    record = a_record(1, body={"to": {"users": ["ann", "bob"]}, "idempotency_key": "k-ann"})
    packed = pack(record, bare=True)
    found = again(record, packed)
    assert (found.recipients, found.body, found.key, found.shown) == ((), "", "", record.shown)
    assert b"ann" not in packed


def test_one_attempt_takes_few_bytes() -> None:
    assert len(pack(a_record(1), bare=True)) < 90
