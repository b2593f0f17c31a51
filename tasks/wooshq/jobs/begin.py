"""Begin a job: check its template and rules, and open it in the ledger; or reopen one that is fed on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wooshq.errors import Conflict, JobUnknown, RecipientsChanged
from wooshq.intents.entry import new_id
from wooshq.jobs.check import Checks
from wooshq.jobs.rules import JobRules
from wooshq.jobs.show import NO_SUCH_JOB, rules_of
from wooshq.ledger.jobs import JobLedger, NewJob
from wooshq.ledger.replies import as_row
from wooshq.ledger.steps import Ask, Steps
from wooshq.settings import Settings
from wooshq_schemas import Template, parse_template
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules


@dataclass(frozen=True, slots=True)
class OpenJob:
    """
    A job that takes recipients. rows: how rows are read; what is read of them is sent. first: how many recipients it takes, from the
    beginning; None for all. is_new: False if it was started earlier.
    """

    id: str
    template: Template
    list_limit: int
    rows: RowRules
    first: int | None
    is_new: bool


def template_of(given: Any, settings: Settings, *, now: datetime | None = None) -> Template:
    """A template from JSON or an object. Raises IntentInvalid with every problem."""
    return parse_template(given, now=now or datetime.now(UTC), application=settings.application, platforms=settings.platform_table)


def new_job(
    template: Any,
    settings: Settings,
    rules: JobRules,
    checks: Checks,
    rows: RowRules = ALL_COLUMNS,
    *,
    source: str = "",
    first: int | None = None,
    now: datetime | None = None,
) -> tuple[NewJob, Template]:
    """Check a template, and make the job that it starts. Raises IntentInvalid with every problem, ValueError for a limit below 1."""
    if first is not None and (isinstance(first, bool) or first < 1):
        raise ValueError("limit: must be at least 1 recipient")
    made = template if isinstance(template, Template) else template_of(template, settings, now=now)
    text = made.to_json()
    expires = made.expires_at
    job = NewJob(
        id=new_id(),
        template=text,
        digest=hashlib.blake2b(json.dumps(json.loads(text), sort_keys=True).encode(), digest_size=16).hexdigest(),
        application=made.application,
        list_limit=settings.list_limit,
        idempotency_key=made.idempotency_key,
        on_unknown=made.on_unknown or settings.on_unknown,
        campaign=made.campaign or "",
        ttl_ms=None if made.ttl_s is None else made.ttl_s * 1000,
        expires_at_ms=None if expires is None else int(expires.timestamp() * 1000),
        rate=rules.rate,
        rollout=rules.rollout,
        stop_at=rules.stop_at,
        step_wait_ms=None if rules.step_wait_s is None else int(rules.step_wait_s * 1000),
        source=source,
        columns=checks.columns(made),
        rows=rows.as_text(),
        first=first,
    )
    return job, made


def begin_job(ledger: JobLedger, job: NewJob, template: Template) -> Steps[OpenJob]:
    """
    Open a job in the ledger. If its idempotency key was used before for the same template, that job is fed on.

    Raises Conflict if the key was used for another template, RecipientsChanged if it was used with another limit.
    """
    answer = yield from ledger.open(job)
    if answer.startswith("!"):
        kept = as_row((yield Ask([("HGETALL", ledger.keys.job(answer[1:]))]))[0])
        theirs = json.loads(kept.get("template", "{}"))
        mine = json.loads(job.template)
        fields = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)) if kept else []
        raise Conflict("idempotency_key", answer[1:], fields)
    if answer:
        earlier = yield from reopen_job(ledger, answer)
        if earlier.first != job.first:
            takes = "all recipients" if earlier.first is None else f"only the first {earlier.first:,} recipients"
            raise RecipientsChanged(
                f"the job {earlier.id} has the same idempotency_key, and it takes {takes} (limit). Nothing was started. Another job, with "
                "another key, would send to some a second time"
            )
        return earlier
    return OpenJob(job.id, template, job.list_limit, RowRules.from_text(job.rows, job.columns), job.first, is_new=True)


def reopen_job(ledger: JobLedger, job_id: str) -> Steps[OpenJob]:
    """A job that is fed on, with the template that it was started with. Raises JobUnknown."""
    row = as_row((yield Ask([("HGETALL", ledger.keys.job(job_id))]))[0])
    if not row:
        raise JobUnknown(NO_SUCH_JOB)
    first = int(row["first"]) if "first" in row else None
    template = Template.load_stored(row["template"], int(row["v"]))
    return OpenJob(job_id, template, int(row["limit"]), rules_of(row), first, is_new=False)


def check_resumed(*, steps: Sized, **given: object) -> None:
    """Raises ValueError if a job that is resumed is given rules: it keeps the rules that it was started with."""
    if names := [name for name, value in {"steps": steps or None, **given}.items() if value is not None]:
        raise ValueError(f"resume: the job keeps the rules that it was started with; leave out {', '.join(names)}")
