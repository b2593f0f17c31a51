"""The file of the rows that a fan-out rejects. It is a side output: what goes wrong with it is said, and the job goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TextIO

import typer

from wooshq.jobs.check import Refused
from wooshq_worker.cli.terminal.files import create, file_exists, try_to_write, try_to_write_in
from wooshq_worker.cli.terminal.out import say, several

_OPTION: Final = "--rejects"
#: Rejected rows to show on the terminal; the file has all of them.
_MOST_SHOWN: Final = 5


def check(path: Path | None, *, force: bool, inputs: Iterable[Path | None]) -> None:
    """
    Refuse a file that cannot be written, now and not at the first bad row, when people have been sent to. path: None for the default.

    inputs: files that are read, and so must not be written. Raises typer.BadParameter.
    """
    try:
        if path is None:
            try_to_write_in(Path())
            return
        _check_named(path, force=force, inputs=inputs)
        try_to_write(path)
    except OSError as error:
        where = path or "The current folder"
        hint = "" if path else ". A file for rejected rows would be created there: name another file"
        raise typer.BadParameter(f"{where} cannot be written ({error.strerror}){hint}", param_hint=_OPTION) from None


def _check_named(path: Path, *, force: bool, inputs: Iterable[Path | None]) -> None:
    if str(path) == "-":
        raise typer.BadParameter("standard output is for the job: name a file", param_hint=_OPTION)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder: name a file in it", param_hint=_OPTION)
    for other in inputs:
        if other is not None and path.exists() and other.exists() and path.samefile(other):
            raise typer.BadParameter(f"{path} is an input of this command: name another file", param_hint=_OPTION)
    if path.is_file() and not force:
        raise file_exists(path, _OPTION)


class Rejects:
    """The file is created at the first rejected row. If it cannot be written, this is said once, and rows are only counted."""

    def __init__(self, path: Path | None, *, force: bool, only_shown: bool = False) -> None:
        """only_shown: without a path, rows are not written."""
        self._path = path
        self._only_shown = only_shown and path is None
        self._force = force
        self._out: TextIO | None = None
        self._is_lost = False
        self.count = 0

    def add(self, row: Refused, job_id: str | None) -> None:
        """Write a row to the file, and show the first ones. job_id: names the file, unless a path was given."""
        self.count += 1
        if not self._is_lost and not self._only_shown:
            self._path = self._path or Path(f"{job_id}.rejects.ndjson")
            errors = [problem.as_dict() for problem in row.problems]
            self._write(self._path, json.dumps({"line": row.place, "errors": errors, "row": row.text}, ensure_ascii=False) + "\n")
        if self.count <= _MOST_SHOWN:
            for problem in row.problems:
                say(f"line {row.place}: {problem}")

    def _write(self, path: Path, line: str) -> None:
        try:
            if self._out is None:
                self._out = create(path, force=self._force)
            self._out.write(line)
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._is_lost = True
        self.close()
        say(f"Rejected rows cannot be written to {self._path} ({error.strerror}). The job continues, and counts them.")

    def summarize(self) -> None:
        """Say how many rows were rejected, and where they are. Closes the file."""
        self.close()
        if self.count:
            first = f" (the first {_MOST_SHOWN} are shown above)" if self.count > _MOST_SHOWN else ""
            where = "" if self._is_lost or self._only_shown else f" See {self._path}."
            say(f"{several(self.count, 'row')} {'was' if self.count == 1 else 'were'} rejected{first}.{where}")

    def close(self) -> None:
        """Close the file, if it was created. Can be called again."""
        out, self._out = self._out, None
        try:
            if out is not None:
                out.close()
        except OSError as error:
            if not self._is_lost:
                self._lose(error)
