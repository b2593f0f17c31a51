"""Whom a file names: every kind of file that somebody may hand us, good and bad, and what becomes of each of its rows."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import os
import pickle
import random
import socket
import tarfile
import threading
import traceback
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.strategies import json_values
from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.file import BadRow, Fingerprint, Limits, RecipientsFile
from wooshq_schemas import Recipient

MIB = 1 << 20
BOM = b"\xef\xbb\xbf"

NORMAL = Limits()

Row = Recipient | BadRow


def a_file(folder: Path, content: bytes, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def rows_in(path: Path, limits: Limits = NORMAL) -> list[Row]:
    with RecipientsFile(path, limits=limits) as file:
        return list(file.rows())


class Stream(io.RawIOBase):
    """Standard input that gives its pieces one by one, as a pipe does."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        data, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def a_stream(stdin: io.RawIOBase, limits: Limits = NORMAL) -> RecipientsFile:
    return RecipientsFile(None, stdin=cast(BinaryIO, stdin), limits=limits)


def until_it_breaks(content: bytes, limits: Limits = NORMAL, *, pieces_of: int = MIB) -> tuple[list[Row], RecipientsUnreadable | None]:
    """The rows of a content, and the error that ended them."""
    rows: list[Row] = []
    pieces = (content[at : at + pieces_of] for at in range(0, len(content), pieces_of))
    with a_stream(Stream(pieces), limits) as file:
        try:
            rows.extend(file.rows())
        except RecipientsUnreadable as error:
            return rows, error
    return rows, None


def rows_of(content: bytes, limits: Limits = NORMAL, *, pieces_of: int = MIB) -> list[Row]:
    rows, error = until_it_breaks(content, limits, pieces_of=pieces_of)
    assert error is None
    return rows


def refusal_of(content: bytes, limits: Limits = NORMAL) -> str:
    """Why a content is refused before its first row."""
    rows, error = until_it_breaks(content, limits)
    assert rows == []
    assert error is not None
    return str(error)


def told(rows: list[Row]) -> list[str]:
    """Each row in short: the recipient's identifier, or the bad row's line and problems."""
    return [f"{row.line}: " + " ".join(map(str, row.problems)) if isinstance(row, BadRow) else row.identifier for row in rows]


class WhenAFileIsCsv:
    def test_each_row_under_the_header_is_a_recipient(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b"city,user,locale\nBonn,u1,de\n,u2,\n")
        assert rows_in(path) == [
            Recipient("u1", "users", "de", (("city", "Bonn"),)),
            Recipient("u2", "users", None, (("city", ""),)),
        ]

    @pytest.mark.parametrize("content", [b"", BOM, b"\n", b" \r\n\r\n", b"user", b"user\n", BOM + b"user\r\n", b"\n\nuser,city\n\n"])
    def test_an_empty_one_and_a_header_alone_name_nobody_and_that_is_no_error(self, content: bytes) -> None:
        assert rows_of(content) == []

    @pytest.mark.parametrize(
        "content",
        [
            BOM + b"user\nu1\nu2\n",
            b"user\r\nu1\r\nu2\r\n",
            b"user\r\r\nu1\r\r\nu2",  # carriage returns doubled by a transfer as text
            b"user\ru1\ru2\r",
            b"user\ru1\ru2",
            b"\n \n\t\r\nuser\n\nu1\n   \n\nu2\n\n",
            b'"user"\n"u1"\n"u2"\n',
            BOM + b"\n\nuser\nu1\nu2\n",
        ],
        ids=["BOM", "CRLF", "CRCRLF", "old Mac", "old Mac without an end", "blank lines", "quoted", "BOM and blank lines"],
    )
    def test_marks_line_ends_and_blank_lines_change_nothing(self, content: bytes) -> None:
        assert rows_of(content) == [Recipient("u1"), Recipient("u2")]
        assert rows_of(content, pieces_of=1) == [Recipient("u1"), Recipient("u2")]

    def test_quoted_cells_hold_delimiters_quotes_and_line_ends(self) -> None:
        rows = rows_of(b'user,name\r\nu1,"Ann, ""the\r\nboss"""\r\nu2,"a\nb\rc"\r\nu3,5" tall\r\n')
        assert [row.placeholders[0][1] for row in rows if isinstance(row, Recipient)] == ['Ann, "the\r\nboss"', "a\nb\rc", '5" tall']

    def test_a_header_may_go_on_over_lines_as_any_row(self) -> None:
        assert rows_of(b'user,"first\nname"\nu1,Ann\nu2\n') == [
            Recipient("u1", placeholders=(("first\nname", "Ann"),)),
            BadRow(4, rows_of(b"user,x\nu2\n")[0].problems, "u2"),  # type: ignore[union-attr]
        ]

    @pytest.mark.parametrize("delimiter", [b";", b"\t"])
    def test_semicolons_and_tabs_delimit_where_the_header_has_no_comma(self, delimiter: bytes) -> None:
        content = b"user,city\nu1,Bonn\n".replace(b",", delimiter)
        assert rows_of(content) == rows_of(content.replace(b"user", b'"user"')) == [Recipient("u1", placeholders=(("city", "Bonn"),))]

    def test_a_comma_in_the_header_is_the_delimiter_whatever_the_rows_have(self) -> None:
        assert rows_of(b"user,city;x\nu1,a;b\n") == [Recipient("u1", placeholders=(("city;x", "a;b"),))]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"u1\nu2\n", "line 1: the header cannot be used: one of user, hwid, push_token, email is needed, and none was given"),
            (b"\n\nusr\nu1\n", "line 3: the header cannot be used: one of user"),
            (b"usr\nu1\n", "Did you mean user?"),
            (b"user,email\nu1,a@b.c\n", "these were: user, email"),
            (b"user,x,x\nu1,1,2\n", "x: is the name of two columns"),
            (b"user,\nu1,\n", "has a column without a name"),
            (b"user,stra\xdfe\nu1,x\n", "is not UTF-8. Save the file as UTF-8"),
            (b'user,"name\nu1,x\n', "has a quote that is not closed"),
            (b'user,"na"me\nu1,x\n', "has text after a closing quote"),
            (b"user," + b"x" * 2 * MIB + b"\nu1,x\n", "is longer than 1,048,576 bytes"),
            (b"user," + b",".join(b"c%d" % n for n in range(1_000)) + b"\n", "has more than 1,000 columns"),
            (b"user\0\nu1\n", "NUL"),
            (b"\n" * 70_000 + b"user\nu1\n", "nothing but blank lines in its first 64 KiB"),
        ],
    )
    def test_a_header_that_is_none_ends_it_in_words(self, content: bytes, says: str) -> None:
        assert says in refusal_of(content)

    def test_who_forgot_the_header_does_not_read_a_person_in_the_error(self) -> None:
        assert "zoe" not in refusal_of(b"zoe@example.com,zoe@example.com,zoe\n")


class WhenARowOfACsvIsBad:
    @pytest.mark.parametrize(
        ("row", "says", "text"),
        [
            (b"u2", "has 1 cell, and the header names 2 columns. Mend the row", "u2"),
            (b"u2,a,b", "has 3 cells", "u2,a,b"),
            (b",a", "user: must not be empty.", ",a"),
            (b" u2,a", "user: has spaces around it", " u2,a"),
            (b"u2\0,a", "user: has a NUL character", "u2\\x00,a"),
            (b"u2,a\0b", "name: has a NUL character", "u2,a\\x00b"),
            (b"u2,J\xfcrgen", "is not UTF-8. Save the file as UTF-8", "u2,J\\xfcrgen"),
            (b"\xff", "is not UTF-8", "\\xff"),
            (b"u2,\xed\xa0\x80", "is not UTF-8", "u2,\\xed\\xa0\\x80"),
            (b"user,name", "is the header again. Remove the line", "user,name"),
            (BOM + b"user,name", "is the header again", "\\ufeffuser,name"),
            (b'"user","name"', "is the header again", '"user","name"'),
            (b'u2,"a"b', 'has text after a closing quote. Within a quoted cell a quote is written twice: ""', 'u2,"a"b'),
            (b"u2,a\rb", "has a carriage return in mid-line", "u2,a\\rb"),
            (b"u2," + b"x" * 200_000, "has a cell that is too long", "u2," + "x" * 997),
            (b"u2," + b"x" * 2 * MIB, "is longer than 1,048,576 bytes", "u2," + "x" * 997),
            (b'u2,"' + b"x" * 2 * MIB, "is longer than 1,048,576 bytes", 'u2,"' + "x" * 996),
            (b"u2,\xe2\x80\xae\x1b[31m,", "has 3 cells", "u2,\\u202e\\x1b[31m,"),
            (b"u2," + "ä".encode() * MIB, "is longer than 1,048,576 bytes", "u2," + "ä" * 997),
        ],
    )
    def test_it_is_told_with_its_line_and_the_others_go_on(self, row: bytes, says: str, text: str) -> None:
        before, bad, after = rows_of(b"user,name\nu1,Ann\n" + row + b"\nu3,Bob\n")
        assert (before, after) == (Recipient("u1", placeholders=(("name", "Ann"),)), Recipient("u3", placeholders=(("name", "Bob"),)))
        assert isinstance(bad, BadRow)
        assert bad.line == 3
        assert says in " ".join(map(str, bad.problems))
        assert bad.text == text

    def test_everything_that_is_wrong_with_it_is_told(self) -> None:
        (bad,) = rows_of(b"user,locale\n u1,german\n")
        assert isinstance(bad, BadRow)
        assert [problem.field for problem in bad.problems] == ["user", "locale"]

    def test_one_that_goes_on_over_lines_is_told_with_its_first(self) -> None:
        assert rows_of(b'user,name\nu1,"a\nb",c\nu2,x\n') == [
            BadRow(2, rows_of(b"user,name\nu1,a,b\n")[0].problems, 'u1,"a\\nb",c'),  # type: ignore[union-attr]
            Recipient("u2", placeholders=(("name", "x"),)),
        ]

    def test_a_user_who_is_called_like_a_part_of_the_header_is_one(self) -> None:
        assert told(rows_of(b"user,name\nuser,Ann\n")) == ["user"]


class WhenAQuoteIsNotClosed:
    def test_at_the_end_of_the_file_it_costs_one_row(self) -> None:
        assert told(rows_of(b'user,name\nu1,a\nu2,"b')) == ["u1", "3: has a quote that is not closed. " + CLOSE]
        assert told(rows_of(b'user,name\nu1,"a\nu2,b\nu3,c\n')) == ["2: has a quote that is not closed. " + CLOSE, "u2", "u3"]

    def test_the_next_quote_shows_it_and_the_rows_between_are_read_again(self) -> None:
        content = b'user,name\nu1,"a\nu2,b\nu3,"c"\nu4,d\n'
        assert told(rows_of(content)) == ["2: has a quote that is not closed. " + CLOSE, "u2", "u3", "u4"]

    def test_it_does_not_swallow_a_large_file(self) -> None:
        many = b"".join(b"u%d,x\n" % n for n in range(200_000))
        rows = rows_of(b'user,name\nfirst,"a\n' + many + b"last,b\n")
        assert told([row for row in rows if isinstance(row, BadRow)]) == ["2: has a quote that is not closed. " + CLOSE]
        assert len(rows) == 200_002
        assert told(rows[-1:]) == ["last"]

    def test_a_row_longer_than_a_line_may_be_costs_its_first_line(self) -> None:
        # Below Python's own limit of a cell, so that ours is what ends it.
        limits = Limits(longest_line=100)
        many = b"".join(b"u%d,x\n" % n for n in range(50))
        rows = rows_of(b'user,name\nfirst,"a\n' + many, limits)
        assert told(rows[:1]) == ["2: is longer than 100 bytes. " + CLOSE]
        assert told(rows[1:]) == [f"u{n}" for n in range(50)]

    def test_a_whole_row_of_many_lines_that_is_longer_than_a_line_may_be_is_bad_however_it_was_read(self) -> None:
        content = b"user,name\nfirst," + b'"' + b"x,y\n" * 30 + b'"\nlast,b\n'
        for pieces_of in (1, 7, 50, MIB):
            rows = rows_of(content, Limits(longest_line=100), pieces_of=pieces_of)
            assert told(rows[:2]) == ["2: is longer than 100 bytes. " + CLOSE, "x"]
            assert told(rows[-1:]) == ["last"]

    def test_a_line_too_long_to_be_kept_ends_it_and_is_a_bad_row_itself(self) -> None:
        rows = rows_of(b'user,name\nu1,"a\nu2,b\nu3,' + b"x" * 200 + b"\nu4,d\n", Limits(longest_line=100))
        assert told(rows) == ["2: is longer than 100 bytes. " + CLOSE, "u2", "4: is longer than 100 bytes.", "u4"]

    def test_a_file_of_nothing_else_ends_in_bounded_time_and_in_words(self) -> None:
        # Each line opens one, and within a quoted cell each line closes it and opens the next.
        rows, error = until_it_breaks(b"user,name\n" + b'x","y\n' * 2_000, Limits(longest_line=1_000, read_again=100_000))
        assert 50 < len(rows) < 150
        assert error is not None
        assert "too many quotes that are not closed" in str(error)
        assert error.line == len(rows) + 2


CLOSE = "A quote that opens a cell must be closed at its end"


class WhenAFileIsNdjson:
    def test_each_line_is_a_recipient(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b'{"user": "u1", "locale": "de", "city": "Bonn"}\r\n\n  \n{"hwid": "h2"}', "people.csv")
        assert rows_in(path) == [Recipient("u1", "users", "de", (("city", "Bonn"),)), Recipient("h2", "hwids")]

    @pytest.mark.parametrize("before", [b"", BOM, b"\n\n  ", BOM + b"\r\n"])
    def test_its_first_character_that_is_not_blank_tells_it(self, before: bytes) -> None:
        assert rows_of(before + b'{"user":"u1"}\n') == rows_of(before + b'{"user":"u1"}\n', pieces_of=1) == [Recipient("u1")]

    def test_old_macs_wrote_lines_too(self) -> None:
        assert rows_of(b'{"user":"u1"}\r{"user":"u2"}\r') == [Recipient("u1"), Recipient("u2")]

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            (b'{"user":"u2', "is not JSON (unterminated string starting at: column 9)"),
            (b'{"user":"u2"} x', 'Right would be an object on each line: {"user": "u1"}'),
            (b"user", "is not JSON (expecting value: column 1)"),
            (b'{"user":"u2","user":"u3"}', "user: is given more than once"),
            (b'{"user":"u2","n":NaN}', "n: is NaN"),
            (b'{"user":"u2","n":1.5}', "n: must be a text"),
            (b'{"user":"u2","email":"a@b.c"}', "these were: user, email"),
            (b'{"usr":"u2"}', "Did you mean user?"),
            (b"[]", "is not a recipient"),
            (b"7", "is not a recipient"),
            (b'{"user":"\\ud800"}', "user: is not valid Unicode"),
            (b'{"user":"\\u0000"}', "user: has a NUL character"),
            (b'{"user":"J\xfcrgen"}', "is not UTF-8"),
            (b'{"user":"a\0"}', "is not JSON"),
            (b"[" * 100_000, "is nested too deeply"),
            (b'{"user":"u2","x":' + b"9" * 5_000 + b"}", "too many digits"),
            (b"{" + b",".join(b'"k%d":"x"' % n for n in range(1_001)) + b"}", "has more than 1,000 fields"),
            (b'{"user":"' + b"x" * 2 * MIB + b'"}', "is longer than 1,048,576 bytes"),
        ],
    )
    def test_a_bad_line_is_told_and_the_others_go_on(self, line: bytes, says: str) -> None:
        before, bad, after = rows_of(b'{"user":"u1"}\n' + line + b'\n{"user":"u3"}\n')
        assert (before, after) == (Recipient("u1"), Recipient("u3"))
        assert isinstance(bad, BadRow)
        assert bad.line == 2
        assert says in " ".join(map(str, bad.problems))
        assert len(bad.text) <= 1_000 + 3 * 1_000
        assert bad.text.isprintable()

    def test_half_a_line_at_the_end_is_bad_and_a_whole_one_without_its_end_is_not(self) -> None:
        assert rows_of(b'{"user":"u1"}\n{"user":"u2"}') == [Recipient("u1"), Recipient("u2")]
        rows = rows_of(b'{"user":"u1"}\n{"us')
        assert rows[0] == Recipient("u1")
        assert isinstance(rows[1], BadRow)

    def test_only_so_many_problems_of_a_line_are_kept(self) -> None:
        (bad,) = rows_of(b'{"user":"u1",' + b",".join(b'"k%d":null' % n for n in range(900)) + b"}")
        assert isinstance(bad, BadRow)
        assert len(bad.problems) == 100

    def test_one_json_array_is_refused_in_words(self) -> None:
        assert "is one JSON array" in refusal_of(b'[\n{"user":"u1"}]')
        assert "is one JSON array" in refusal_of(b'[{"user":"u1"}]')


class WhenAFileIsPacked:
    def test_its_content_tells_it_whatever_it_is_called(self, tmp_path: Path) -> None:
        assert rows_in(a_file(tmp_path, gzip.compress(b"user\nu1\n"), "people.csv")) == [Recipient("u1")]
        assert rows_in(a_file(tmp_path, b'{"user":"u1"}\n', "people.csv.gz")) == [Recipient("u1")]
        assert rows_of(gzip.compress(BOM + b'{"user":"u1"}\n')) == [Recipient("u1")]
        assert rows_of(gzip.compress(b"")) == []

    @pytest.mark.parametrize("pieces_of", [1, 5, MIB])
    def test_several_gzips_in_a_row_are_one_text(self, pieces_of: int) -> None:
        packed = gzip.compress(b"user\nu1\nu") + gzip.compress(b"") + gzip.compress(b"2\nu3\n") + b"\0" * 700 + gzip.compress(b"u4\n")
        assert told(rows_of(packed + b"\0" * 512, pieces_of=pieces_of)) == ["u1", "u2", "u3", "u4"]

    def test_one_that_was_cut_off_gives_its_whole_rows_and_then_an_error_wherever_it_was_cut(self) -> None:
        names = random.Random(1)
        people = [f"u{names.getrandbits(64)}" for _ in range(2_000)]
        packed = gzip.compress("\n".join(["user", *people]).encode())
        for length in (*range(2, 40), len(packed) // 2, *range(len(packed) - 12, len(packed))):
            rows, error = until_it_breaks(packed[:length])
            assert error is not None
            assert "the gzip is cut off here" in str(error)
            assert told(rows) == people[: len(rows)], "the last line was cut: it is somebody else"
        assert len(rows) == len(people) - 1
        assert error is not None and error.line == len(people) + 1

    @pytest.mark.parametrize("garbage", [b"x", b"\x1f", b"\x1f\x8c", b"u2\nu3\n", b"\0\0\0x"])
    def test_what_follows_it_unpacked_is_an_error_for_it_may_be_people(self, garbage: bytes) -> None:
        rows, error = until_it_breaks(gzip.compress(b"user\nu1\n") + garbage)
        assert told(rows) == ["u1"]
        assert "standard input: line 3: something that is not packed follows the gzip here" in str(error)

    def test_a_damaged_one_is_an_error(self) -> None:
        packed = bytearray(gzip.compress(b"user\nu1\n"))
        packed[-6] ^= 1  # the checksum
        assert "damaged" in str(until_it_breaks(bytes(packed))[1])
        assert "damaged" in refusal_of(b"\x1f\x8b rest")

    def test_a_gzip_in_a_gzip_is_refused_and_not_unpacked_twice(self) -> None:
        assert "is a gzip in a gzip. Unpack it once" in refusal_of(gzip.compress(gzip.compress(b"user\nu1\n")))

    def test_archives_are_refused_in_words(self, tmp_path: Path) -> None:
        member = a_file(tmp_path, b"user\nu1\n")
        with tarfile.open(tmp_path / "t.tar", "w") as tar:
            tar.add(member, "people.csv")
        with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
            archive.write(member, "people.csv")
        tarred, zipped = (tmp_path / "t.tar").read_bytes(), (tmp_path / "z.zip").read_bytes()
        assert "is a tar archive" in refusal_of(tarred)
        assert "is a tar archive" in refusal_of(gzip.compress(tarred))
        assert "is a zip archive, as Excel's workbooks are" in refusal_of(zipped)
        assert "is a zip archive" in refusal_of(gzip.compress(zipped))

    @pytest.mark.parametrize(
        ("begins", "says"),
        [(b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh91AY", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"%PDF-1.7\n", "PDF"), (b"PAR1", "Parquet")],
    )
    def test_other_kinds_are_refused_in_words(self, begins: bytes, says: str) -> None:
        assert says in refusal_of(begins + b"...")


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
    def test_it_stops_where_no_list_of_people_packs_so_well(self) -> None:
        # 1 GiB of one line, which nobody waits for: the packed bytes are made as they are asked for.
        stream = Stream(a_bomb(b"\x20" * MIB, 1024))
        with a_stream(stream) as file, pytest.raises(RecipientsUnreadable) as refused:
            list(file.rows())
        assert "more than 1,000 bytes come out of the gzip for each that is in it" in str(refused.value)

    def test_it_stops_at_an_absolute_size_also_in_the_middle_of_one_line(self) -> None:
        rows, error = until_it_breaks(gzip.compress(b"user\nu1\n" + b"x" * 10 * MIB), Limits(unpacked=5 * MIB))
        assert told(rows) == ["u1", "3: is longer than 1,048,576 bytes."]
        assert "more than 5,242,880 bytes come out of the gzip" in str(error)

    def test_what_is_small_may_pack_as_well_as_it_can(self) -> None:
        assert len(rows_of(gzip.compress(b"user\n" + b"u1\n" * 1_000_000))) == 1_000_000


class WhenAFileIsNotUtf8:
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
    @pytest.mark.parametrize("content", ["user\nu1\n", '{"user":"u1"}\n'])
    def test_other_unicode_is_refused_by_its_name(self, content: str, encoding: str) -> None:
        says = f"is {encoding[:6].upper()}. Save it as UTF-8"
        assert says in refusal_of(content.encode(encoding))
        assert says in refusal_of(gzip.compress(content.encode(encoding)))

    def test_a_file_of_nothing_but_nul_bytes_is_refused(self) -> None:
        assert "begins with NUL bytes" in refusal_of(b"\0" * 1_000)


class WhenAPathNamesNoList:
    @contextmanager
    def nobody(self) -> Iterator[None]:
        """A user without rights, for root may read everything."""
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    def refusal(self, path: Path) -> str:
        with pytest.raises(RecipientsUnreadable) as refused:
            RecipientsFile(path)
        return str(refused.value)

    def test_what_is_not_there_is_named(self, tmp_path: Path) -> None:
        assert self.refusal(tmp_path / "nobody.csv") == f"{tmp_path}/nobody.csv: there is no such file."
        (tmp_path / "link.csv").symlink_to("nobody.csv")
        assert "It is a link, and what it points to is not there" in self.refusal(tmp_path / "link.csv")
        (tmp_path / "loop.csv").symlink_to("loop.csv")
        assert "cannot be opened" in self.refusal(tmp_path / "loop.csv")
        assert "cannot be opened" in self.refusal(tmp_path / ("x" * 5_000))
        assert "cannot be opened" in self.refusal(a_file(tmp_path, b"", "file") / "x")
        assert "NUL" in self.refusal(Path("a\0b"))

    def test_what_may_not_be_read_is_named(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b"user\n")
        path.chmod(0)
        with self.nobody():
            assert "may not be read by this user" in self.refusal(path)

    def test_folders_devices_and_sockets_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "is a folder. Name a file in it" in self.refusal(tmp_path)
        for device in ("/dev/zero", "/dev/null", "/dev/urandom"):
            assert "is a device or a socket, not a file" in self.refusal(Path(device))
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("s")
            assert "is a device or a socket, not a file" in self.refusal(tmp_path / "s")

    @pytest.mark.skipif(not os.path.ismount("/proc"), reason="there is no /proc here")
    def test_what_the_kernel_shows_is_refused_also_through_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "link.csv").symlink_to("/proc/self/environ")
        (tmp_path / "folder").symlink_to("/proc/self")
        for path in (tmp_path / "link.csv", tmp_path / "folder" / "environ", Path("/proc/self/environ"), Path("/proc/../proc/version")):
            assert "what the kernel tells of itself" in self.refusal(path)
        if os.path.exists("/sys/kernel/mm"):
            assert "what the kernel tells of itself" in self.refusal(Path("/sys/kernel/uevent_seqnum"))

    def test_a_link_to_a_file_elsewhere_is_that_file(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        a_file(tmp_path / "other", b"user\nu1\n")
        (tmp_path / "link.csv").symlink_to("other/people.csv")
        assert rows_in(tmp_path / "link.csv") == [Recipient("u1")]

    def test_a_name_that_a_terminal_would_obey_is_told_without_that(self, tmp_path: Path) -> None:
        assert "�[31mred: there is no such file" in self.refusal(tmp_path / "\x1b[31mred")


def writing(path: Path | int, *pieces: bytes, wait_for: threading.Event | None = None) -> threading.Thread:
    """Somebody who writes into a pipe: all but the last piece, then, when told to, the last one."""

    def write() -> None:
        with open(path, "wb", buffering=0) as pipe:
            for piece in pieces[:-1]:
                pipe.write(piece)
            if wait_for is not None:
                assert wait_for.wait(60)
            pipe.write(pieces[-1])

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


class WhenRecipientsComeThroughAPipe:
    @pytest.mark.parametrize("content", [(b"user\nu1\n", b"u2\n"), (b'{"user":"u1"}\n', b'{"user":"u2"}\n')], ids=["CSV", "NDJSON"])
    def test_rows_are_given_while_the_writer_still_thinks(self, tmp_path: Path, content: tuple[bytes, bytes]) -> None:
        os.mkfifo(tmp_path / "pipe")
        goes_on = threading.Event()
        writer = writing(tmp_path / "pipe", *content, wait_for=goes_on)
        with RecipientsFile(tmp_path / "pipe") as file:
            rows = file.rows()
            assert next(rows) == Recipient("u1")
            goes_on.set()
            assert list(rows) == [Recipient("u2")]
            file.check_unchanged()
            assert file.fingerprint is None
        writer.join(60)

    @pytest.mark.parametrize("path", [None, Path("-")])
    def test_standard_input_may_be_one(self, path: Path | None) -> None:
        reads, writes = os.pipe()
        writer = writing(writes, gzip.compress(b"user\nu1\n"))
        with os.fdopen(reads, "rb") as stdin, RecipientsFile(path, stdin=stdin) as file:
            assert list(file.rows()) == [Recipient("u1")]
            assert file.fingerprint is None
            file.close()
            assert not stdin.closed
        writer.join(60)

    def test_a_substituted_process_is_one(self) -> None:
        reads, writes = os.pipe()
        writer = writing(writes, b"user\nu1\n")
        assert rows_in(Path(f"/dev/fd/{reads}")) == [Recipient("u1")]
        os.close(reads)
        writer.join(60)

    def test_standard_input_may_be_a_file_but_no_device(self, tmp_path: Path) -> None:
        with a_file(tmp_path, b"user\nu1\n").open("rb") as stdin, RecipientsFile(None, stdin=stdin) as file:
            assert list(file.rows()) == [Recipient("u1")]
            assert file.fingerprint is None
        with open("/dev/zero", "rb") as stdin, pytest.raises(RecipientsUnreadable, match="standard input: is a device"):
            RecipientsFile(None, stdin=stdin)

    def test_one_that_is_closed_or_does_not_wait_is_refused_in_words(self) -> None:
        reads, writes = os.pipe()
        os.set_blocking(reads, False)
        with os.fdopen(reads, "rb", buffering=0) as stdin, pytest.raises(RecipientsUnreadable, match="does not wait"):
            list(a_stream(stdin).rows())
        os.close(writes)
        with pytest.raises(RecipientsUnreadable, match="is closed"):
            a_stream(stdin)

    def test_a_reader_that_breaks_gives_what_came_and_then_an_error(self) -> None:
        def breaking() -> Iterator[bytes]:
            yield b"user\nu1\nu2"
            raise OSError(5, "Input/output error")

        rows: list[Row] = []
        with a_stream(Stream(breaking())) as file, pytest.raises(RecipientsUnreadable) as refused:
            rows.extend(file.rows())
        assert str(refused.value) == "standard input: line 3: cannot be read any further (Input/output error)."


def truncated(path: Path) -> None:
    os.truncate(path, 3)


def appended_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"u9\n")


def touched(path: Path) -> None:
    os.utime(path, ns=(0, 1))


def replaced(path: Path) -> None:
    """By one of the same size and moment."""
    there = path.stat()
    other = a_file(path.parent, path.read_bytes(), "other.csv")
    os.utime(other, ns=(there.st_atime_ns, there.st_mtime_ns))
    other.replace(path)


def deleted(path: Path) -> None:
    path.unlink()


class WhenAFileIsChangedWhileItIsRead:
    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (truncated, "it became shorter while it was read (300,005 bytes, now 3)"),
            (appended_to, "it became longer while it was read"),
            (touched, "it was written to while it was read"),
            (replaced, "another file was put in its place while it was read"),
            (deleted, "it was deleted or renamed while it was read"),
        ],
    )
    def test_the_check_at_the_end_tells_it(self, tmp_path: Path, change: Callable[[Path], None], says: str) -> None:
        path = a_file(tmp_path, b"user\n" + b"u1\n" * 100_000)
        with RecipientsFile(path) as file:
            rows = file.rows()
            next(rows)
            file.check_unchanged()
            change(path)
            given = 1 + sum(1 for _ in rows)
            with pytest.raises(RecipientsUnreadable) as refused:
                file.check_unchanged()
        assert str(refused.value).startswith(f"{path}: {says}")
        assert given < 100_000 if change is truncated else given >= 100_000, "an open file is read on, whatever its name stands for"

    def test_a_link_that_points_elsewhere_by_now_is_another_file(self, tmp_path: Path) -> None:
        a_file(tmp_path, b"user\nu1\n", "a.csv")
        a_file(tmp_path, b"user\nu1\n", "b.csv")
        link = tmp_path / "link.csv"
        link.symlink_to("a.csv")
        with RecipientsFile(link) as file:
            list(file.rows())
            link.unlink()
            link.symlink_to("b.csv")
            with pytest.raises(RecipientsUnreadable, match="another file"):
                file.check_unchanged()

    def test_a_resume_compares_its_fingerprint(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b"user\nu1\n")
        with RecipientsFile(path) as file:
            before = file.fingerprint
        assert before == Fingerprint(8, path.stat().st_mtime_ns)
        assert Fingerprint.from_text(before.as_text()) == before
        appended_to(path)
        with RecipientsFile(path) as file:
            assert file.fingerprint != before

    @pytest.mark.parametrize("text", ["", "1", "a:b", "1:2:3"])
    def test_a_text_that_is_no_fingerprint_is_a_bug(self, text: str) -> None:
        with pytest.raises(ValueError):
            Fingerprint.from_text(text)


class WhenSomeoneAsksHowFarItIs:
    def test_lines_are_counted_to_the_end_of_the_row_that_was_given(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b'\nuser,name\nu1,a\n\nu2,"b\nc"\nu3\nu4,d\n\n')
        with RecipientsFile(path) as file:
            assert file.lines_read == 0
            assert [file.lines_read for _ in file.rows()] == [3, 6, 7, 8]
            assert file.lines_read == 9

    def test_so_they_are_in_ndjson(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b'\n{"user":"u1"}\n\nx\n{"user":"u2"}')
        with RecipientsFile(path) as file:
            assert [file.lines_read for _ in file.rows()] == [2, 4, 5]

    def test_rows_are_given_once(self, tmp_path: Path) -> None:
        with RecipientsFile(a_file(tmp_path, b"user\nu1\n")) as file:
            assert len(list(file.rows())) == 1
            with pytest.raises(ValueError, match="once"):
                list(file.rows())

    def test_the_file_is_closed_afterwards(self, tmp_path: Path) -> None:
        with RecipientsFile(a_file(tmp_path, b"user\nu1\n")) as file:
            pass
        with pytest.raises(ValueError):
            list(file.rows())


class WhenAFileIsLarge:
    @pytest.mark.parametrize(("kind", "many"), [("csv", 300_000), ("quoted csv", 60_000), ("ndjson", 60_000), ("gzip", 60_000)])
    def test_memory_does_not_grow_with_it(self, kind: str, many: int) -> None:
        def lines(count: int) -> Iterator[bytes]:
            for at in range(0, count, 1_000):
                people = (f"u{n}" for n in range(at, at + 1_000))
                if kind == "ndjson":
                    yield "".join(f'{{"user":"{who}","note":"{"x" * 50}"}}\n' for who in people).encode()
                else:
                    quote = '"' if kind == "quoted csv" else ""
                    yield "".join(f"{quote}{who}{quote},{quote}{'x' * 50}{quote}\n" for who in people).encode()

        def peak(count: int) -> int:
            content = lines(count) if kind == "ndjson" else itertools.chain([b"user,note\n"], lines(count))
            content = map(gzip.compress, content) if kind == "gzip" else content
            tracemalloc.start()
            with a_stream(Stream(content)) as file:
                assert sum(isinstance(row, Recipient) for row in file.rows()) == count
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return most

        small, large = peak(20_000), peak(many)
        assert large < 8 * MIB
        assert large < 1.2 * small + 64_000

    @pytest.mark.parametrize(
        "begins", [b"user,name\nu1,a\nu2,", b'user,name\nu1,a\nu2,"', b'{"user":"u1"}\n{"user":"'], ids=["csv", "quote", "ndjson"]
    )
    def test_a_line_of_200_mb_is_one_bad_row_and_none_of_it_is_kept(self, begins: bytes) -> None:
        def content() -> Iterator[bytes]:
            yield begins
            for _ in range(200):
                yield b"x" * 1_000_000
            yield b'\n{"user":"u3"}\n' if begins.startswith(b"{") else b"\nu3,b\n"

        tracemalloc.start()
        with a_stream(Stream(content())) as file:
            rows = list(file.rows())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert told(rows)[0::2] == ["u1", "u3"]
        assert isinstance(rows[1], BadRow)
        assert len(rows[1].text) == 1_000
        assert most < 8 * MIB


SECRET = "zoe@example.com"


class WhenSomethingIsWrong:
    @pytest.mark.parametrize(
        "content",
        [
            f"{SECRET}\n",
            f"{SECRET},{SECRET}\n",
            f"usr,{SECRET},\n",
            f'"{SECRET}"x\n',
            f'user\n {SECRET}\n{SECRET},{SECRET}\n"{SECRET}"x\n{SECRET}\0\n{SECRET}\udcff\n{SECRET}\r{SECRET}\n',
            f'user,name\nu1,"{SECRET}\nu2,{SECRET}',
            f"user,locale\nu1,{SECRET}\n",
            f'{{"user": "{SECRET}"\n',
            f'{{"user": "{SECRET}", "user": "{SECRET}", "locale": "{SECRET}"}}\n{{"user": [{SECRET}]}}\n"{SECRET} \n{{"usr": "{SECRET}"}}\n',
            f'{{"user": ["{SECRET}"]}}\n{{"user": "u1", "email": "{SECRET}"}}\n{{"user": "u1", "x": ["{SECRET}"]}}\n{{"email": "{SECRET} "}}\n',
        ],
    )
    def test_nothing_of_a_recipient_is_in_problems_or_errors(self, content: str) -> None:
        for raw in (content.encode(errors="surrogateescape"), gzip.compress(content.encode(errors="surrogateescape"))[:-1]):
            rows, error = until_it_breaks(raw, Limits(longest_line=200))
            bad = [row for row in rows if isinstance(row, BadRow)]
            assert bad or error is not None
            problems = [problem for row in bad for problem in row.problems]
            assert not [problem for problem in problems if "zoe" in repr(problem)]
            if error is not None:
                assert "zoe@" not in "".join(traceback.format_exception(error))

    def test_an_error_can_be_sent_to_another_process(self) -> None:
        error = RecipientsUnreadable("is a folder", "Name a file in it", source="x", line=3)
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.line) == ("x: line 3: is a folder. Name a file in it", 3)


# ── Whatever it is ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
identifiers = texts.filter(lambda text: text and text == text.strip())
odd_texts = st.lists(
    st.sampled_from(["\n", "\r", "\r\n", '"', '""', ",", ";", "\t", " ", "x", "\u2028", "\x0b", "\x1c", "\x85", "ü", "{"])
).map("".join)
placed = st.lists(st.tuples(identifiers, texts | odd_texts, texts | odd_texts), max_size=6)

pieces = st.sampled_from(
    [
        b"user",
        b"name",
        b"u1",
        b",",
        b";",
        b"\t",
        b'"',
        b'""',
        b"\n",
        b"\n",
        b"\r\n",
        b"\r",
        b" ",
        b"\0",
        b"\xff",
        b"\xc3\xbc",
        BOM,
        b"{",
        b"}",
        b":",
        b"[",
        b'{"user":"a"}\n',
        b'{"user":"a","name":"b"}',
        b"user,name\n",
        b'u1,"a"\n',
        b'x","y\n',
        b"x" * 30,
    ]
)
contents = st.binary(max_size=60) | st.lists(pieces, max_size=25).map(b"".join)
contents = contents | contents.map(lambda rest: b"user,name\n" + rest) | contents.map(lambda rest: b'{"user":"a"}\n' + rest)
contents = (
    contents
    | contents.map(gzip.compress)
    | st.tuples(contents.map(gzip.compress), st.integers(0, 60)).map(lambda made: made[0][: -made[1]])
)


class WhenTheContentIsAnything:
    @given(
        placed,
        st.sampled_from(",;\t"),
        st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        st.sampled_from(["\n", "\r\n"]),
        st.booleans(),
        st.integers(1, 40),
    )
    @example([("a\rb", "\r\n\n\r", '"')], ",", csv.QUOTE_ALL, "\n", False, 1)
    def test_what_csv_writes_comes_back(
        self, people: list[tuple[str, str, str]], delimiter: str, quoting: int, newline: str, is_packed: bool, pieces_of: int
    ) -> None:
        # Python's writer leaves a lone carriage return without quotes, and its own reader refuses that, too.
        assume(quoting != csv.QUOTE_MINIMAL or newline == "\r\n" or "\r" not in repr(people).replace("\\r", "\r"))
        assume(("user", "a", "b") not in people)
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=newline)  # type: ignore[arg-type]
        writer.writerows([("user", "a", "b"), *people])
        raw = out.getvalue().encode()
        rows = rows_of(gzip.compress(raw) if is_packed else raw, pieces_of=pieces_of)
        assert rows == [Recipient(who, placeholders=(("a", a), ("b", b))) for who, a, b in people]

    @given(
        st.lists(
            st.dictionaries(texts.filter(lambda name: name not in ("user", "hwid", "push_token", "email", "locale", "")), texts), max_size=5
        ),
        st.data(),
    )
    def test_what_json_writes_comes_back(self, placeholders: list[dict[str, str]], data: st.DataObject) -> None:
        people = [(data.draw(identifiers), given) for given in placeholders]
        ascii_only = data.draw(st.booleans())
        raw = "".join(json.dumps({"user": who, **given}, ensure_ascii=ascii_only) + "\n" for who, given in people).encode()
        assert rows_of(raw) == [Recipient(who, placeholders=tuple(sorted(given.items()))) for who, given in people]

    @given(json_values)
    def test_any_json_value_is_a_recipient_or_a_bad_row(self, value: Any) -> None:
        raw = b'{"user":"first"}\n' + json.dumps(value).encode() + b'\n{"user":"last"}\n'
        first, row, last = rows_of(raw)
        assert (first, last) == (Recipient("first"), Recipient("last"))
        assert isinstance(row, Recipient | BadRow)

    @given(contents, st.sampled_from([1, 3, 20, 1_000]), st.sampled_from([1, 20, 100, MIB]))
    @example(b'user,name\n"a\n' + b"x" * 30 + b"\n", 1, 20)
    def test_it_ends_in_rows_or_in_words_and_the_same_whatever_pieces_it_comes_in(
        self, content: bytes, pieces_of: int, longest: int
    ) -> None:
        limits = Limits(longest_line=longest, read_again=10_000)
        rows, error = until_it_breaks(content, limits, pieces_of=pieces_of)
        again, error_again = until_it_breaks(content, limits)
        assert rows == again
        assert (error is None) == (error_again is None)
        lines = [row.line for row in rows if isinstance(row, BadRow)]
        assert lines == sorted(set(lines))
        for row in rows:
            if isinstance(row, Recipient):
                row.identifier.encode()
            else:
                assert row.problems
                assert row.text.isprintable()

    @given(st.binary(max_size=30) | st.lists(pieces, max_size=6).map(b"".join), st.integers(0, 5), st.sampled_from(["csv", "ndjson"]))
    def test_a_line_of_anything_costs_no_other_recipient(self, line: bytes, at: int, kind: str) -> None:
        line = line.replace(b"\n", b"").replace(b"\r", b"")
        everyone = [f"p{n}" for n in range(5)]
        people = [(f'{{"user":"{who}"}}' if kind == "ndjson" else f"{who},x").encode() for who in everyone]
        rows = rows_of(b"\n".join([*([b"user,name"] if kind == "csv" else [b'{"user":"0"}']), *people[:at], line, *people[at:], b""]))
        assert [who for who in told(rows) if who in everyone] == everyone
        assert len(rows) <= len(everyone) + (1 if kind == "csv" else 2)
