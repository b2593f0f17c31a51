"""A sample of a file: its head, and short pieces of the rest."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.recipients.reading import Row, a_file
from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.file import BadRow, Limits, RecipientsFile
from wooshq.recipients.sample import Sample
from wooshq_schemas import Recipient

#: Such a file is read in pieces of a few lines.
SMALL = Limits(longest_line=200)


def sampled(path: Path, sample: Sample, limits: Limits = SMALL) -> list[Row]:
    with RecipientsFile(path, limits=limits) as file:
        return list(file.sampled(sample))


class WhenAFileIsSmall:
    def test_all_of_it_is_taken_and_its_rows_can_be_read_afterwards(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b"user\nu1\na,b\nu2\n")
        sample = Sample()
        with RecipientsFile(path) as file:
            rows = list(file.sampled(sample))
            assert rows[0] == Recipient("u1")
            assert isinstance(rows[1], BadRow)
            assert (rows[1].line, sample.is_whole) == (3, True)
            assert list(file.rows()) == rows


class WhenAFileIsLarge:
    @pytest.mark.parametrize("form", ["csv", "csv.gz", "utf-16", "ndjson"])
    def test_its_head_and_pieces_of_the_rest_are_taken(self, tmp_path: Path, form: str) -> None:
        line = '{{"user": "u{}"}}\n' if form == "ndjson" else "u{}\n"
        text = ("" if form == "ndjson" else "user\n") + "".join(line.format(n) for n in range(20_000))
        raw = text.encode("utf-16") if form == "utf-16" else text.encode()
        sample = Sample(head=1_000, piece=5)
        rows = sampled(a_file(tmp_path, gzip.compress(raw) if form == "csv.gz" else raw), sample)
        numbers = [int(row.identifier[1:]) for row in rows if isinstance(row, Recipient)]
        assert numbers[:900] == list(range(900))
        assert len(numbers) == len(rows) < 4_000
        assert numbers == sorted(set(numbers))
        assert max(numbers) > 15_000
        assert not sample.is_whole

    def test_what_is_wrong_far_behind_its_head_is_seen(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b"user\n" + b"u\n" * 2_000 + b"u,x\n" * 20_000)
        rows = sampled(path, Sample(head=1_000, piece=5))
        bad = [row for row in rows if isinstance(row, BadRow)]
        assert len(bad) > 100
        assert {row.line for row in bad} == {0}, "nobody knows the line behind a gap"

    def test_a_file_that_is_cut_off_is_noticed(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, gzip.compress(b"user\n" + b"".join(b"u%d\n" % n for n in range(50_000)))[:-2_000])
        with pytest.raises(RecipientsUnreadable) as refused:
            sampled(path, Sample(head=10))
        assert str(refused.value).startswith(str(path))

    @given(
        st.lists(st.lists(st.sampled_from(["a", '""', "\n", ",", "x" * 30]), max_size=12), min_size=30, max_size=80),
        st.integers(1, 5),
        st.integers(1, 4),
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    def test_cells_of_several_lines_are_never_cut(self, tmp_path: Path, cells: list[list[str]], head: int, piece: int) -> None:
        text = "user,note\n" + "".join(f'u{n},"{"".join(cell)}"\n' for n, cell in enumerate(cells))
        rows = sampled(a_file(tmp_path, text.encode()), Sample(head=head, piece=piece), Limits(longest_line=500))
        assert all(isinstance(row, Recipient) for row in rows), rows


def test_a_stream_cannot_be_sampled() -> None:
    with RecipientsFile(None, stdin=io.BytesIO(b"user\nu1\n")) as file, pytest.raises(ValueError, match="stream"):
        list(file.sampled(Sample()))
