"""The file of the rows that a fan-out rejects."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TextIO

import typer

from wooshq.jobs.feed import Refused
from wooshq_worker.cli.terminal.files import file_exists, opened
from wooshq_worker.cli.terminal.out import say, several

_OPTION: Final = "--rejects"
#: Rejected rows to show on the terminal; the file has all of them.
_MOST_SHOWN: Final = 5


def check(path: Path | None, *, force: bool, inputs: Iterable[Path | None]) -> None:
    """
    Refuse a file that cannot be written, now and not at the first bad row, when people have been sent to. path: None for the default.

    inputs: files that are read, and so must not be written. Raises typer.BadParameter.
    """
    if path is None:
        return
    if str(path) == "-":
        raise typer.BadParameter("standard output is for the job: name a file", param_hint=_OPTION)
    for other in inputs:
        if other is not None and path.exists() and other.exists() and path.samefile(other):
            raise typer.BadParameter(f"{path} is an input of this command: name another file", param_hint=_OPTION)
    if path.is_file() and not force:
        raise file_exists(path, _OPTION)
    place = path if path.exists() else path.parent
    if path.is_dir() or not place.exists() or not os.access(place, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written", param_hint=_OPTION)


class Rejects:
    """The file is created at the first rejected row."""

    def __init__(self, path: Path | None, *, force: bool) -> None:
        self._path = path
        self._force = force
        self._out: TextIO | None = None
        self.count = 0

    def add(self, row: Refused, job_id: str | None) -> None:
        """Write a row to the file, and show the first ones. job_id: names the file, unless a path was given."""
        self.count += 1
        if self._out is None:
            self._path = self._path or Path(f"{job_id}.rejects.ndjson")
            self._out = opened(self._path, force=self._force, option=_OPTION).__enter__()
        errors = [problem.as_dict() for problem in row.problems]
        self._out.write(json.dumps({"line": row.place, "errors": errors, "row": row.text}, ensure_ascii=False) + "\n")
        if self.count <= _MOST_SHOWN:
            for problem in row.problems:
                say(f"line {row.place}: {problem}")

    def summarize(self) -> None:
        """Say how many rows were rejected, and where they are."""
        if self.count:
            first = f" (the first {_MOST_SHOWN} are shown above)" if self.count > _MOST_SHOWN else ""
            say(f"{several(self.count, 'row')} {'was' if self.count == 1 else 'were'} rejected{first}. See {self._path}.")

    def close(self) -> None:
        """Close the file, if it was created."""
        if self._out is not None:
            self._out.close()
