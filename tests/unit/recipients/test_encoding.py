"""UTF-16: read like UTF-8, with the same rows, lines and limits. Damage in it makes one row bad."""

from __future__ import annotations

import gzip
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.recipients.reading import (
    MIB,
    Row,
    Stream,
    a_file,
    a_stream,
    in_short,
    refusal_of,
    rows_in,
    rows_of,
    until_it_breaks,
    writing,
)
from wooshq.recipients.encoding import Utf16
from wooshq.recipients.file import BadRow, Limits, RecipientsFile
from wooshq_schemas import Recipient
from wooshq_schemas.recipients.rules import RowRules

ENCODINGS = ["utf-16-le", "utf-16-be"]
MARK = "\ufeff"

CSV = "user,city\nu1,Zürich\nu2,東京 🗼\n"
NDJSON = '{"user":"u1","city":"Zürich"}\n{"user":"u2","city":"東京 🗼"}\n'
TWO_RECIPIENTS = [Recipient("u1", placeholders=(("city", "Zürich"),)), Recipient("u2", placeholders=(("city", "東京 🗼"),))]

NOT_UTF16 = "is not valid UTF-16. The file is damaged or cut off: copy it again, or save it as UTF-8"


def encoded(text: str, encoding: str, *, mark: str = MARK) -> bytes:
    """The bytes of a text with its byte order mark. Lone surrogates in it are written as they are."""
    return (mark + text).encode(encoding, "surrogatepass")


@pytest.mark.parametrize("encoding", ENCODINGS)
class WhenAFileIsUtf16:
    @pytest.mark.parametrize("mark", [MARK, ""], ids=["with a mark", "without a mark"])
    @pytest.mark.parametrize("text", [CSV, NDJSON], ids=["CSV", "NDJSON"])
    @pytest.mark.parametrize("pieces_of", [1, 3, MIB])
    def test_its_recipients_are_read_also_from_a_gzip(self, text: str, mark: str, pieces_of: int, encoding: str) -> None:
        content = encoded(text, encoding, mark=mark)
        assert rows_of(content, pieces_of=pieces_of) == rows_of(gzip.compress(content), pieces_of=pieces_of) == TWO_RECIPIENTS

    def test_it_can_be_a_file_a_pipe_or_standard_input(self, tmp_path: Path, encoding: str) -> None:
        content = encoded(CSV, encoding)
        path = a_file(tmp_path, content)
        assert rows_in(path) == TWO_RECIPIENTS
        with path.open("rb") as stdin, RecipientsFile(None, stdin=stdin) as file:
            assert list(file.rows()) == TWO_RECIPIENTS
        os.mkfifo(tmp_path / "pipe")
        writer = writing(tmp_path / "pipe", content)
        assert rows_in(tmp_path / "pipe") == TWO_RECIPIENTS
        writer.join(60)

    def test_rows_are_given_before_the_writer_has_finished(self, tmp_path: Path, encoding: str) -> None:
        os.mkfifo(tmp_path / "pipe")
        goes_on = threading.Event()
        writer = writing(tmp_path / "pipe", encoded("user\nu1\nu", encoding), encoded("2\n", encoding, mark=""), wait_for=goes_on)
        with RecipientsFile(tmp_path / "pipe") as file:
            rows = file.rows()
            assert next(rows) == Recipient("u1")
            goes_on.set()
            assert list(rows) == [Recipient("u2")]
        writer.join(60)

    def test_the_unicode_text_of_excel_is_read(self, encoding: str) -> None:
        text = 'user\tcity\r\nu1\tZürich\r\nu2\t"東京 🗼"\r\n'
        assert rows_of(encoded(text, encoding)) == TWO_RECIPIENTS

    @pytest.mark.parametrize("text", ["", "user", "user\n", "\r\n\r\n", "\n\nuser,city\n"])
    def test_an_empty_file_and_a_header_alone_have_no_rows_and_no_error(self, text: str, encoding: str) -> None:
        assert rows_of(encoded(text, encoding)) == []

    def test_files_that_were_joined_are_read(self, encoding: str) -> None:
        rows = rows_of(encoded("user\nu1\n", encoding) + encoded("user\nu2\n", encoding))
        assert in_short(rows) == ["u1", "3: repeats the header. Remove the line", "u2"]

    def test_bad_rows_have_the_same_lines_and_problems_as_in_utf8(self, encoding: str) -> None:
        text = 'user,name\n\nu1,"a\nb"\n u2,x\nu3\r\nu4,"a"b\nu5,"c\nu6,d\n'
        rows = rows_of(encoded(text, encoding))
        assert [row.line for row in rows if isinstance(row, BadRow)] == [5, 6, 7, 8]
        assert rows == rows_of(text.encode())

    def test_the_lines_read_are_counted(self, tmp_path: Path, encoding: str) -> None:
        with RecipientsFile(a_file(tmp_path, encoded("\nuser\nu1\n\nu2", encoding))) as file:
            assert [file.lines_read for _ in file.rows()] == [3, 5]

    def test_a_header_that_cannot_be_used_is_refused_with_the_reason(self, encoding: str) -> None:
        assert "line 2: the header cannot be used: one of user, hwid" in refusal_of(encoded("\nusr\nu1\n", encoding))
        assert "is one JSON array" in refusal_of(encoded('[{"user":"u1"}]', encoding))


@pytest.mark.parametrize("encoding", ENCODINGS)
class WhenUtf16IsDamaged:
    @pytest.mark.parametrize("units", [(0xD800,), (0xDC00,), (0xDC0A, 0xD80A), (0xDCFF,)])
    @pytest.mark.parametrize("kind", ["csv", "ndjson"])
    @pytest.mark.parametrize("pieces_of", [1, 7, MIB])
    def test_a_lone_surrogate_makes_its_row_bad_and_no_other(
        self, units: tuple[int, ...], kind: str, pieces_of: int, encoding: str
    ) -> None:
        damage = "".join(map(chr, units))
        if kind == "csv":
            text = f"user,name\nu1,a\nu2,b{damage}c\n{damage}\nu4,d\n"
        else:
            text = f'{{"user":"u1"}}\n\n{{"user":"u2","name":"b{damage}c"}}\n{damage}\n{{"user":"u4"}}\n'
        assert in_short(rows_of(encoded(text, encoding), pieces_of=pieces_of)) == ["u1", f"3: {NOT_UTF16}", f"4: {NOT_UTF16}", "u4"]

    def test_a_lone_surrogate_in_the_header_is_refused(self, encoding: str) -> None:
        assert f"line 1: the header cannot be used: {NOT_UTF16}" in refusal_of(encoded("user,na\ud800me\nu1,a\n", encoding))

    def test_a_surrogate_pair_is_one_character_even_between_two_pieces(self, encoding: str) -> None:
        for pieces_of in range(1, 12):
            assert in_short(rows_of(encoded("user\n🗼\n", encoding), pieces_of=pieces_of)) == ["🗼"]

    @pytest.mark.parametrize("text", ["user\nu1\nu2", '{"user":"u1"}\n{"user":"u2"}'], ids=["CSV", "NDJSON"])
    @pytest.mark.parametrize("rest", [b"\n", b"\0", b"x", b"\xd8"])
    def test_half_a_unit_at_the_end_makes_the_last_row_bad(self, text: str, rest: bytes, encoding: str) -> None:
        rows = rows_of(encoded(text, encoding) + rest)
        assert in_short(rows) == ["u1", f"{2 + text.startswith('user')}: {NOT_UTF16}"]
        # After a complete line, the half unit is a line of its own.
        rows = rows_of(encoded(text + "\n", encoding) + rest)
        assert in_short(rows) == ["u1", "u2", f"{3 + text.startswith('user')}: {NOT_UTF16}"]

    @pytest.mark.parametrize("unit", [0xD83D, 0xDC00])
    def test_half_a_surrogate_pair_at_the_end_makes_the_last_row_bad(self, unit: int, encoding: str) -> None:
        for half in (b"", b"\0", b"\xdc"):
            rows = rows_of(encoded(f"user\nu1\nu2{chr(unit)}", encoding) + half)
            assert in_short(rows) == ["u1", f"3: {NOT_UTF16}"]

    def test_a_file_cut_off_anywhere_gives_its_complete_rows(self, encoding: str) -> None:
        content = encoded("user\n" + "".join(f"user-{n}🗼\n" for n in range(20)), encoding)
        whole = in_short(rows_of(content))
        for length in range(len(encoded("user\n", encoding)), len(content)):
            rows = rows_of(content[:length])
            complete = content[:length].decode(encoding, "ignore").count("\n") - 1
            assert in_short(rows)[:complete] == whole[:complete]
            assert len(rows) <= complete + 1
            assert length % 2 == 0 or isinstance(rows[-1], BadRow)


class WhenUtf16HasNoMark:
    def test_a_wrong_byte_order_gives_no_recipient(self) -> None:
        # The first two characters look like the other byte order, so everything is read wrongly, and refused.
        rows, error = until_it_breaks("甀猀\tuser\n甀\tu1\n".encode("utf-16-le"))
        assert (rows, error is not None) == ([], True)

    def test_a_header_that_does_not_begin_with_latin_letters_is_refused(self) -> None:
        assert "the header cannot be used" in refusal_of("город\tuser\nПариж\tu1\n".encode("utf-16-le"))
        assert in_short(rows_of(encoded("город\tuser\nПариж\tu1\n", "utf-16-le"))) == ["u1"]


@pytest.mark.parametrize("encoding", ENCODINGS)
class WhenAUtf16FileIsLarge:
    def test_a_line_has_the_same_limit_as_in_utf8(self, encoding: str) -> None:
        for char in "xü東🗼":
            line = char * (100 // len(char.encode()))
            text = f"user,name\nu1,{line}\nu2,{line[:-4]}\nu3,x\n"
            rows = rows_of(encoded(text, encoding), Limits(longest_line=100))
            assert rows == rows_of(text.encode(), Limits(longest_line=100))
            assert in_short(rows) == ["2: is longer than 100 bytes.", "u2", "u3"]

    def test_a_line_of_100_mb_is_one_bad_row_and_is_not_kept(self, encoding: str) -> None:
        def content() -> Iterator[bytes]:
            yield encoded("user,name\nu1,a\nu2,", encoding)
            for _ in range(50):
                yield "東".encode(encoding) * 1_000_000
            yield encoded("\nu3,b\n", encoding, mark="")

        rows, most = measured(content())
        assert in_short(rows)[0::2] == ["u1", "u3"]
        assert len(rows) == 3
        assert most < 8 * MIB

    @pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
    def test_memory_does_not_grow_with_the_file(self, packed: bool, encoding: str) -> None:
        def content(count: int) -> Iterator[bytes]:
            yield encoded("user,note\n", encoding)
            for at in range(0, count, 1_000):
                yield encoded("".join(f"u{n},{'東' * 50}\n" for n in range(at, at + 1_000)), encoding, mark="")

        def peak(count: int) -> int:
            pieces = map(gzip.compress, content(count)) if packed else content(count)
            tracemalloc.start()
            with a_stream(Stream(pieces)) as file:
                assert sum(isinstance(row, Recipient) for row in file.rows()) == count
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return most

        small, large = peak(10_000), peak(40_000)
        assert large < 8 * MIB
        assert large < 1.2 * small + 64_000


def measured(pieces: Iterator[bytes]) -> tuple[list[Row], int]:
    """The rows of a stream, and the most memory that reading them took, in bytes."""
    tracemalloc.start()
    with a_stream(Stream(pieces)) as file:
        rows = list(file.rows())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return rows, most


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
#: Texts that look like recipients, and any other text.
texts = (
    any_text
    | st.lists(
        st.sampled_from(
            ["user", "name", ",", ";", "\t", '"', "\n", "\r\n", "\r", " ", "u1", "東", "🗼", "ü", "\0", MARK, "\ufffe", "{", "}"]
        )
    ).map("".join)
).flatmap(lambda text: st.sampled_from([text, "user,name\n" + text, "user\tname\r\n" + text, '{"user":"a"}\n' + text]))


class WhenTheEncodingIsNamed:
    @pytest.mark.parametrize(
        ("encoding", "city"),
        [
            ("cp1252", "Zürich – São Paulo €"),
            ("Windows-1252", "Zürich"),
            ("latin-1", "Zürich"),
            ("cp1250", "Łódź"),
            ("cp1251", "Москва"),
            ("koi8-r", "Москва"),
            ("mac_roman", "Zürich"),
            ("cp850", "Zürich"),
            ("shift_jis", "東京"),
            ("gb18030", "北京 🗼"),
            ("big5", "台北"),
            ("iso2022_jp", "東京"),
            ("utf-8", "東京 🗼"),
            ("utf-8-sig", "東京 🗼"),
            ("utf-16-le", "東京 🗼"),
            ("utf-16-be", "東京 🗼"),
            ("utf-16", "東京 🗼"),
        ],
    )
    @pytest.mark.parametrize("pieces_of", [1, 3, MIB])
    def test_csv_and_ndjson_are_read_also_from_a_gzip(self, encoding: str, city: str, pieces_of: int) -> None:
        rules = RowRules(encoding=encoding)
        for text in (f"user;city\r\nu1;{city}\r\n", f'{{"user":"u1","city":"{city}"}}\n'):
            content = text.encode(encoding)
            for packed in (content, gzip.compress(content)):
                assert rows_of(packed, pieces_of=pieces_of, rules=rules) == [Recipient("u1", placeholders=(("city", city),))]

    def test_a_header_that_is_not_latin_is_read(self) -> None:
        (row,) = rows_of("город;user\nКазань;u1\n".encode("cp1251"), rules=RowRules(encoding="cp1251"))
        assert row == Recipient("u1", placeholders=(("город", "Казань"),))
        (row,) = rows_of("город;user\nКазань;u1\n".encode("utf-16-be"), rules=RowRules(encoding="utf-16-be"))
        assert row == Recipient("u1", placeholders=(("город", "Казань"),))

    @pytest.mark.parametrize(("encoding", "bad"), [("cp1252", b"\x81"), ("cp932", b"\x82"), ("gb18030", b"\x81\x20"), ("ascii", b"\xfc")])
    def test_bytes_that_it_does_not_have_make_their_row_bad_and_no_other(self, encoding: str, bad: bytes) -> None:
        content = b"user,name\nu1,a\nu2,x" + bad + b"\nu3,b\nu4,x" + bad
        for pieces_of in (1, MIB):
            rows = in_short(rows_of(content, pieces_of=pieces_of, rules=RowRules(encoding=encoding)))
            problem = f"has bytes that {encoding} does not have. Name the encoding that the file has"
            assert rows == ["u1", f"3: {problem}", "u3", f"5: {problem}"]

    @pytest.mark.parametrize("name", ["no-such", "utf-32", "rot13", "base64", "cp037", "ü", "\0", "utf-16-xe", "idna"])
    def test_a_name_that_cannot_be_read_is_refused_with_examples(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"encoding: .* Examples: cp1252 \(Excel in Western Europe"):
            RowRules(encoding=name)

    @pytest.mark.parametrize(("content", "mark"), [(b"\xef\xbb\xbfuser\nu1\n", "UTF-8"), (encoded("user\nu1\n", "utf-16-le"), "UTF-16")])
    def test_a_byte_order_mark_of_another_encoding_is_an_error(self, content: bytes, mark: str) -> None:
        rows, error = until_it_breaks(content, rules=RowRules(encoding="cp1252"))
        assert rows == []
        assert f"begins with the byte order mark of {mark}, so it is not cp1252. Name no encoding" in str(error)

    @pytest.mark.parametrize("name", ["cp1252", "cp1251", "gbk", "shift_jis"])
    @pytest.mark.parametrize("content", ["user,city\nu1,Málaga\n", "user,città\nu1,Bonn\n", "user\nu1\n" * 1000 + "ü" * 50_000])
    def test_a_file_in_utf8_is_not_read_as_another_encoding(self, name: str, content: str) -> None:
        """Everybody would read `MÃ¡laga`."""
        rows, error = until_it_breaks(content.encode(), rules=RowRules(encoding=name))
        assert (rows, f"is UTF-8, so it is not {name}. Name no encoding" in str(error)) == ([], True)

    def test_without_a_name_only_rows_with_such_a_cell_are_bad(self) -> None:
        content = "user;name;city\nu1;Jürgen;Bonn\nu2;Ann;Bonn\n".encode("cp1252")
        assert [row.line for row in rows_of(content) if isinstance(row, BadRow)] == [2]
        assert in_short(rows_of(content, rules=RowRules(only=frozenset({"city"})))) == ["u1", "u2"]

    def test_memory_does_not_grow_with_the_file(self) -> None:
        def content() -> Iterator[bytes]:
            yield b"user,note\n"
            for at in range(0, 40_000, 1_000):
                yield "".join(f"u{n},{'ü' * 50}\n" for n in range(at, at + 1_000)).encode("cp1252")

        tracemalloc.start()
        with a_stream(Stream(content())) as file:
            assert sum(isinstance(row, Recipient) for row in file.rows(RowRules(encoding="cp1252"))) == 40_000
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 8 * MIB

    @given(
        st.binary(max_size=60),
        st.sampled_from(["cp1252", "cp932", "gb18030", "big5", "cp949", "iso2022_jp", "utf-7", "raw_unicode_escape"]),
    )
    @example(b"+\x00", "utf-7")
    @example(b"+\n+2AA-,b\n+", "utf-7")
    def test_any_bytes_give_rows_or_an_error_and_the_same_in_whatever_pieces_they_come(self, rest: bytes, encoding: str) -> None:
        rules = RowRules(encoding=encoding)
        rows, error = until_it_breaks(b"user,name\n" + rest, rules=rules)
        again, error_again = until_it_breaks(b"user,name\n" + rest, rules=rules, pieces_of=1)
        assert (rows, error is None) == (again, error_again is None)


class WhenATextIsEncodedInAnyWay:
    @given(texts, st.sampled_from([1, 2, 3, 20, MIB]), st.sampled_from([1, 20, MIB]), st.booleans())
    @example("user\n🗼\n", 1, MIB, False)
    def test_its_rows_are_the_same(self, text: str, pieces_of: int, longest: int, packed: bool) -> None:
        limits = Limits(longest_line=longest, read_again=10_000)
        wanted, refused = until_it_breaks(encoded(text, "utf-8"), limits)
        for encoding in ENCODINGS:
            content = encoded(text, encoding)
            rows, error = until_it_breaks(gzip.compress(content) if packed else content, limits, pieces_of=pieces_of)
            assert rows == wanted
            assert (error is None) == (refused is None)

    @given(st.binary(max_size=60), st.sampled_from(ENCODINGS), st.sampled_from(["user,name\n", '{"user":"a"}\n', ""]))
    def test_any_bytes_give_rows_or_an_error_and_the_same_in_whatever_pieces_they_come(
        self, rest: bytes, encoding: str, begins: str
    ) -> None:
        content = encoded(begins, encoding) + rest
        rows, error = until_it_breaks(content)
        again, error_again = until_it_breaks(content, pieces_of=1)
        assert rows == again
        assert (error is None) == (error_again is None)
        for row in rows:
            if isinstance(row, Recipient):
                row.identifier.encode()
            else:
                assert row.problems
                assert row.text.isprintable()

    @given(st.binary(max_size=60), st.sampled_from(ENCODINGS), st.integers(1, 9), st.integers(1, 9))
    def test_never_more_bytes_than_asked_for_are_given(self, content: bytes, encoding: str, pieces_of: int, most: int) -> None:
        pieces = iter([content[at : at + pieces_of] for at in range(0, len(content), pieces_of)])
        utf16 = Utf16(lambda _: next(pieces, b""), encoding)
        given_ = []
        while data := utf16.read(most):
            assert len(data) <= most
            given_.append(data)
        whole = content[: len(content) // 2 * 2].decode(encoding, "surrogatepass").encode("utf-8", "surrogatepass")
        assert b"".join(given_) == whole + b"\xff" * (len(content) % 2)
        assert utf16.read(most) == b""
