"""What wooshq stands on: Redis, the history, outboxes of apps, spools of machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from wooshq.ledger.replies import moment
from wooshq.letters.databases import databases
from wooshq.overview.finding import Act, Finding, Kind, Severity
from wooshq.overview.words import duration, several, size
from wooshq.overview.wrong.seen import Seen

_NEARLY_FULL: Final = 0.8
_FULL: Final = 0.95
_LAGS_S: Final = 120.0
"""The history takes what has ended within seconds."""
_WAITS_S: Final = 60.0
"""A relay moves rows within a second, a spool's mover as soon as Redis is back."""
_UNSEEN_S: Final = 120.0
"""A relay says every ten seconds what it sees."""
_FORGOTTEN_S: Final = 86_400.0
"""An outbox of which nobody has told for so long is not used any more."""

_MOST_OUTBOXES: Final = 3

_DOCTOR: Final = Act("Check the installation", "wooshq doctor", page="/settings")


def redis(seen: Seen) -> Iterator[Finding]:
    """Memory, eviction, durability."""
    state = seen.redis
    if state.used is not None and state.most:
        share = state.used / state.most
        if share >= _NEARLY_FULL:
            is_full = share >= _FULL
            then = "Nothing is accepted while it is full." if is_full else "When it is full, nothing is accepted."
            yield Finding(
                Kind.REDIS_FULL,
                Severity.CRITICAL if is_full else Severity.WARNING,
                f"Redis uses {size(state.used)} of the {size(state.most)} that it may use ({share:.0%}). {then}",
                "Raise maxmemory, or keep less: lower WOOSHQ_RETENTION_S or WOOSHQ_DEAD_RETENTION_S, or name a history (WOOSHQ_HISTORY_URL).",
                None,
                (_DOCTOR,),
            )
    if state.policy is not None and state.policy != "noeviction":
        yield Finding(
            Kind.REDIS_EVICTS,
            Severity.CRITICAL,
            f"Redis may delete messages when its memory is full: its policy is {state.policy}.",
            "Run CONFIG SET maxmemory-policy noeviction, and set the same in redis.conf.",
            None,
            (_DOCTOR,),
        )
    if state.appends is False or state.last_write_failed:
        why = "it cannot write its append-only file" if state.last_write_failed else "it has no append-only file"
        yield Finding(
            Kind.REDIS_NOT_DURABLE,
            Severity.CRITICAL,
            f"A restart of Redis loses what was accepted: {why}.",
            "Check its disk and its log." if state.last_write_failed else "Run CONFIG SET appendonly yes, and set the same in redis.conf.",
            None,
            (_DOCTOR,),
        )


def history(seen: Seen) -> Iterator[Finding]:
    """What has ended waits in Redis for the history, or went to several of them."""
    telling = seen.facts.telling
    if len(found := databases(telling, seen.now_ms)) > 1:
        until = moment(min(one.until_ms for one in found))
        yield Finding(
            Kind.HISTORY_ELSEWHERE,
            Severity.WARNING,
            f"What has ended went to {len(found)} databases, and everybody reads only one of them: until {until} some of it is not shown, or not listed.",
            "Give all workers and programs the same WOOSHQ_HISTORY_URL. If the database was replaced, bring back the one before.",
            None,
            (_DOCTOR,),
        )
    if "most" not in telling or ("heard|outward" in telling and "heard|history" not in telling):
        return  # nobody keeps one; perhaps webhooks alone are told
    if aside := int(telling.get("aside") or 0):
        yield Finding(
            Kind.HISTORY_REFUSES,
            Severity.WARNING,
            f"The history's database refuses {several(aside, 'record')}. {'It stays' if aside == 1 else 'They stay'} in Redis, but only until "
            f"{'its' if aside == 1 else 'their'} time there is over.",
            "See why, mend the database, and have them tried again.",
            None,
            (Act("Look at what was refused", "wooshq history"), _DOCTOR),
        )
    most, used, untold = (int(float(telling.get(name) or 0)) for name in ("most", "bytes", "untold"))
    since_ms = seen.facts.stream_since_ms
    lag_s = 0.0 if since_ms is None else seen.ago_s(since_ms)
    share = used / most if most else 0.0
    if lag_s < _LAGS_S and share < _NEARLY_FULL:
        return
    full = f" Its stream has {share:.0%} of the {size(most)} that it may have." if share >= 0.1 else ""
    left = f" {several(untold, 'end')} must be found by reading the ledger." if untold else ""
    yield Finding(
        Kind.HISTORY_BEHIND,
        Severity.WARNING,
        f"The history is behind by {duration(lag_s)}: {several(seen.facts.stream_length, 'entry waits', 'entries wait')} for it.{full}{left}",
        "Check that its database can be reached and is not slow. Messages are sent all the same, and nothing is lost.",
        moment(since_ms),
        (_DOCTOR,),
        since_ms,
    )


def outboxes(seen: Seen) -> Iterator[Finding]:
    """Rows that an app has committed wait for a relay, or no relay looks any more."""
    for found in seen.pulse.outboxes[:_MOST_OUTBOXES]:
        if (ago_s := seen.ago_s(found["at"])) <= _FORGOTTEN_S:
            yield from _outbox(seen, found, ago_s)


def _outbox(seen: Seen, found: Mapping[str, Any], ago_s: float) -> Iterator[Finding]:
    waiting, aside = int(found["waiting"]), int(found["set_aside"])
    act = Act("Look at the outbox", str(found["command"]), page="/outbox")
    if ago_s > _UNSEEN_S:
        had = f" {several(waiting, 'row')} waited then." if waiting else ""
        yield Finding(
            Kind.OUTBOX_BEHIND,
            Severity.CRITICAL,
            f"No relay has looked into the outbox for {duration(ago_s)}.{had}",
            "Start a relay: what your app commits waits for it.",
            moment(found["at"]),
            (Act("Start a relay", str(found["command"]).replace("outbox", "relay")), act),
            int(found["at"]),
        )
    elif (oldest_s := found["oldest_s"] or 0.0) > _WAITS_S:
        since_ms = int(found["at"] - oldest_s * 1000)
        yield Finding(
            Kind.OUTBOX_BEHIND,
            Severity.CRITICAL,
            f"The outbox is behind: {several(waiting, 'row')} {'waits' if waiting == 1 else 'wait'}, the oldest for {duration(oldest_s)}.",
            "Look at the relay's log. More relays move more rows.",
            moment(since_ms),
            (act,),
            since_ms,
        )
    elif aside:
        yield Finding(
            Kind.OUTBOX_BEHIND,
            Severity.WARNING,
            f"{several(aside, 'row')} of the outbox {'was' if aside == 1 else 'were'} put away: wooshq could not take {'it' if aside == 1 else 'them'}.",
            "Mend them and let them go on, or discard them.",
            None,
            (act,),
        )


def spools(seen: Seen) -> Iterator[Finding]:
    """Messages wait on the disk of a machine, or were set aside there."""
    by_host = {worker.host: worker.spool for worker in seen.pulse.workers if worker.is_alive and worker.spool}
    for host, found in sorted(by_host.items())[:3]:
        waiting, oldest_s, aside = int(found.get("waiting") or 0), float(found.get("oldest_s") or 0.0), int(found.get("set_aside") or 0)
        act = Act(f"Look at the spool on {host}", "wooshq spool")
        if oldest_s > _WAITS_S:
            since_ms = int(seen.now_ms - oldest_s * 1000)
            yield Finding(
                Kind.SPOOL_BEHIND,
                Severity.WARNING,
                f"{several(waiting, 'message')} {'waits' if waiting == 1 else 'wait'} in the spool on {host}, the oldest for {duration(oldest_s)}, "
                "although Redis answers.",
                f"Run wooshq spool on {host}.",
                moment(since_ms),
                (act,),
                since_ms,
            )
        elif aside:
            yield Finding(
                Kind.SPOOL_BEHIND,
                Severity.NOTICE,
                f"{several(aside, 'message')} in the spool on {host} {'was' if aside == 1 else 'were'} set aside: the ledger refused "
                f"{'it' if aside == 1 else 'them'}.",
                f"Run wooshq spool on {host}, and mend or discard them.",
                None,
                (act,),
            )
