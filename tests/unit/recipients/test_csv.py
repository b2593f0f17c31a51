"""CSV: the header, quoted cells, bad rows, and quotes that are not closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.recipients.reading import BOM, MIB, a_file, in_short, refusal_of, rows_in, rows_of, until_it_breaks
from wooshq.recipients.file import BadRow, Limits, RecipientsFile
from wooshq_schemas import Recipient
from wooshq_schemas.recipients.rules import RowRules

CLOSE = "A cell that begins with a quote must end with a quote"


def until_broken(content: str) -> str:
    rows, error = until_it_breaks(content.encode(), rules=RowRules(columns={"user": "User ID"}))
    assert rows == []
    return str(error)


class WhenAFileIsCsv:
    def test_each_row_under_the_header_is_a_recipient(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b"city,user,locale\nBonn,u1,de\n,u2,\n")
        assert rows_in(path) == [
            Recipient("u1", "users", "de", (("city", "Bonn"),)),
            Recipient("u2", "users", None, (("city", ""),)),
        ]

    @pytest.mark.parametrize("content", [b"", BOM, b"\n", b" \r\n\r\n", b"user", b"user\n", BOM + b"user\r\n", b"\n\nuser,city\n\n"])
    def test_an_empty_file_and_a_header_alone_have_no_rows_and_no_error(self, content: bytes) -> None:
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
    def test_byte_order_marks_line_ends_and_blank_lines_change_nothing(self, content: bytes) -> None:
        assert rows_of(content) == [Recipient("u1"), Recipient("u2")]
        assert rows_of(content, pieces_of=1) == [Recipient("u1"), Recipient("u2")]

    def test_quoted_cells_can_contain_delimiters_quotes_and_line_ends(self) -> None:
        rows = rows_of(b'user,name\r\nu1,"Ann, ""the\r\nboss"""\r\nu2,"a\nb\rc"\r\nu3,5" tall\r\n')
        assert [row.placeholders[0][1] for row in rows if isinstance(row, Recipient)] == ['Ann, "the\r\nboss"', "a\nb\rc", '5" tall']

    def test_a_header_can_have_several_lines_like_any_row(self) -> None:
        assert rows_of(b'user,"first\nname"\nu1,Ann\nu2\n') == [
            Recipient("u1", placeholders=(("first\nname", "Ann"),)),
            BadRow(4, rows_of(b"user,x\nu2\n")[0].problems, "u2"),  # type: ignore[union-attr]
        ]

    @pytest.mark.parametrize("delimiter", [b";", b"\t"])
    def test_semicolons_and_tabs_delimit_if_the_header_has_no_comma(self, delimiter: bytes) -> None:
        content = b"user,city\nu1,Bonn\n".replace(b",", delimiter)
        assert rows_of(content) == rows_of(content.replace(b"user", b'"user"')) == [Recipient("u1", placeholders=(("city", "Bonn"),))]

    @pytest.mark.parametrize(
        "content",
        [
            "user,city\nu1,Bonn\n",
            "user, city\nu1,Bonn\n",
            "user, city\nu1, Bonn\n",
            'user, "city"\n"u1", "Bonn"\n',
            " user , city \n u1 , Bonn \n",
            "user;  city\nu1;Bonn\n",
            "sep=,\nuser, city\nu1, Bonn\n",
            "user,city ,\nu1,Bonn,\n",
            "user\t city\nu1\t Bonn\n",
            "\u00a0user,city\u200b\nu1,Bonn\n",
            "\ufeff\ufeffuser,city\nu1,Bonn\n",
        ],
    )
    def test_names_have_no_spaces_and_no_invisible_characters_around_them(self, content: str) -> None:
        assert rows_of(content.encode()) == rows_of(content.encode(), pieces_of=1) == [Recipient("u1", placeholders=(("city", "Bonn"),))]

    def test_a_quote_after_such_a_space_begins_a_quoted_cell(self) -> None:
        rows = rows_of(b'user, "city, river"\nu1, "Bonn, Rhein"\nu2, "Koeln"x\nuser, "city, river"\nu3, x\n')
        assert rows[0] == Recipient("u1", placeholders=(("city, river", "Bonn, Rhein"),))
        assert [text.partition(".")[0] for text in in_short(rows)[1:]] == [
            "3: has text after a closing quote",
            "4: repeats the header",
            "u3",
        ]

    def test_without_such_spaces_in_the_header_cells_keep_theirs(self) -> None:
        assert rows_of(b"user,city\nu1, Bonn \n") == [Recipient("u1", placeholders=(("city", " Bonn "),))]

    @pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;;", "sep=;  "])
    @pytest.mark.parametrize("before", [b"", BOM, b"\n"])
    def test_the_first_line_may_name_the_delimiter_as_excel_reads_it(self, line: str, before: bytes) -> None:
        rows = rows_of(before + line.encode() + b"\r\nuser;city\r\nu1;Bonn, Rhein\r\n;x\r\n")
        assert rows[0] == Recipient("u1", placeholders=(("city", "Bonn, Rhein"),))
        assert in_short(rows)[1] == f"{4 + (before == chr(10).encode())}: user: must not be empty."

    @pytest.mark.parametrize("delimiter", [",", "\t", "|", "^"])
    def test_that_line_may_name_any_delimiter(self, delimiter: str) -> None:
        content = f"sep={delimiter}\nuser{delimiter}city\nu1{delimiter}Bonn\n"
        assert rows_of(content.encode()) == rows_of(content.encode("utf-16")) == [Recipient("u1", placeholders=(("city", "Bonn"),))]

    def test_that_line_again_is_a_bad_row_because_files_were_joined(self) -> None:
        for mark in (b"", BOM):
            for header in (b"user;city", b"user"):
                content = mark + b"sep=;\n" + header + b"\nu1" + b";x" * (b";" in header) + b"\n"
                assert in_short(rows_of(content * 2)) == [
                    "u1",
                    "4: repeats the header. Remove the line",
                    "5: repeats the header. Remove the line",
                    "u1",
                ]

    def test_without_such_a_first_line_it_is_a_row_as_any_other(self) -> None:
        assert in_short(rows_of(b"user\nsep=;\n")) == ["sep=;"]

    def test_pipes_delimit_if_that_makes_a_known_column(self) -> None:
        assert rows_of(b"user|city\nu1|Bonn, Rhein\n") == [Recipient("u1", placeholders=(("city", "Bonn, Rhein"),))]

    def test_a_comma_inside_a_quoted_name_is_no_delimiter(self) -> None:
        assert rows_of(b'"name, first";user\nAnn;u1\n') == [Recipient("u1", placeholders=(("name, first", "Ann"),))]

    def test_the_marks_of_excel_are_read_however_they_are_quoted(self) -> None:
        rows = rows_of(b'user,code\n="00123",="7"\n"=""00124""","=""8"""\n')
        assert rows == [Recipient("00123", placeholders=(("code", "7"),)), Recipient("00124", placeholders=(("code", "8"),))]

    def test_a_comma_in_the_header_is_the_delimiter_whatever_the_rows_contain(self) -> None:
        assert rows_of(b"user,city;x\nu1,a;b\n") == [Recipient("u1", placeholders=(("city;x", "a;b"),))]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"u1\nu2\n", "line 1: the header cannot be used: one of user, hwid, push_token, email is required"),
            (b"\n\nusr\nu1\n", "line 3: the header cannot be used: one of user"),
            (b"usr\nu1\n", "Did you mean user?"),
            (b"user,email\nu1,a@b.c\n", "these were given: user, email"),
            (b"user,x,x\nu1,1,2\n", "x: is the name of two columns"),
            (b"user,stra\xdfe\nu1,x\n", "is not UTF-8. Name the encoding of the file, such as --encoding cp1252"),
            (b'user,"name\nu1,x\n', "has a quote that is not closed"),
            (b'user,"na"me\nu1,x\n', "has text after a closing quote"),
            (b"user," + b"x" * 2 * MIB + b"\nu1,x\n", "is longer than 1,048,576 bytes"),
            (b"user," + b",".join(b"c%d" % n for n in range(1_000)) + b"\n", "has more than 1,000 columns"),
            (b"user\0\nu1\n", "NUL"),
            (b"\n" * 70_000 + b"user\nu1\n", "only blank lines in its first 64 KiB"),
        ],
    )
    def test_a_header_that_cannot_be_used_is_refused_with_the_reason(self, content: bytes, says: str) -> None:
        assert says in refusal_of(content)

    def test_a_column_without_a_name_is_ignored(self) -> None:
        # As spreadsheets write empty columns, and pandas its index.
        assert rows_of(b",user,city,\n0,u1,Bonn,\n1,u2,Lyon,x\n2,u3,Rome,,,\n") == [
            Recipient(user, placeholders=(("city", city),)) for user, city in (("u1", "Bonn"), ("u2", "Lyon"), ("u3", "Rome"))
        ]

    def test_a_column_that_the_rules_do_not_read_costs_no_recipient(self, tmp_path: Path) -> None:
        content = b"user,city,notes,notes\nu1,Bonn,\xff,\0\nu2,Lyon,x,\xfc\n"
        with RecipientsFile(a_file(tmp_path, content)) as file:
            assert in_short(list(file.rows(RowRules(only=frozenset({"city"}))))) == ["u1", "u2"]

    def test_columns_have_the_names_that_the_rules_give_them(self) -> None:
        rules = RowRules(columns={"user": "User ID", "city": "Stadt"}, defaults={"city": "your city"})
        for delimiter in ",;\t|":
            content = delimiter.join(["Stadt", "User ID", "email"]) + "\n" + delimiter.join(["", "u1", "x"]) + "\n"
            assert rows_of(content.encode(), rules=rules) == [Recipient("u1", placeholders=(("city", "your city"), ("email", "x")))]

    def test_a_header_without_an_identifying_column_is_listed_with_a_proposal(self) -> None:
        said = refusal_of("User ID;Vorname;Straße\n4711;Zoe;x\n".encode())
        assert 'The columns are: User ID, Vorname, Straße. Did you mean user? Then add --map user="User ID"' in said
        assert "no column has this name (map)" in until_broken("UserID,x\nu1,a\n")

    def test_without_a_header_the_error_shows_no_recipient(self) -> None:
        assert "zoe" not in refusal_of(b"zoe@example.com,zoe@example.com,zoe\n")


class WhenARowOfACsvIsBad:
    @pytest.mark.parametrize(
        ("row", "says", "text"),
        [
            (b"u2", "has 1 cell, but the header has 2 columns. Fix the row", "u2"),
            (b"u2,a,b", "has 3 cells", "u2,a,b"),
            (b",a", "user: must not be empty.", ",a"),
            (b" u2,a", "user: has spaces at its start or end", " u2,a"),
            (b"None,a", "user: is None, which programs write", "None,a"),
            (b"6.94E+12,a", "user: is a number in scientific notation", "6.94E+12,a"),
            (b"u2\0,a", "user: has a NUL character", "u2\\x00,a"),
            (b"u2,a\0b", "name: has a NUL character", "u2,a\\x00b"),
            (b"u2,J\xfcrgen", "is not UTF-8. Name the encoding of the file, such as --encoding cp1252", "u2,J\\xfcrgen"),
            (b"\xff", "is not UTF-8", "\\xff"),
            (b"u2,\xed\xa0\x80", "is not UTF-8", "u2,\\xed\\xa0\\x80"),
            (b"user,name", "repeats the header. Remove the line", "user,name"),
            (BOM + b"user,name", "repeats the header", "\\ufeffuser,name"),
            (b'"user","name"', "repeats the header", '"user","name"'),
            (b'u2,"a"b', 'has text after a closing quote. Inside a quoted cell, write a quote twice: ""', 'u2,"a"b'),
            (b"u2,a\rb", "has a carriage return inside the line", "u2,a\\rb"),
            (b"u2," + b"x" * 200_000, "has a cell that is too long", "u2," + "x" * 997),
            (b"u2," + b"x" * 2 * MIB, "is longer than 1,048,576 bytes", "u2," + "x" * 997),
            (b'u2,"' + b"x" * 2 * MIB, "is longer than 1,048,576 bytes", 'u2,"' + "x" * 996),
            (b"u2,\xe2\x80\xae\x1b[31m,x", "has 3 cells", "u2,\\u202e\\x1b[31m,x"),
            (b"u2," + "ä".encode() * MIB, "is longer than 1,048,576 bytes", "u2," + "ä" * 997),
        ],
    )
    def test_it_is_reported_with_its_line_and_the_other_rows_are_read(self, row: bytes, says: str, text: str) -> None:
        before, bad, after = rows_of(b"user,name\nu1,Ann\n" + row + b"\nu3,Bob\n")
        assert (before, after) == (Recipient("u1", placeholders=(("name", "Ann"),)), Recipient("u3", placeholders=(("name", "Bob"),)))
        assert isinstance(bad, BadRow)
        assert bad.line == 3
        assert says in " ".join(map(str, bad.problems))
        assert bad.text == text

    def test_all_its_problems_are_reported(self) -> None:
        (bad,) = rows_of(b"user,name\n u1,a\0b\n")
        assert isinstance(bad, BadRow)
        assert [problem.field for problem in bad.problems] == ["user", "name"]

    def test_a_row_of_several_lines_is_reported_with_its_first_line(self) -> None:
        assert rows_of(b'user,name\nu1,"a\nb",c\nu2,x\n') == [
            BadRow(2, rows_of(b"user,name\nu1,a,b\n")[0].problems, 'u1,"a\\nb",c'),  # type: ignore[union-attr]
            Recipient("u2", placeholders=(("name", "x"),)),
        ]

    def test_a_user_whose_id_is_a_column_name_is_a_recipient(self) -> None:
        assert in_short(rows_of(b"user,name\nuser,Ann\n")) == ["user"]


class WhenAQuoteIsNotClosed:
    def test_at_the_end_of_the_file_one_row_is_bad(self) -> None:
        assert in_short(rows_of(b'user,name\nu1,a\nu2,"b')) == ["u1", "3: has a quote that is not closed. " + CLOSE]
        assert in_short(rows_of(b'user,name\nu1,"a\nu2,b\nu3,c\n')) == ["2: has a quote that is not closed. " + CLOSE, "u2", "u3"]

    def test_the_next_quote_reveals_it_and_the_rows_between_are_read_again(self) -> None:
        content = b'user,name\nu1,"a\nu2,b\nu3,"c"\nu4,d\n'
        assert in_short(rows_of(content)) == ["2: has a quote that is not closed. " + CLOSE, "u2", "u3", "u4"]

    def test_the_rest_of_a_large_file_is_still_read(self) -> None:
        many = b"".join(b"u%d,x\n" % n for n in range(200_000))
        rows = rows_of(b'user,name\nfirst,"a\n' + many + b"last,b\n")
        assert in_short([row for row in rows if isinstance(row, BadRow)]) == ["2: has a quote that is not closed. " + CLOSE]
        assert len(rows) == 200_002
        assert in_short(rows[-1:]) == ["last"]

    def test_if_the_row_becomes_too_long_only_its_first_line_is_bad(self) -> None:
        # Below Python's own limit of a cell, so that ours is what ends it.
        limits = Limits(longest_line=100)
        many = b"".join(b"u%d,x\n" % n for n in range(50))
        rows = rows_of(b'user,name\nfirst,"a\n' + many, limits)
        assert in_short(rows[:1]) == ["2: is longer than 100 bytes. " + CLOSE]
        assert in_short(rows[1:]) == [f"u{n}" for n in range(50)]

    def test_a_valid_row_of_many_lines_that_is_too_long_is_bad_in_whatever_pieces_it_comes(self) -> None:
        content = b"user,name\nfirst," + b'"' + b"x,y\n" * 30 + b'"\nlast,b\n'
        for pieces_of in (1, 7, 50, MIB):
            rows = rows_of(content, Limits(longest_line=100), pieces_of=pieces_of)
            assert in_short(rows[:2]) == ["2: is longer than 100 bytes. " + CLOSE, "x"]
            assert in_short(rows[-1:]) == ["last"]

    def test_a_line_that_is_too_long_ends_the_row_and_is_a_bad_row_itself(self) -> None:
        rows = rows_of(b'user,name\nu1,"a\nu2,b\nu3,' + b"x" * 200 + b"\nu4,d\n", Limits(longest_line=100))
        assert in_short(rows) == ["2: is longer than 100 bytes. " + CLOSE, "u2", "4: is longer than 100 bytes.", "u4"]

    def test_a_file_of_only_such_lines_is_refused_in_bounded_time(self) -> None:
        # Each line opens one, and within a quoted cell each line closes it and opens the next.
        rows, error = until_it_breaks(b"user,name\n" + b'x","y\n' * 2_000, Limits(longest_line=1_000, read_again=100_000))
        assert 50 < len(rows) < 150
        assert error is not None
        assert "too many quotes are not closed" in str(error)
        assert error.line == len(rows) + 2
