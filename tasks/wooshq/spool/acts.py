"""What operators did with the spool, for the audit log. Redis may be away then: it waits in the spool until the ledger has it."""

from __future__ import annotations

import json
import time
from typing import Final

from wooshq.gates.who import said
from wooshq.ledger.gates import note_act
from wooshq.ledger.replies import moment
from wooshq.spool.client import Client
from wooshq.spool.folder import SpoolFolder

_LATE_MS: Final = 10_000
"""The audit log has the time at which an act was told. If that is so much later, it also says when it was done."""


def act_line(did: str, key: str, result: str, why: str, by: str | None) -> bytes:
    """An act as it waits in the spool. by: None for the user and host. Raises ValueError."""
    why, who = said(why, by)
    fields = {"did": did, "what": f"spool {key}", "result": result, "why": why, "by": who, "at": time.time_ns() // 1_000_000}
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def tell_acts(client: Client, folder: SpoolFolder) -> None:
    """Bring the acts to the ledger. Raises LedgerUnavailable, FolderUnusable: they wait."""

    def tell(lines: list[bytes]) -> None:
        for line in lines:
            try:
                act = json.loads(line)
                late = time.time_ns() // 1_000_000 - act["at"] > _LATE_MS
                result = f"{act['result']}, at {moment(act['at'])}" if late else act["result"]
                steps = note_act(client.ledger.keys, act["did"], act["what"], why=act["why"], by=act["by"], count=1, result=result)
            except (ValueError, TypeError, KeyError):  # torn by a crash
                continue
            client.do(steps)

    if folder.has_acts():
        folder.tell_acts(tell)
