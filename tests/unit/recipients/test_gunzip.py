"""gzip: several members, damaged ones, and bombs."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.recipients.reading import BOM, MIB, Stream, a_file, a_stream, in_short, refusal_of, rows_in, rows_of, until_it_breaks
from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.file import Limits
from wooshq_schemas import Recipient


class WhenAFileIsCompressed:
    def test_it_is_recognised_by_its_content_and_not_by_its_name(self, tmp_path: Path) -> None:
        assert rows_in(a_file(tmp_path, gzip.compress(b"user\nu1\n"), "people.csv")) == [Recipient("u1")]
        assert rows_in(a_file(tmp_path, b'{"user":"u1"}\n', "people.csv.gz")) == [Recipient("u1")]
        assert rows_of(gzip.compress(BOM + b'{"user":"u1"}\n')) == [Recipient("u1")]
        assert rows_of(gzip.compress(b"")) == []

    @pytest.mark.parametrize("pieces_of", [1, 5, MIB])
    def test_several_gzips_in_a_row_are_one_text(self, pieces_of: int) -> None:
        packed = gzip.compress(b"user\nu1\nu") + gzip.compress(b"") + gzip.compress(b"2\nu3\n") + b"\0" * 700 + gzip.compress(b"u4\n")
        assert in_short(rows_of(packed + b"\0" * 512, pieces_of=pieces_of)) == ["u1", "u2", "u3", "u4"]

    def test_a_gzip_cut_off_anywhere_gives_its_complete_rows_and_then_an_error(self) -> None:
        names = random.Random(1)
        users = [f"u{names.getrandbits(64)}" for _ in range(2_000)]
        packed = gzip.compress("\n".join(["user", *users]).encode())
        for length in (*range(2, 40), len(packed) // 2, *range(len(packed) - 12, len(packed))):
            rows, error = until_it_breaks(packed[:length])
            assert error is not None
            assert "the gzip is cut off here" in str(error)
            assert in_short(rows) == users[: len(rows)], "the last line was cut: it is another identifier"
        assert len(rows) == len(users) - 1
        assert error is not None and error.line == len(users) + 1

    @pytest.mark.parametrize("garbage", [b"x", b"\x1f", b"\x1f\x8c", b"u2\nu3\n", b"\0\0\0x"])
    def test_data_after_it_that_is_not_gzip_is_an_error_because_it_may_be_recipients(self, garbage: bytes) -> None:
        rows, error = until_it_breaks(gzip.compress(b"user\nu1\n") + garbage)
        assert in_short(rows) == ["u1"]
        assert "standard input: line 3: data that is not gzip follows the gzip here" in str(error)

    def test_a_damaged_gzip_is_an_error(self) -> None:
        packed = bytearray(gzip.compress(b"user\nu1\n"))
        packed[-6] ^= 1  # the checksum
        assert "damaged" in str(until_it_breaks(bytes(packed))[1])
        assert "damaged" in refusal_of(b"\x1f\x8b rest")

    def test_a_gzip_inside_a_gzip_is_refused(self) -> None:
        assert "is a gzip inside a gzip. Decompress it once" in refusal_of(gzip.compress(gzip.compress(b"user\nu1\n")))


def a_bomb(line: bytes, times: int) -> Iterator[bytes]:
    """A gzip of the same line many times."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as packer:
        packer.write(b"user\n")
        block = line * (MIB // len(line))
        for _ in range(times // (MIB // len(line))):
            packer.write(block)
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


class WhenAGzipIsABomb:
    def test_it_is_refused_at_a_ratio_that_no_list_of_recipients_has(self) -> None:
        # 1 GiB of one line: the compressed bytes are made while they are read, so the test does not wait for all of them.
        stream = Stream(a_bomb(b"\x20" * MIB, 1024))
        with a_stream(stream) as file, pytest.raises(RecipientsUnreadable) as refused:
            list(file.rows())
        assert "the gzip expands to more than 1,000 times its size" in str(refused.value)

    def test_it_is_refused_at_an_absolute_size_also_inside_one_line(self) -> None:
        rows, error = until_it_breaks(gzip.compress(b"user\nu1\n" + b"x" * 10 * MIB), Limits(unpacked=5 * MIB))
        assert in_short(rows) == ["u1", "3: is longer than 1,048,576 bytes."]
        assert "the gzip expands to more than 5,242,880 bytes" in str(error)

    def test_a_small_gzip_may_have_any_ratio(self) -> None:
        assert len(rows_of(gzip.compress(b"user\n" + b"u1\n" * 1_000_000))) == 1_000_000
