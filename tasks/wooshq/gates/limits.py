"""Which limits count now, and how they are set while workers run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wooshq.gates.who import said
from wooshq.ledger.gates import EVERY, GateLedger, check_application
from wooshq.ledger.replies import Result, as_row, moment, text
from wooshq.ledger.steps import Ask, Steps
from wooshq.settings import Settings

_NONE: Final = "none"
"""Stands in the ledger for "no ceiling"."""
MOST_RATE: Final = 1_000_000
_MOST_JOBS: Final = 200


class LimitName(StrEnum):
    """What can be limited."""

    RATE = "rate"  #: calls a second of an application, or of a job
    SHARE = "share"  #: the part of the rate that is reserved for the transactional lane


class Origin(StrEnum):
    """Where a limit comes from. One that was set counts instead of the environment's. Of two ceilings the lower one counts."""

    ENVIRONMENT = "environment"  #: the settings of the process that asks; workers may have others
    SET = "set"  #: set while workers run
    LEARNED = "learned"  #: learned from answers 429
    JOB = "job"  #: the job's own


@dataclass(frozen=True)
class Limit(Result):
    """A limit that counts now. application: `*` for all without a limit of their own. value: None for no ceiling. by: who set it."""

    limit: str
    application: str
    value: float | None
    origin: str
    since: str | None = None
    why: str | None = None
    by: str | None = None
    job: str | None = None


def list_limits(ledger: GateLedger, settings: Settings) -> Steps[list[Limit]]:
    """See `Limits.list`."""
    keys = ledger.keys
    flat, limited, jobs = yield Ask(
        [("HGETALL", keys.fixed("limits")), ("SMEMBERS", keys.fixed("limited")), ("ZREVRANGE", keys.fixed("jobs"), 0, _MOST_JOBS - 1)]
    )
    learned = yield from ledger.learned(sorted(map(text, limited)))
    job_ids = [text(i) for i in jobs]
    rows = (yield Ask([("HMGET", keys.job(i), "rate", "app", "ended") for i in job_ids])) if job_ids else []
    found = [*rates_of(as_row(flat), settings), *_shares(as_row(flat), settings)]
    found += [Limit(LimitName.RATE, app, round(rate, 2), Origin.LEARNED, since=moment(at)) for app, (rate, at) in learned.items()]
    found += [
        Limit(LimitName.RATE, text(app), float(rate), Origin.JOB, job=job_id)
        for job_id, (rate, app, ended) in zip(job_ids, rows, strict=True)
        if rate is not None and ended is None
    ]
    return found


def ceiling_of(limits: Iterable[Limit], application: str) -> float | None:
    """Calls a second that an application may make by these limits (`list_limits`), without those of jobs; None for no ceiling. Pure."""
    rates = [one for one in limits if one.limit == LimitName.RATE and one.job is None]
    learned = [one.value for one in rates if one.origin == Origin.LEARNED and one.application == application]
    others = [one for one in rates if one.origin != Origin.LEARNED]
    own = [one.value for one in others if one.application == application] or [one.value for one in others if one.application == EVERY]
    return min((value for value in (*own[:1], *learned) if value is not None), default=None)


def rates_of(kept: Mapping[str, str], settings: Settings) -> Iterator[Limit]:
    """The ceilings of applications, without learned ones. kept: the hash `limits`. One that was set for all replaces every ceiling of the environment."""
    is_set = _set_ones(kept, LimitName.RATE)
    if EVERY not in is_set:
        yield Limit(LimitName.RATE, EVERY, settings.rate_per_s, Origin.ENVIRONMENT)
        for application, rate in settings.rates.items():
            if application not in is_set:
                yield Limit(LimitName.RATE, application, rate, Origin.ENVIRONMENT)
    yield from is_set.values()


def _shares(kept: Mapping[str, str], settings: Settings) -> Iterator[Limit]:
    is_set = _set_ones(kept, LimitName.SHARE)
    if EVERY not in is_set:
        yield Limit(LimitName.SHARE, EVERY, settings.transactional_share, Origin.ENVIRONMENT)
    yield from is_set.values()


def _set_ones(kept: Mapping[str, str], name: LimitName) -> dict[str, Limit]:
    """What was set while workers run, by application."""
    parts = ((field.split("|", 1), raw) for field, raw in sorted(kept.items()))
    return {application: _kept(name, application, raw) for (kind, application), raw in parts if kind == name}


def _kept(name: str, application: str, raw: str) -> Limit:
    said = json.loads(raw)
    return Limit(name, application, number(said["value"]), Origin.SET, moment(said["since_ms"]), said["why"], said["by"])


def number(kept: str) -> float | None:
    """A limit as the ledger keeps it. None for no ceiling."""
    return None if kept == _NONE else float(kept)


def set_limit(ledger: GateLedger, name: str, value: float | None, application: str, why: str, by: str | None) -> Steps[Limit]:
    """See `Limits.set`."""
    known, (why, by) = _known(name), said(why, by)
    check_application(application)
    kept = _NONE if value is None and known == LimitName.RATE else repr(checked(known, value))
    now_ms, _ = yield from ledger.set_limit(known, application, kept, why=why, by=by)
    return Limit(known, application, number(kept), Origin.SET, moment(now_ms), why, by)


def unset_limit(ledger: GateLedger, name: str, application: str, why: str, by: str | None) -> Steps[bool]:
    """See `Limits.unset`."""
    known, (why, by) = _known(name), said(why, by)
    check_application(application)
    _, before = yield from ledger.set_limit(known, application, "", why=why, by=by)
    return bool(before)


def checked(name: LimitName, value: float | None) -> float:
    """A limit's value. Raises ValueError if it is out of bounds."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    most = MOST_RATE if name == LimitName.RATE else 1
    if value is None or not is_number or not 0 < value <= most or (name == LimitName.SHARE and value >= 1):
        use = f"a number above 0, at most {MOST_RATE:,}" if name == LimitName.RATE else "a number above 0 and below 1"
        raise ValueError(f"{name}: is not {use}")
    return float(value)


def _known(name: str) -> LimitName:
    try:
        return LimitName(name)
    except ValueError:
        raise ValueError(f"limit: is not a known limit. Use one of {', '.join(LimitName)}") from None
