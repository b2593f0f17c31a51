"""The page Settings: what the doctor finds, limits and pauses with their forms, and the settings of this server without secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from wooshq.client import Wooshq
from wooshq.ledger.gates import EVERY, MEANS, GateName
from wooshq.settings import Settings
from wooshq.settings.shown import shown_settings
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.visit import Form, Visit
from wooshq_worker.doctor.examine import examine
from wooshq_worker.doctor.finding import Finding

_FRESH_S: Final = 60.0
"""The doctor connects to every server, so it is not asked more often than this."""
_WORST_FIRST: Final = ("bad", "warn", "ok")


async def view(visit: Visit) -> Shown:
    """Everything of the page."""
    live = await live_view(visit)
    return Shown(
        {**live.context, "settings": shown_settings(visit.settings)},
        command="wooshq doctor\nwooshq limits\nwooshq gates",
        curl=f"{visit.curl('GET', '/v1/limits')}\n{visit.curl('GET', '/v1/gates')}",
    )


async def live_view(visit: Visit) -> Shown:
    """What changes while somebody looks: limits, gates and pauses, and what the doctor finds."""
    with_api = visit.asked("api") == "1"
    findings = await visit.soon(f"doctor {with_api}", lambda: _examined(visit.settings, with_api), fresh_s=_FRESH_S)
    limits = await visit.shared("limits", visit.client.limits.list)
    gates = await visit.shared("gates", visit.client.gates)
    return Shown(
        {
            "limits": limits,
            "pauses": [gate for gate in gates if gate.gate == GateName.HAND],
            "gates": [gate for gate in gates if gate.gate != GateName.HAND],
            "means": MEANS,
            "findings": findings,
            "with_api": with_api,
            "every": EVERY,
        }
    )


async def pause(visit: Visit, form: Form) -> Done:
    """Pause everything, an application, or a lane."""
    lane = form["lane"] or None
    gate = await visit.client.pause(form["application"] or EVERY, lane=lane, why=form["why"] or "paused manually", by=visit.by)
    return Done("/settings#pauses", f"Sending is paused for {_whose(gate.application, lane)}. Calls in progress end.")


async def resume(visit: Visit, form: Form) -> Done:
    """Take a pause back."""
    lane = form["lane"] or None
    done = await visit.client.resume(form["application"], lane=lane, why=form["why"], by=visit.by)
    whose = _whose(form["application"], lane)
    return Done("/settings#pauses", f"Sending goes on for {whose}." if done else f"Nothing was paused for {whose}.")


async def open_gate(visit: Visit, form: Form) -> Done:
    """Open a gate."""
    done = await visit.client.open_gate(form["gate"], form["application"], form["why"], by=visit.by)
    return Done("/settings#gates", "The gate is open. The API's next answers may shut it again." if done else "The gate was open already.")


async def set_limit(visit: Visit, form: Form) -> Done:
    """Set a rate or a share."""
    limit = await visit.client.limits.set(form["limit"], _value(form), form["application"] or EVERY, why=form["why"], by=visit.by)
    return Done("/settings#limits", f"The {limit.limit} of {_whose(limit.application, None)} counts for all workers now.")


async def unset_limit(visit: Visit, form: Form) -> Done:
    """Take a limit back."""
    done = await visit.client.limits.unset(form["limit"], form["application"], why=form["why"], by=visit.by)
    return Done("/settings#limits", "The limit of the environment counts again." if done else "No such limit was set.")


def _value(form: Form) -> float | None:
    """The value of a limit. Empty: no ceiling, which only a rate can have."""
    text = form["value"].replace(" ", "")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError("value: is not a number. Use a point for decimals: 0.5") from None


def _whose(application: str, lane: str | None) -> str:
    whose = "all applications" if application == EVERY else f"application {application}"
    return whose if lane is None else f"the lane {lane} of {whose}"


async def _examined(settings: Settings, with_api: bool) -> Sequence[Finding]:
    def ask() -> Sequence[Finding]:
        with Wooshq(settings) as wooshq:
            return sorted(examine(wooshq, offline=not with_api), key=lambda one: _WORST_FIRST.index(one.level))

    return await asyncio.to_thread(ask)


page = Page(
    "settings",
    "/settings",
    "Settings",
    view,
    "settings.html",
    letter="s",
    live=("held", "limits", "doctor"),
    live_view=live_view,
    acts=(
        Act("pause", pause),
        Act("resume", resume),
        Act("open-gate", open_gate),
        Act("set-limit", set_limit),
        Act("unset-limit", unset_limit),
    ),
)
