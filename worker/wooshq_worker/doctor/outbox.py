"""Does anything wait in the outbox for long, or was something put away?"""

from __future__ import annotations

from typing import Final

from wooshq.errors import SettingsInvalid, WooshqError
from wooshq.outbox.database import DatabaseAway
from wooshq.outbox.opening import has_outbox, open_outbox
from wooshq.outbox.operate import Depth, OutboxRows
from wooshq.settings import Settings
from wooshq_worker.doctor.finding import Finding

_LONG_S: Final = 30.0
_SEE: Final = "Look at them: wooshq outbox list --state set_aside (or parked)"


def check(settings: Settings) -> list[Finding]:
    """Nothing if the outbox's database is not known here. A database that cannot be used is a finding."""
    if not has_outbox(settings):
        return []
    try:
        database = open_outbox(settings)
    except SettingsInvalid as error:
        return [Finding("outbox", "bad", str(error), "Fix this first")]
    except WooshqError as error:
        return [Finding("outbox", "bad", str(error), "Fix WOOSHQ_OUTBOX_URL")]
    try:
        return [of_depth(OutboxRows(database, settings).depth())]
    except DatabaseAway as error:
        return [Finding("outbox", "bad", str(error), "Check WOOSHQ_OUTBOX_URL, and that the database runs")]
    except WooshqError as error:
        return [Finding("outbox", "bad", str(error), "Make the table")]
    finally:
        database.close()


def of_depth(depth: Depth) -> Finding:
    """What a person must know about what waits."""
    oldest_s = depth.oldest_s or 0.0
    waits = f"{depth.waiting:,} waiting" + (f", the oldest for {oldest_s:,.0f} s" if depth.waiting else "")
    put_away = depth.set_aside + depth.parked
    says = waits + (f"; {depth.set_aside:,} set aside, {depth.parked:,} parked" if put_away else "")
    if oldest_s > _LONG_S:
        return Finding("outbox", "warn", says, "Rows are not moved. Check that a relay runs: wooshq relay, or manage.py wooshq_relay")
    return Finding("outbox", "warn" if put_away else "ok", says, _SEE if put_away else "")
