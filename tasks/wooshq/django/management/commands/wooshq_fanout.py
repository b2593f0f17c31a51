"""`manage.py wooshq_fanout`: send one message to everybody in a queryset, row by row, in constant memory."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from django.apps import apps
from django.core.exceptions import FieldError, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils.module_loading import import_string

import wooshq
from wooshq.errors import IntentInvalid, WooshqError
from wooshq.jobs.check import Refused
from wooshq.jobs.preview import Preview
from wooshq_schemas.recipients.rules import RowRules

_CHUNK = 2000
_SAY_EVERY_S = 5.0
_MOST_SHOWN = 5


class Command(BaseCommand):
    """See `help`."""

    help = (
        "Send one message to everybody in a queryset. SOURCE is a model (app_label.Model) or the dotted path of a function that returns a "
        "queryset. --columns names the values of each row: one of them is the recipient (user, email, token, phone …), the others fill "
        "placeholders of the template."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options."""
        parser.add_argument("source", metavar="SOURCE", help="app_label.Model, or package.module.function")
        parser.add_argument("--template", required=True, metavar="FILE", help="File with the template, JSON; - for standard input.")
        parser.add_argument(
            "--columns",
            required=True,
            metavar="NAME=FIELD,…",
            help="What each recipient has, from fields of the model: user=pk,name=profile__first_name",
        )
        parser.add_argument("--filter", action="append", default=[], metavar="FIELD=VALUE", help="Only rows like these; may be repeated.")
        parser.add_argument("--database", default=None, help="Alias of the database that is read.")
        parser.add_argument(
            "--default", action="append", default=[], metavar="NAME=VALUE", help="For rows that have none; may be repeated."
        )
        parser.add_argument("--rate", type=float, default=None, metavar="N", help="Calls per second.")
        parser.add_argument("--also", default=None, metavar="NAME,…", help="Columns that are sent although no text names them.")
        parser.add_argument("--limit", type=int, default=None, metavar="N", help="Only the first N recipients.")
        parser.add_argument("--max-rejects", default="1%", metavar="N", help="How many of the first 2,000 rows may be no recipients.")
        parser.add_argument("--allow-missing", action="store_true", help="Start although a text names a value that no recipient has.")
        parser.add_argument("--resume", default=None, metavar="ID", help="Go on with a job whose feeding was interrupted.")
        parser.add_argument(
            "--rejects", default=None, metavar="FILE", help="Write each row that is no recipient there, one JSON object per line."
        )
        parser.add_argument("--json", action="store_true", help="With --dry-run: print one JSON object.")
        parser.add_argument("--dry-run", action="store_true", help="Check the template and all recipients, and send nothing.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Check, and start the job."""
        try:
            template = json.loads(sys.stdin.read() if options["template"] == "-" else Path(options["template"]).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"--template: {options['template']} cannot be read: {error}") from None
        also = None if options["also"] is None else options["also"].split(",")
        with _created(options["rejects"]) as rejects:
            seen = _Seen(rejects, self.stderr.write if options["verbosity"] else lambda _: None)
            rows = _Rows(_queryset(options), _columns(options["columns"]), seen.read)
            checks = {
                "also": also,
                "refused": seen.refuse,
                "rows": RowRules(defaults=_pairs(options["default"], "--default")),
                **{name: options[name] for name in ("limit", "max_rejects", "allow_missing")},
            }
            try:
                (self._preview if options["dry_run"] else self._start)(template, rows, checks, options)
            except IntentInvalid as error:
                raise CommandError("\n".join(map(str, error.problems))) from None
            except (WooshqError, ValueError) as error:
                raise CommandError(str(error)) from None

    def _start(self, template: Any, rows: _Rows, checks: dict[str, Any], options: dict[str, Any]) -> None:
        rules = {"rate": options["rate"], "source": options["source"]} if options["resume"] is None else {"resume": options["resume"]}
        job = wooshq.fan_out(template, rows, noted=self.stderr.write, **checks, **rules)
        self.stdout.write(job.id)
        refused = f" {job.refused:,} rows were no recipients, and are left out." if job.refused else ""
        self.stderr.write(f"The job has begun.{refused} Follow it with: manage.py wooshq bulk show {job.id} --watch")

    def _preview(self, template: Any, rows: _Rows, checks: dict[str, Any], options: dict[str, Any]) -> None:
        preview = wooshq.bulk.preview(template, rows, **checks)
        self.stdout.write(preview.to_json() if options["json"] else _readable(preview))
        for problem in preview.problems:
            self.stderr.write(str(problem))
        if preview.problems:
            raise CommandError("The job would not start.")


def _readable(preview: Preview) -> str:
    lines = [f"recipients  {preview.recipients:,}, in {preview.calls:,} calls or more"]
    if preview.duplicates:
        lines.append(f"duplicates  {preview.duplicates:,}, each sent to once")
    if preview.refused:
        lines.append(f"left out    {preview.refused:,} rows that are no recipients")
    lines += [f"note        {note}" for note in preview.notes]
    for example in preview.examples:
        lines += ["", f"{example.identifier} receives:", *(f"  {name}: {text}" for name, text in example.texts.items())]
    return "\n".join(lines)


@contextlib.contextmanager
def _created(name: str | None) -> Iterator[TextIO | None]:
    """A new file; None without a name. Raises CommandError."""
    if name is None:
        yield None
        return
    try:
        file = Path(name).open("x", encoding="utf-8")  # noqa: SIM115 - an error of the body is not one of opening
    except OSError as error:
        raise CommandError(f"--rejects: {name} cannot be written: {error.strerror}") from None
    with file:
        yield file


class _Seen:
    """What a person sees of the rows while they are read: how many there were, and which are no recipients."""

    def __init__(self, rejects: TextIO | None, say: Callable[[str], object]) -> None:
        """rejects: a file for rows that are no recipients."""
        self._file = rejects
        self._say = say
        self._refused = 0
        self._rows = 0
        self._said_at = time.monotonic()

    def read(self) -> None:
        """A row was read. A long job says now and then how far it is."""
        self._rows += 1
        if self._rows % _CHUNK == 0 and time.monotonic() - self._said_at > _SAY_EVERY_S:
            self._said_at = time.monotonic()
            self._say(f"{self._rows:,} rows read")

    def refuse(self, row: Refused) -> None:
        """A row is no recipient: the first ones are said, all of them are in the file."""
        self._refused += 1
        if self._refused <= _MOST_SHOWN:
            for problem in row.problems:
                self._say(f"row {row.place + 1}: {problem}")
        if self._file is not None:
            errors = [problem.as_dict() for problem in row.problems]
            self._file.write(json.dumps({"row": row.place + 1, "errors": errors}) + "\n")


class _Rows:
    """The recipients of a queryset, read with a cursor of the database; may be read again."""

    def __init__(self, queryset: QuerySet[Any], columns: dict[str, str], seen: Callable[[], object]) -> None:
        """seen: called for each row."""
        self._queryset = queryset
        self._seen = seen
        self._columns = columns

    def __iter__(self) -> Iterator[dict[str, str]]:
        fields = list(self._columns.values())
        for values in self._queryset.values_list(*fields).iterator(chunk_size=_CHUNK):
            self._seen()
            yield {name: "" if value is None else str(value) for name, value in zip(self._columns, values, strict=True)}


def _columns(text: str) -> dict[str, str]:
    out = {}
    for part in text.split(","):
        name, _, field = part.strip().partition("=")
        if not name:
            raise CommandError("--columns: a name is missing. Write NAME=FIELD, separated by commas: user=pk,name=first_name")
        out[name] = field or name
    return out


def _queryset(options: dict[str, Any]) -> QuerySet[Any]:
    source = options["source"]
    try:
        found: Any = apps.get_model(source)._default_manager.all() if source.count(".") == 1 else import_string(source)()
    except (LookupError, ValueError):
        found = _called(source)
    except ImportError as error:
        raise CommandError(f"SOURCE: {error}") from None
    if not isinstance(found, QuerySet):
        raise CommandError(f"SOURCE: {source} gives no queryset. Name a model (app_label.Model), or a function that returns a queryset")
    if options["database"]:
        found = found.using(options["database"])
    conditions = _pairs(options["filter"], "--filter")
    if found.query.is_sliced:
        if conditions:
            raise CommandError("--filter: SOURCE gives a queryset with a limit. Filter in the function, or leave the limit out")
        return found
    try:
        found = found.filter(**conditions)
        found.query.get_compiler(found.db).as_sql()
        found.values_list(*_columns(options["columns"]).values())
    except (FieldError, ValueError, ValidationError) as error:
        raise CommandError(f"--filter or --columns: {error}") from None
    return found.order_by("pk")


def _pairs(given: list[str], option: str) -> dict[str, str]:
    if wrong := [part for part in given if "=" not in part]:
        raise CommandError(f"{option}: {wrong[0]} has no value. Write NAME=VALUE, such as is_active=True")
    return dict(part.split("=", 1) for part in given)


def _called(source: str) -> Any:
    try:
        return import_string(source)()
    except ImportError as error:
        raise CommandError(f"SOURCE: {source} is neither a model nor a function ({error})") from None
