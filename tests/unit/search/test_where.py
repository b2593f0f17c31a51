"""In SQL, a query finds the rows that its words say: with NOT, too, and with rows that lack a value."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, create_engine, insert, select

from wooshq.history.tables import METADATA, ended, recipients, tags
from wooshq.history.where import where
from wooshq.search.parse import parse

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOUR = 3_600_000
AT = int(NOW.timestamp() * 1000)


@pytest.fixture
def history() -> Iterator[Connection]:
    with create_engine("sqlite://").begin() as sql:
        METADATA.create_all(sql)
        sql.execute(
            insert(ended), {"id": "S", "ended_ms": AT - HOUR, "state": "sent", "lane": "bulk", "job": "J", "texts": "Invoice INV-9981"}
        )
        dead = {
            "state": "dead",
            "letter_id": "L",
            "letter_state": "discarded",
            "reason": "rejected",
            "status": 400,
            "code": "INVALID_ARGUMENT",
        }
        sql.execute(insert(ended), {"id": "D", "ended_ms": AT - 3 * HOUR, "key": "k:1", "texts": "100% of_it", **dead})
        sql.execute(insert(recipients), [{"recipient": "u1", "id": "S"}, {"recipient": "u2", "id": "S"}, {"recipient": "u1", "id": "D"}])
        sql.execute(insert(tags), {"name": "order", "value": "77", "id": "D"})
        yield sql


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("recipient:u1", "DS"),
        ("recipient:u2", "S"),
        ("NOT recipient:u2", "D"),
        ("tag.order:77", "D"),
        ("tag.order:78", ""),
        ("key:k:1", "D"),
        ("NOT reason:rejected", "S"),
        ("state:dead OR state:sent", "DS"),
        ("state:discarded status:400 code:INVALID_ARGUMENT", "D"),
        ("NOT status:400 job:J lane:bulk", "S"),
        ("since:1h", "S"),
        ("until:1h", "D"),
        ("until:3h", ""),
        ("id:L", "D"),
        ("text:inv-9981", "S"),
        ('text:"0% of_"', "D"),
        ('text:"o%e"', ""),
        ("(recipient:u1 state:sent) OR NOT (lane:bulk OR tag.order:77)", "S"),
    ],
)
def test_a_query_finds_its_rows(history: Connection, query: str, found: str) -> None:
    rows = history.scalars(select(ended.c.id).where(where(parse(query, now=NOW))).order_by(ended.c.id))
    assert "".join(rows) == found
