"""Redis's replies as values, attempts as the ledger keeps them, and the values that calls return, which are also JSON objects."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.ledger.steps import as_json


def text(value: Any) -> str:
    """A bulk reply as text, whether the client decodes or not."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def ms(time: Sequence[Any]) -> int:
    """The reply of TIME (seconds, microseconds) as ms since the epoch."""
    return int(time[0]) * 1000 + int(time[1]) // 1000


def as_row(flat: Any) -> dict[str, str]:
    """
    The reply of HGETALL (a dict or a flat list, bytes or text) as texts. Of an intent's row (see row.lua), a body that is kept in pieces is whole,
    and a list of one text is a row that is one text.
    """
    if isinstance(flat, list) and len(flat) == 1:
        return _unpacked(text(flat[0]))
    items = flat.items() if isinstance(flat, Mapping) else zip(flat[::2], flat[1::2], strict=True)
    row = {text(name): value for name, value in items}
    if (first := row.pop("0", None)) is not None:
        row["body"] = first
    n = 1
    while (piece := row.pop(f"{n}", row.pop(f"b{n}", None))) is not None:  # b1: as rows were written before
        row["body"] += piece
        n += 1
    return {name: text(value) for name, value in row.items()}


def _unpacked(row: str) -> dict[str, str]:
    """The fields that a row means which is one text, as `unpacked` of row.lua has them."""
    moments, lane, application, version, digest, body, *last = row.split("\n", 6)
    at, expires = moments.split(" ")
    found = {"state": "queued", "lane": lane, "app": application, "at": at, "v": version, "body": without_letter(body)}
    if digest:
        found["digest"] = digest
    if expires != "-":
        found["expires"] = expires
    if last:
        lease, begun, *sent = last[0].split(" ", 4)
        found |= {"state": "sending", "lease": lease, "begun": begun, "fence": "1"}
        if sent:
            found |= {"state": "sent", "ended": sent[0], "code": sent[1], "a:1": sent[2], "n": "1"}
    return found


def without_letter(body: str) -> str:
    """The body of a row that is one text; the version before wrote no letter behind it, see row.lua."""
    return body[:-1] if body[-2:-1] == "}" and body[-1].isalpha() else body


def as_pairs(flat: Any) -> list[tuple[Any, Any]]:
    """A reply WITHSCORES as pairs: RESP2 gives a flat list, RESP3 pairs."""
    return [tuple(one) for one in flat] if flat and isinstance(flat[0], (list, tuple)) else list(zip(flat[::2], flat[1::2], strict=True))


def text_or_none(value: Any) -> str | None:
    """`text` for a reply that may be nil."""
    return None if value is None else text(value)


class Result(Mapping[str, Any]):
    """
    Base of frozen data classes that are also mappings: `status(i).state` and `status(i)["state"]` are the same.

    `dict(result)` is exactly the object that `--json` prints. A field with the metadata `shown=False` is an attribute only.
    """

    def __getitem__(self, key: str) -> Any:
        if key in self._names():
            return getattr(self, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    @classmethod
    @functools.cache
    def _names(cls) -> tuple[str, ...]:
        return tuple(f.name for f in fields(cls) if f.metadata.get("shown", True))  # type: ignore[arg-type]

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dict(self), ensure_ascii=False, default=_plain, separators=(", ", ": "))


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, frozenset)):
        return list(value)
    raise TypeError(type(value).__name__)


def moment(ms: str | int | float | None) -> str | None:
    """Milliseconds since the epoch as RFC 3339, UTC; None for None, an empty text, and what is no moment of the years 1 to 9999."""
    if ms is None or ms == "":
        return None
    try:
        found = datetime.fromtimestamp(float(ms) / 1000, UTC)
    except (ValueError, TypeError, OverflowError, OSError):  # a row of an outbox that somebody has written
        return None
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_ATTEMPT: Final = ("at", "outcome", "http_status", "code", "latency_ms", "error", "probe")


def as_kept(attempt: Mapping[str, Any]) -> str:
    """An attempt as the ledger keeps it: JSON, its values in the order of their names, without what is None at the end. One line."""
    values = [attempt.get(name) for name in _ATTEMPT]
    while values[-1] is None:
        values.pop()
    return as_json(values)


def read_kept(text: str) -> dict[str, Any]:
    """An attempt as `status` shows it. Also reads the JSON objects that scripts write, and that the version before wrote."""
    kept = json.loads(text)
    known = kept if isinstance(kept, dict) else dict(zip(_ATTEMPT, kept, strict=False))
    at = moment(known["at_ms"]) if "at_ms" in known else known.get("at")
    return {"at": at, **{name: known.get(name) for name in _ATTEMPT[1:-1]}, "probe": bool(known.get("probe"))}
