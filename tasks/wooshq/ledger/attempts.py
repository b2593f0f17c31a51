"""How an attempt is kept in an intent's row: its values without their names, so that the row stays small."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from wooshq.ledger.replies import moment

_NAMES: Final = ("at", "outcome", "http_status", "code", "latency_ms", "error", "probe")
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_kept(attempt: Mapping[str, Any]) -> str:
    """An attempt as the ledger keeps it: JSON, its values in the order of their names, without what is None at the end. One line."""
    values = [attempt.get(name) for name in _NAMES]
    while values[-1] is None:
        values.pop()
    return _dumps(values)


def read_kept(text: str) -> dict[str, Any]:
    """An attempt as `status` shows it. Also reads the JSON objects that scripts write, and that the version before wrote."""
    kept = json.loads(text)
    known = kept if isinstance(kept, dict) else dict(zip(_NAMES, kept, strict=False))
    at = moment(known["at_ms"]) if "at_ms" in known else known.get("at")
    return {"at": at, **{name: known.get(name) for name in _NAMES[1:-1]}, "probe": bool(known.get("probe"))}
