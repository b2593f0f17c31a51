"""Pause and resume, and gates shut and opened manually. A pause is the gate `hand`: what waits behind it uses up no attempt."""

from __future__ import annotations

from wooshq.gates.who import said
from wooshq.ledger.gates import EVERY, Gate, GateLedger, GateName
from wooshq.ledger.steps import Steps


def pause(ledger: GateLedger, application: str, lane: str | None, why: str, by: str | None) -> Steps[Gate]:
    """See `Wooshq.pause`."""
    why, by = said(why, by)
    return (yield from ledger.shut(GateName.HAND, application, why, by=by, lane=lane))


def resume(ledger: GateLedger, application: str, lane: str | None, why: str, by: str | None) -> Steps[bool]:
    """See `Wooshq.resume`."""
    why, by = said(why, by)
    return (yield from ledger.open(GateName.HAND, application, why=why, by=by, lane=lane))


def resume_command(application: str, lane: str | None) -> str:
    """The command that takes a pause back. application: `EVERY` for all."""
    named = [f"--lane {lane}"] if lane else []
    named += [f"--application {application}"] if application != EVERY else []
    return f"wooshq resume {' '.join(named) or '--all'}"


def shut_gate(ledger: GateLedger, name: str, application: str, why: str, by: str | None) -> Steps[Gate]:
    """See `Wooshq.shut_gate`."""
    why, by = said(why, by)
    return (yield from ledger.shut(name, application, why, by=by))


def open_gate(ledger: GateLedger, name: str, application: str, why: str, by: str | None) -> Steps[bool]:
    """See `Wooshq.open_gate`."""
    why, by = said(why, by)
    if application == EVERY:
        return (yield from ledger.open_all(name, why=why, by=by))
    return (yield from ledger.open(name, application, why=why, by=by))
