"""`wooshq fanout`: make a job from a template and a file of recipients, and follow it to its end."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from wooshq.jobs.check import Checks
from wooshq.recipients.file import RecipientsFile
from wooshq_schemas.recipients.rules import RowRules
from wooshq_worker.cli.fan_out import Run
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.rejects import Rejects
from wooshq_worker.cli.rejects import check as check_rejects
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import Json, continue_unread, finish
from wooshq_worker.cli.values import duration_s, fraction, pairs

_MAX_REJECTS: Final = "1%"
_MOST_TEMPLATE: Final = 4 * 1024 * 1024


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        cls=Command,
        epilog=examples(
            "wooshq fanout --template sale.json --recipients people.csv --dry-run",
            "wooshq fanout --template sale.json --recipients people.csv",
            "wooshq fanout --template sale.json --recipients all.csv.gz --steps 1%,100%",
            "./people | wooshq fanout --template sale.json --recipients - --detach",
        ),
    )(fanout)


File = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="CSV with a header or NDJSON, plain or gzipped; - for standard input. It needs one column user, hwid, push_token or email. "
        "A column locale is optional. Every other column has the values of a placeholder: the column city fills {city}.",
    ),
]
TemplateFile = Annotated[Path | None, typer.Option(metavar="FILE", help="The message: an intent without to, as JSON.")]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="Start although the message uses a placeholder without a column.")]
Also = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Also send the values of this column. Without it, only columns that the message uses are sent."),
]
MaxRejects = Annotated[
    str,
    typer.Option(
        metavar="N",
        help="Start no job if more rows than this are not valid: a number, or a percentage (at least 10 rows may be invalid).",
    ),
]
Rate = Annotated[float | None, typer.Option(metavar="N", help="Calls per second. Default: as many as the application's limits allow.")]
Steps = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Roll out in steps: 1%,10%,100%, or numbers of recipients. After each step the job waits for wooshq bulk resume.",
    ),
]
StopAt = Annotated[
    str | None, typer.Option(metavar="PERCENT", help="Stop if more than this percentage of a step is dead or in doubt, such as 5%.")
]
StepWait = Annotated[str | None, typer.Option(metavar="TIME", help="Start the next step automatically after this time, such as 10m.")]
Total = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Total recipients, for percentages in --steps (counted from the file if omitted).")
]
RejectsFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Write rejected rows to this file (default: JOB.rejects.ndjson).")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing rejects file.")]
Resume = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Continue this job if the command ended before it read all recipients. Give the same file."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the number of calls, recipients by locale, and some messages. Send nothing; needs no Redis.")
]
Limit = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Take only the first N recipients, to try a message. A later job for all sends to them again."),
]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="NAME=COLUMN", help='Which column of the file to use for a name: --map user="User ID". Can be repeated.'),
]
Default = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="The value for rows that have none in a column: --default name=there. Can be repeated."),
]
Encoding = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="The encoding of the file, if it is not UTF-8 or UTF-16: cp1252 (Excel in Western Europe and America), cp1250, cp1251, …",
    ),
]
Exact = Annotated[
    bool,
    typer.Option(
        "--exact", help="Take cells as they are. Otherwise marks of spreadsheets are removed, and words such as null are no identifiers."
    ),
]
FoldEmails = Annotated[
    bool, typer.Option("--fold-emails", help="Take email addresses that differ only in capital letters as one recipient.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Exit when all recipients have been read. Workers continue to send.")]


def fanout(
    recipients: File,
    template: TemplateFile = None,
    allow_missing: AllowMissing = False,
    also: Also = None,
    max_rejects: MaxRejects = _MAX_REJECTS,
    rate: Rate = None,
    steps: Steps = None,
    stop_at: StopAt = None,
    step_wait: StepWait = None,
    total: Total = None,
    rejects: RejectsFile = None,
    force: Force = False,
    resume: Resume = None,
    dry_run: DryRun = False,
    limit: Limit = None,
    map_: Map = None,
    default: Default = None,
    encoding: Encoding = "",
    exact: Exact = False,
    fold_emails: FoldEmails = False,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Send one message to many recipients, each once, in as few calls as possible. Prints the id of the job, and follows it to its end."""
    continue_unread(or_unwritten=True)
    named, given = pairs(map_, "--map"), pairs(default, "--default")
    rows = RowRules(columns=named, defaults=given, encoding=encoding, exact=exact, fold_emails=fold_emails)
    of_a_new_job = (rate, steps, stop_at, step_wait, total, also, limit, allow_missing or None, dry_run or None)
    differing = (None if max_rejects == _MAX_REJECTS else max_rejects, None if rows == RowRules() else rows)
    _check_start_or_resume(template, resume, *of_a_new_job, *differing)
    if rejects is not None or not dry_run:
        check_rejects(rejects, force=force, inputs=(recipients, template))
    checks = Checks(allow_missing, also, max_rejects)
    rules: dict[str, Any] = {
        "rate": rate,
        "stop_at": None if stop_at is None else fraction(stop_at, "--stop-at"),
        "step_wait_s": None if step_wait is None else duration_s(step_wait, "--step-wait"),
    }
    source = None if str(recipients) == "-" else recipients
    with RecipientsFile(source) as file, nullcontext(open_wooshq()) if dry_run else open_wooshq() as wooshq:
        # The default file belongs to this job: a resume reads the same bad rows again, and writes them again.
        file_of_rejects = Rejects(rejects, force=force or (resume is not None and rejects is None), only_shown=dry_run)
        run = Run(wooshq, file, recipients, file_of_rejects, template=template, as_json=as_json, detach=detach)
        if template is not None:
            text = _read_template(template, stdin_is_taken=source is None)
            if dry_run:
                run.preview(text, checks, rows, limit)
            else:
                run.start(text, checks, rows, steps=steps, total=total, limit=limit, **rules)
        elif resume is not None:
            run.resume(resume)
        finish(run.outcome)


def _check_start_or_resume(template: Path | None, resume: str | None, *settings: object) -> None:
    """settings: options that only a new job takes. Raises typer.BadParameter."""
    if (template is None) == (resume is None):
        why = "give one of the two: --template FILE starts a job, --resume ID continues one"
        raise typer.BadParameter(why, param_hint="--template")
    if resume is not None and any(given is not None for given in settings):
        why = "a job keeps the settings that it was started with: give only --recipients, --rejects, --force and --detach"
        raise typer.BadParameter(why, param_hint="--resume")


def _read_template(path: Path, *, stdin_is_taken: bool) -> bytes:
    """Raises typer.BadParameter."""
    if str(path) == "-" and stdin_is_taken:
        raise typer.BadParameter("standard input cannot be both the template and the recipients", param_hint="--template")
    try:
        raw = sys.stdin.buffer.read(_MOST_TEMPLATE + 1) if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--template") from None
    if len(raw) > _MOST_TEMPLATE:
        raise typer.BadParameter(f"{path} has more than {_MOST_TEMPLATE:,} bytes", param_hint="--template")
    return raw
