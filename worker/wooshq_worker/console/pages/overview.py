"""The page Overview: what is wrong now and what to press; lanes, gates, workers and jobs at a glance. It is live."""

from __future__ import annotations

from wooshq.ledger.gates import EVERY, MEANS, GateName
from wooshq.overview.lanes import LaneNow
from wooshq.overview.show import Overview
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.visit import Form, Visit


async def view(visit: Visit) -> Shown:
    """Everything of the page; read once a second, however many look."""
    found = await visit.shared("overview", visit.client.overview)
    title, proof = _in_two(found)
    return Shown(
        {
            "now": found,
            "title": title,
            "proof": proof,
            "lanes": {lane.lane: lane for lane in found.lanes},
            "how": {lane.lane: _how(lane) for lane in found.lanes},
            "keeper": next((worker for worker in found.workers if worker.is_keeper), None),
            "means": MEANS,
            "every": EVERY,
            "gate_names": [(name.value, f"{name.value}: {MEANS[name]}") for name in GateName if name is not GateName.HAND],
        },
        command="wooshq overview --watch",
        curl=visit.curl("GET", "/v1/overview"),
    )


def _in_two(found: Overview) -> tuple[str, str]:
    """The first sentence, and the proof."""
    first, _, rest = found.says.partition(". ")
    return first, rest


def _how(lane: LaneNow) -> str:
    """A lane in a word, for its badge."""
    if not lane.workers and lane.waiting:
        return "no_worker"
    if lane.oldest_due_s > lane.target_s:
        return "late"
    if lane.waiting and not lane.due and all(reason.why != "slot" for reason in lane.reasons):
        return "held"
    return "flowing" if lane.sent or lane.waiting else "idle"


async def open_gate(visit: Visit, form: Form) -> Done:
    """Open a gate."""
    done = await visit.client.open_gate(form["gate"], form["application"] or EVERY, form["why"], by=visit.by)
    return Done("/", "The gate is open. The API's next answers may shut it again." if done else "The gate was open already.")


async def shut_gate(visit: Visit, form: Form) -> Done:
    """Shut a gate by hand."""
    gate = await visit.client.shut_gate(form["gate"], form["application"] or EVERY, form["why"] or "shut manually", by=visit.by)
    whose = "all applications" if gate.application == EVERY else gate.application
    return Done("/#gates", f"The gate {gate.gate} is shut for {whose}. It stays shut until somebody opens it.")


async def resume(visit: Visit, form: Form) -> Done:
    """Take a pause back."""
    done = await visit.client.resume(form["application"] or EVERY, lane=form["lane"] or None, why=form["why"], by=visit.by)
    return Done("/", "It goes on." if done else "Nothing was paused there.")


async def resume_job(visit: Visit, form: Form) -> Done:
    """Let a job go on."""
    job = await visit.client.bulk.resume(form["job"], form["why"], by=visit.by)
    return Done("/", f"The job {job.id[:13]} is {job.state}.")


async def resume_replay(visit: Visit, form: Form) -> Done:
    """Let a replay go on."""
    replay = await visit.client.replays.resume(form["replay"], form["why"], by=visit.by)
    return Done("/", f"The replay {replay.id[:13]} is {replay.state}.")


async def resume_webhook(visit: Visit, form: Form) -> Done:
    """Let a webhook go on."""
    found = await visit.client.webhooks.resume(form["webhook"], why=form["why"], by=visit.by)
    return Done("/", f"The webhook {found.name} goes on.")


page = Page(
    "overview",
    "/",
    "Overview",
    view,
    "overview.html",
    letter="o",
    live=("state", "transactional", "bulk", "gates", "workers", "jobs", "stores"),
    acts=(
        Act("open-gate", open_gate),
        Act("shut-gate", shut_gate),
        Act("resume", resume),
        Act("resume-job", resume_job),
        Act("resume-replay", resume_replay),
        Act("resume-webhook", resume_webhook),
    ),
)
