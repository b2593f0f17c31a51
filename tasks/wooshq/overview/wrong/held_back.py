"""What holds messages back: gates that are shut, what people paused, and ceilings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from wooshq.gates.limits import ceiling_of, rates_of
from wooshq.gates.pause import resume_command
from wooshq.gates.waiting import Why
from wooshq.ledger.gates import EVERY, Gate, GateName
from wooshq.ledger.replies import moment
from wooshq.overview.finding import Act, Does, Finding, Kind, Severity
from wooshq.overview.words import duration, several, some_of
from wooshq.overview.wrong.seen import Seen

_NAMED: Final = 3
"""Gates of one name, and pauses, that get a finding each. If there are more, all of them share one."""
_SAYS: Final[Mapping[str, str]] = {
    GateName.CIRCUIT: "The API fails or cannot be reached",
    GateName.TOKEN: "The API refuses the token",
    GateName.APPLICATION: "The API does not know the application",
    GateName.NOT_BEFORE: "The API asked for a wait (429)",
    GateName.ANSWERS: "The API's answers are not understood",
}
_SEVERITY: Final[Mapping[str, Severity]] = {GateName.NOT_BEFORE: Severity.NOTICE}
_HINT: Final[Mapping[str, str]] = {
    GateName.CIRCUIT: "The gate lets single calls through and opens by itself when one succeeds. Look at the status page of Pushwoosh.",
    GateName.TOKEN: "Set a valid PUSHWOOSH_API_TOKEN and restart the workers. The gate opens when a call succeeds.",
    GateName.APPLICATION: "Check the application's code, and whether the token is for it. The gate opens when a call succeeds.",
    GateName.NOT_BEFORE: "It opens by itself at that time.",
    GateName.ANSWERS: "Something between here and Pushwoosh may answer instead of it, such as a proxy. The gate opens when an answer is understood.",
}


def gates_shut(seen: Seen) -> Iterator[Finding]:
    """Gates that answers of the API shut, or a person by hand; pauses have their own rule."""
    for name, some in _by_name(gate for gate in seen.facts.gates if gate.gate != GateName.HAND):
        if len(some) > _NAMED:
            yield _gates_together(seen, name, some)
        else:
            yield from (_gate(seen, gate) for gate in some)


def _by_name(gates: Iterable[Gate]) -> Iterator[tuple[str, list[Gate]]]:
    return ((name, list(some)) for name, some in groupby(sorted(gates, key=lambda gate: gate.gate), key=lambda gate: gate.gate))


def _gate(seen: Seen, gate: Gate) -> Finding:
    whose = "all applications" if gate.application == EVERY else gate.application
    by = f"{gate.by} shut the gate {gate.gate}" if gate.by else _SAYS[gate.gate]
    until = f" until {gate.until[11:19]} UTC" if gate.until and gate.gate == GateName.NOT_BEFORE else ""
    waits = _behind(seen, [gate])
    return Finding(
        Kind.GATE_SHUT,
        _SEVERITY.get(gate.gate, Severity.CRITICAL),
        f"{by} for {whose}{until}: {gate.why}. {_held(waits)}",
        "It opens only when you open it." if gate.by else _HINT[gate.gate],
        gate.since,
        (_open_act(gate),),
        gate.since_ms,
    )


def _open_act(gate: Gate) -> Act:
    of = "" if gate.application == EVERY else f" --application {gate.application}"
    return Act(
        f"Open the gate {gate.gate}",
        f"wooshq gates open {gate.gate}{of}",
        page="/#gates",
        path=f"/v1/gates/{gate.gate}/open",
        does=Does.OPEN_GATE,
        named={"gate": gate.gate, "application": gate.application},
    )


def _gates_together(seen: Seen, name: str, gates: Sequence[Gate]) -> Finding:
    first = min(gates, key=lambda gate: gate.since_ms)
    whose = some_of([gate.application for gate in sorted(gates, key=lambda gate: gate.since_ms)])
    return Finding(
        Kind.GATE_SHUT,
        _SEVERITY.get(name, Severity.CRITICAL),
        f"{_SAYS[name]} for {several(len(gates), 'application')} ({whose}): {first.why}. {_held(_behind(seen, gates))}",
        _HINT[name],
        first.since,
        (
            Act(
                f"Open the gate {name} of all",
                f"wooshq gates open {name}",
                page="/#gates",
                path=f"/v1/gates/{name}/open",
                does=Does.OPEN_GATE,
                named={"gate": name, "application": EVERY},
            ),
        ),
        first.since_ms,
    )


def _behind(seen: Seen, gates: Sequence[Gate]) -> int:
    """Messages that wait behind any of these gates."""
    return sum(
        found.n
        for found in seen.facts.backlog.waiting
        if any(gate.gate == _gate_of(found.why) and gate.concerns(found.application, found.lane) for gate in gates)
    )


def _gate_of(why: Why) -> str:
    return GateName.HAND if why is Why.PAUSED else str(why)


def _held(n: int) -> str:
    return f"{several(n, 'message')} {'waits' if n == 1 else 'wait'} behind it." if n else "Nothing waits behind it yet."


def paused(seen: Seen) -> Iterator[Finding]:
    """What people paused: applications, and lanes of them. Jobs and replays have rules of their own."""
    gates = [gate for gate in seen.facts.gates if gate.gate == GateName.HAND]
    for gate in gates if len(gates) <= _NAMED else ():
        yield _pause(seen, gate)
    if len(gates) > _NAMED:
        first = min(gates, key=lambda gate: gate.since_ms)
        whose = some_of([_whose(gate) for gate in gates])
        says = f"People paused {len(gates):,} applications and lanes: {whose}. {_held(_behind(seen, gates))}"
        yield Finding(
            Kind.PAUSED,
            Severity.NOTICE,
            says,
            "They wait until you resume them.",
            first.since,
            (Act("Show them", "wooshq gates", page="/#gates"),),
            first.since_ms,
        )


def _whose(gate: Gate) -> str:
    whose = "all applications" if gate.application == EVERY else gate.application
    return whose if gate.lane is None else f"the {gate.lane} lane of {whose}"


def _pause(seen: Seen, gate: Gate) -> Finding:
    named = {"application": gate.application, **({"lane": gate.lane} if gate.lane else {})}
    command = resume_command(gate.application, gate.lane)
    whose = _whose(gate)
    return Finding(
        Kind.PAUSED,
        Severity.NOTICE,
        f"{gate.by or 'Somebody'} paused {whose}: {gate.why}. {_held(_behind(seen, [gate]))}",
        "It waits until you resume it. Waiting uses up no attempt and no age, but messages can expire.",
        gate.since,
        (Act(f"Resume {whose}", command, page="/#gates", path="/v1/pauses/resume", does=Does.RESUME, named=named),),
        gate.since_ms,
    )


def ceilings(seen: Seen) -> Iterator[Finding]:
    """Applications whose messages wait for a slot for longer than their lane's target."""
    target_s = {lane.lane: lane.target_s for lane in seen.lanes}
    held = [
        found
        for found in seen.facts.backlog.waiting
        if found.why is Why.SLOT and found.since_ms is not None and seen.ago_s(found.since_ms) > target_s[found.lane]
    ]
    if not held:
        return
    held.sort(key=lambda found: found.since_ms or 0)
    first, n = held[0], sum(found.n for found in held)
    assert first.since_ms is not None
    applications = list(dict.fromkeys(found.application for found in held))
    rate = _ceiling(seen, first.application)
    of = f"The ceiling of {first.application}" if len(applications) == 1 else f"The ceilings of {some_of(applications)}"
    at = f" ({rate:g} calls a second)" if rate is not None and len(applications) == 1 else ""
    by = "hold" if len(applications) > 1 else "holds"
    yield Finding(
        Kind.CEILING,
        Severity.NOTICE,
        f"{of}{at} {by} back {several(n, 'message')}, the oldest for {duration(seen.ago_s(first.since_ms))}.",
        "Raise the ceiling if Pushwoosh allows it, or let it drain.",
        moment(first.since_ms),
        (
            Act(
                "Change the ceiling",
                f"wooshq limits set rate CALLS_A_SECOND --application {first.application}",
                page="/settings#limits",
                path="/v1/limits/rate",
            ),
        ),
        first.since_ms,
    )


def _ceiling(seen: Seen, application: str) -> float | None:
    rate = ceiling_of(list(rates_of(seen.pulse.limits, seen.settings)), application)
    learned = seen.learned.get(application)
    return min((one for one in (rate, learned) if one is not None), default=None)
