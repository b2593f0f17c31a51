"""Records as rows of the table and back, and what the privacy settings and forgotten people leave of a record. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wooshq.history.pack import pack, pack_sent, unpack
from wooshq.history.record import Record
from wooshq.history.sent import SentIntent
from wooshq.history.sql.refs import kind_and_id, ref_of
from wooshq.history.sql.tables import NAMES, ORDER
from wooshq.history.sql.where import folded
from wooshq.ledger.states import State

_SENT: Final = str(State.SENT)
_ORDER: Final = tuple(NAMES.index(name) for name in ORDER)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `values` in the order of NAMES but for the marks, which are numbers."""

    ref: bytes
    values: tuple[Any, ...]
    marks: Sequence[int]

    @property
    def order(self) -> tuple[Any, ...]:
        """Of two rows with one `ref`, the one that moved last stays; of two that moved at once, always the same one. The columns of ORDER."""
        return tuple(self.values[at] for at in _ORDER)


def row_of(record: Record, marks: Sequence[int], *, keep_bodies: bool, recipients: int | None = None) -> Row:
    """
    The row of a record. marks: of the whole record, also if its recipients are not kept. recipients: how many, if the record does not name
    them (any more). A reason of what was sent is not kept: it would not be found.
    """
    texts = folded(f"{record.sent_texts}\n{record.said}".strip("\n") if keep_bodies else record.said)
    ref = ref_of(record.kind, record.id)
    values = (
        ref,
        record.ended_ms,
        record.changed_ms,
        record.status,
        1 if record.doubts else 0,
        _clean(record.state),
        "" if record.state == State.SENT else _clean(record.reason),
        _clean(record.code),
        _clean(record.app),
        _clean(record.lane),
        texts,
        pack(record, bare=not keep_bodies, recipients=recipients),
    )
    return Row(ref, values, marks)


def row_of_sent(sent: SentIntent, marks: Sequence[int], *, keep_bodies: bool) -> Row:
    """`row_of` its record, without making it."""
    last = sent.attempts[-1] if sent.attempts else []
    errors = "\n".join(dict.fromkeys([one[5] for one in sent.attempts if len(one) > 5 and one[5]]))
    texts = "\n".join(sent.content.texts()) if keep_bodies else ""
    ref = ref_of("intent", sent.id)
    values = (
        ref,
        sent.ended_ms,
        sent.changed_ms,
        int((last[2] if len(last) > 2 else 0) or 0),
        0,
        _SENT,
        "",
        _clean((last[3] if len(last) > 3 else "") or ""),
        _clean(sent.app),
        _clean(sent.lane),
        folded(f"{texts}\n{errors}".strip("\n")) if texts or errors else "",
        pack_sent(sent, bare=not keep_bodies),
    )
    return Row(ref, values, marks)


def record_of(row: Mapping[str, Any]) -> Record:
    """The record of a row: a mapping of the columns of `ended`."""
    kind, record_id = kind_and_id(bytes(row["ref"]))
    names = ("state", "ended_ms", "changed_ms", "reason", "status", "code", "app", "lane")
    return unpack(bytes(row["packed"]), {"kind": kind, "id": record_id, **{name: row[name] for name in names}})


def newest(rows: Iterable[Row]) -> list[Row]:
    """The row of each `ref` that stays, in the order of refs: one order for all writers, so that two of them never wait for each other."""
    found: dict[bytes, Row] = {}
    for row in rows:
        known = found.get(row.ref)
        if known is None or known.order < row.order:
            found[row.ref] = row
    return [found[ref] for ref in sorted(found)]


def _clean(text: str) -> str:
    """What a database can keep of a text of the API."""
    return text if text.isascii() and "\0" not in text else text.replace("\0", " ").encode("utf-8", "replace").decode()
