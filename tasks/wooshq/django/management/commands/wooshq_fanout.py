"""`manage.py wooshq_fanout`: send one message to everybody in a queryset, row by row, in constant memory."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldError, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils.module_loading import import_string

import wooshq
from wooshq.errors import IntentInvalid, WooshqError

_CHUNK = 2000


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
        parser.add_argument("--rate", type=float, default=None, metavar="N", help="Calls per second.")
        parser.add_argument("--also", default=None, metavar="NAME,…", help="Columns that are sent although no text names them.")
        parser.add_argument("--limit", type=int, default=None, metavar="N", help="Only the first N recipients.")
        parser.add_argument("--max-rejects", default="1%", metavar="N", help="How many of the first 2,000 rows may be no recipients.")
        parser.add_argument("--allow-missing", action="store_true", help="Start although a text names a value that no recipient has.")
        parser.add_argument("--resume", default=None, metavar="ID", help="Go on with a job whose feeding was interrupted.")
        parser.add_argument("--dry-run", action="store_true", help="Check the template and all recipients, and send nothing.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Check, and start the job."""
        columns = _columns(options["columns"])
        rows = _Rows(_queryset(options), columns)
        text = sys.stdin.read() if options["template"] == "-" else Path(options["template"]).read_text(encoding="utf-8")
        also = None if options["also"] is None else options["also"].split(",")
        checks = {"also": also, **{name: options[name] for name in ("limit", "max_rejects", "allow_missing")}}
        try:
            if options["dry_run"]:
                self._preview(json.loads(text), rows, checks)
                return
            rules = {"rate": options["rate"], "source": options["source"]} if options["resume"] is None else {"resume": options["resume"]}
            job = wooshq.fan_out(json.loads(text), rows, noted=self.stderr.write, **checks, **rules)
        except IntentInvalid as error:
            raise CommandError("\n".join(map(str, error.problems))) from None
        except (WooshqError, ValueError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(job.id)
        self.stderr.write(f"The job has begun. Follow it with: wooshq bulk show {job.id}")

    def _preview(self, template: Any, rows: _Rows, checks: dict[str, Any]) -> None:
        preview = wooshq.bulk.preview(template, rows, **checks)
        self.stdout.write(preview.to_json())
        for problem in preview.problems:
            self.stderr.write(str(problem))
        if preview.problems:
            raise CommandError("The job would not start.")


class _Rows:
    """The recipients of a queryset, read with a cursor of the database; may be read again."""

    def __init__(self, queryset: QuerySet[Any], columns: dict[str, str]) -> None:
        self._queryset = queryset
        self._columns = columns

    def __iter__(self) -> Iterator[dict[str, str]]:
        fields = list(self._columns.values())
        for values in self._queryset.values_list(*fields).iterator(chunk_size=_CHUNK):
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
    conditions = _conditions(options["filter"])
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


def _conditions(given: list[str]) -> dict[str, str]:
    if wrong := [part for part in given if "=" not in part]:
        raise CommandError(f"--filter: {wrong[0]} has no value. Write FIELD=VALUE, such as is_active=True")
    return dict(part.split("=", 1) for part in given)


def _called(source: str) -> Any:
    try:
        return import_string(source)()
    except ImportError as error:
        raise CommandError(f"SOURCE: {source} is neither a model nor a function ({error})") from None
