"""Does anything wait in the spool of this machine, was something set aside, and can it be written?"""

from __future__ import annotations

from typing import Final

from wooshq.errors import FolderUnusable
from wooshq.settings import Settings
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.look import SpoolDepth, depth
from wooshq_worker.doctor.finding import Finding

_LONG_S: Final = 30.0
_NEARLY_FULL: Final = 0.8


def check(settings: Settings) -> list[Finding]:
    """Nothing without WOOSHQ_SPOOL_DIR."""
    if (folder := SpoolFolder.of(settings)) is None:
        return []
    try:
        folder.check()
        return [of_depth(depth(folder))]
    except FolderUnusable as error:
        return [Finding("spool", "bad", str(error), "Give this user the right to write there, or set WOOSHQ_SPOOL_DIR to another folder")]


def of_depth(found: SpoolDepth) -> Finding:
    """What a person must know about what waits."""
    oldest_s = found.oldest_s or 0.0
    says = f"{found.waiting:,} waiting" + (f", the oldest for {oldest_s:,.0f} s" if found.waiting else "")
    if found.set_aside:
        says += f"; {found.set_aside:,} set aside"
    if found.used_bytes > _NEARLY_FULL * found.most_bytes:
        return Finding("spool", "bad", f"{says}; it is nearly full", "Bring Redis back, or raise WOOSHQ_SPOOL_BYTES")
    if oldest_s > _LONG_S:
        return Finding("spool", "warn", says, "Bring Redis back. If it is, move them: wooshq spool move")
    return Finding("spool", "warn" if found.set_aside else "ok", says, "Look at them: wooshq spool list" if found.set_aside else "")
