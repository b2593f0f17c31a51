"""Does the history get what has ended, and does its database answer?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Final

from wooshq.client import Wooshq
from wooshq.errors import SettingsInvalid
from wooshq.history.store import HistoryAway, HistoryNewer, open_history
from wooshq.ledger.replies import as_row, moment, ms
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters.databases import others
from wooshq.overview.words import several
from wooshq_worker.doctor.finding import Finding
from wooshq_worker.keeper.history.ledger import EventLedger, Telling

_NEARLY_FULL: Final = 0.8
_LAST_ACTS_BYTES: Final = 10_000_000
"""The last ten thousand acts stay in any case."""
_SILENT_S: Final = 60.0
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"


def check(wooshq: Wooshq) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    try:
        history = open_history(wooshq.settings)
    except SettingsInvalid as error:
        yield Finding("history", "bad", str(error), "Fix WOOSHQ_HISTORY_URL")
        return
    if history is None:
        yield Finding("history", "ok", "off: what has ended stays in Redis for WOOSHQ_RETENTION_S")
        return
    try:
        history.read(_NO_ID)
        yield of_database(history.where, history.identity, *wooshq.do(_telling(wooshq)))
    except (HistoryAway, HistoryNewer) as error:
        mend = "Bring the database back. What ends meanwhile stays in Redis for WOOSHQ_RETENTION_S and is written then"
        yield Finding("history", "bad", f"{history.where} does no work: {error}", mend)
    finally:
        history.close()
    is_running = wooshq.do(wooshq.ledger.has_keeper())
    telling = wooshq.do(EventLedger(wooshq.settings).state())
    yield of_events(telling, time.time(), is_running=is_running)
    for finding in (of_acts(telling), of_refused(telling)):
        if finding is not None:
            yield finding


def of_database(where: str, identity: str, telling: Mapping[str, str], now_ms: float) -> Finding:
    """telling: the ledger's hash. identity: of the history here."""
    elsewhere = others(telling, identity, now_ms)
    if not elsewhere:
        return Finding("history", "ok", f"{where} answers")
    says = f"{where} answers, but it is not the only one: what has ended also went to another database"
    mend = (
        "Give all workers and programs the same WOOSHQ_HISTORY_URL. If the database was replaced or emptied, bring back the one before, with all its tables "
        f"wooshq_history_*: until {moment(elsewhere[0].until_ms)} lists of letters that need it fail, and find does not show what is in it"
    )
    return Finding("history", "bad", says, mend)


def _telling(wooshq: Wooshq) -> Steps[tuple[Mapping[str, str], float]]:
    telling, time = yield Ask([("HGETALL", wooshq.ledger.keys.fixed("telling")), ("TIME",)])
    return as_row(telling), ms(time)


def of_events(telling: Telling, now: float, *, is_running: bool) -> Finding:
    """now: seconds since the epoch. is_running: at least one worker runs."""
    if not telling.is_on:
        level, mend = ("warn", "Give all workers the same WOOSHQ_HISTORY_URL, and restart them") if is_running else ("ok", "")
        return Finding("events", level, "no worker has begun to write the history", mend)  # type: ignore[arg-type]
    says = f"{telling.now_bytes:,} of {telling.most_bytes:,} bytes wait for the history"
    if telling.reader:
        says += f", which {telling.reader} writes"
    if telling.untold and telling.now_bytes > _NEARLY_FULL * telling.most_bytes:
        says += f"; {telling.untold:,} ends were not told since {moment(telling.untold_at_ms)}"
        return Finding(
            "events", "bad", says, "The rows stay for WOOSHQ_RETENTION_S, and are swept when there is room. See the finding `history`"
        )
    if telling.now_bytes > _NEARLY_FULL * telling.most_bytes:
        return Finding(
            "events", "warn", f"nearly full, {says}", "See the finding `history`. Or start more workers, or raise WOOSHQ_EVENTS_MAX_BYTES"
        )
    if is_running and now * 1000 - telling.heard_at_ms > _SILENT_S * 1000:
        return Finding(
            "events", "warn", f"no worker has read them since {moment(telling.heard_at_ms)}", "Give the workers WOOSHQ_HISTORY_URL"
        )
    if telling.untold:
        return Finding("events", "warn", f"{several(telling.untold, 'end')} to be swept since {moment(telling.untold_at_ms)}; {says}")
    return Finding("events", "ok", says)


def of_acts(telling: Telling) -> Finding | None:
    """Of the audit log; None if all is well. Acts that the history does not have may take a quarter of the bytes of the events."""
    most = telling.most_bytes // 4
    if telling.acts_lost:
        says = f"{telling.acts_lost:,} acts of operators had to leave Redis before the history had them"
        return Finding("audit", "bad", says, "Bring the history's database back, or raise WOOSHQ_EVENTS_MAX_BYTES")
    if telling.is_on and telling.acts_bytes > max(_NEARLY_FULL * most, _LAST_ACTS_BYTES):
        says = f"{telling.acts_bytes:,} of {most:,} bytes of acts of operators are in Redis"
        return Finding("audit", "warn", says, "Bring the history's database back. Above the limit the oldest acts are lost")
    return None


def of_refused(telling: Telling) -> Finding | None:
    """Of records that were set aside; None without one."""
    if not telling.aside:
        return None
    says = f"the history's database refuses {telling.aside:,} records, which stay in Redis until their time is over"
    return Finding("refused", "bad", says, "Run wooshq history, mend the database, then run wooshq history retry")
