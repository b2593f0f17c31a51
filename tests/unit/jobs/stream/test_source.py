"""A resume takes the file that its job was started with: its content counts, not its name and its time."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wooshq.errors import RecipientsChanged
from wooshq.jobs.stream.source import check_same_source, source_of
from wooshq.recipients.file import RecipientsFile

PEOPLE = "user\nu1\nu2\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "people.csv"
    made.write_text(PEOPLE)
    return made


def kept(path: Path) -> str:
    with RecipientsFile(path) as file:
        return source_of(path, file)


def check(source: str, path: Path) -> None:
    with RecipientsFile(path) as file:
        check_same_source(source, path, file)


def later(path: Path) -> Path:
    os.utime(path, ns=(0, 1))
    return path


def changed(path: Path, text: str = "user\nx1\nu2\n") -> Path:
    """Other bytes; the time of change stays."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path


def with_other_line_ends(path: Path) -> Path:
    return changed(path, PEOPLE.replace("\n", "\r\n"))


def copied(path: Path) -> Path:
    return Path(shutil.copyfile(path, path.with_name("copy.csv")))


def copied_with_its_time(path: Path) -> Path:
    return Path(shutil.copy2(path, path.with_name("copy.csv")))


class WhenAJobIsResumedWithAFile:
    @pytest.mark.parametrize(
        "same", [lambda path: path, later, copied, copied_with_its_time, lambda path: path.rename(path.with_name("x"))]
    )
    def test_the_same_bytes_are_accepted(self, path: Path, same: Callable[[Path], Path]) -> None:
        source = kept(path)
        check(source, same(path))

    @pytest.mark.parametrize(
        "other",
        [
            lambda path: later(changed(path)),
            lambda path: copied_with_its_time(changed(path)),
            with_other_line_ends,
            lambda path: changed(path, "user\nu1\n"),
        ],
    )
    def test_other_bytes_are_refused_without_advice_that_sends_twice(self, path: Path, other: Callable[[Path], Path]) -> None:
        source = kept(path)
        with pytest.raises(RecipientsChanged, match="Do not start another job"):
            check(source, other(path))

    def test_the_content_is_not_read_if_name_size_and_time_are_the_same(self, path: Path) -> None:
        source = kept(path)
        check(source, changed(path))  # nobody changes a file like this; if so, the ledger compares the recipients

    def test_for_a_job_of_an_earlier_version_the_ledger_alone_compares(self, path: Path) -> None:
        source = json.dumps({name: value for name, value in json.loads(kept(path)).items() if name != "digest"})
        check(source, later(changed(path)))
        with pytest.raises(RecipientsChanged):
            check(source, with_other_line_ends(path))

    def test_a_stream_is_not_compared(self, path: Path) -> None:
        with RecipientsFile(None, stdin=io.BytesIO(b"user\n")) as stream:
            assert source_of("-", stream) == '{"name": "-"}'
            check_same_source(kept(path), "-", stream)
        check('{"name": "-"}', path)
        check("", path)
