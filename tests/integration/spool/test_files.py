"""A file of the spool, damaged in any way: what is whole is read, and nothing is read as something that was not written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq.ledger.entry import Entry
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.record import Record, Unreadable, record_of

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
entries = st.builds(Entry, texts, texts, texts, texts, texts, st.none() | texts, st.none() | st.integers(0), st.none() | st.integers(0))
records = st.builds(Record, entries, st.integers(0), st.booleans(), st.integers(1, 9))


def read(lines: Iterator[bytes]) -> Iterator[Record | None]:
    for line in lines:
        try:
            yield record_of(line)
        except Unreadable:
            yield None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SpoolFolder:
    return SpoolFolder(tmp_path_factory.mktemp("spool"), 10**9, 5.0)


def empty(folder: SpoolFolder) -> Path:
    for file in folder.path.glob("*.ndjson"):
        file.unlink()
    return folder.path / "incoming.ndjson"


@given(st.lists(records, min_size=1))
def test_what_was_written_is_read(folder: SpoolFolder, written: list[Record]) -> None:
    empty(folder)
    for record in written:
        folder.append([record.to_line()])
    folder.seal()
    assert list(read(folder.waiting())) == written


@given(st.lists(records, min_size=1), st.lists(records), st.data())
def test_a_write_that_a_crash_cut_anywhere_loses_nothing_before_and_nothing_after(
    folder: SpoolFolder, before: list[Record], after: list[Record], data: st.DataObject
) -> None:
    file = empty(folder)
    folder.append([record.to_line() for record in before])
    torn = data.draw(records).to_line()
    with file.open("ab") as writing:
        writing.write(torn[: data.draw(st.integers(0, len(torn)))])
    for record in after:
        folder.append([record.to_line()])
    found = [record for record in read(folder.waiting()) if record is not None]
    assert [record for record in found if record in before or record in after][: len(before)] == before
    assert set(before + after) <= set(found) <= {*before, *after, record_of(torn[:-1])}


@given(st.lists(records, min_size=2), st.data())
def test_bytes_that_changed_spoil_only_their_own_lines(folder: SpoolFolder, written: list[Record], data: st.DataObject) -> None:
    file = empty(folder)
    folder.append([record.to_line() for record in written])
    raw = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    file.write_bytes(raw)
    found = [record for record in read(folder.waiting()) if record is not None]
    assert set(found) <= set(written)
    assert len(found) >= len(written) - 2, "a line's end that changed makes one line of two"
