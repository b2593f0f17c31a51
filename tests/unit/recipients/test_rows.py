"""Rows of any content: each is a recipient or a bad row, and no problem shows a value."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import traceback
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.strategies import json_values
from tests.unit.recipients.reading import BOM, MIB, in_short, rows_of, until_it_breaks
from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.file import BadRow, Limits
from wooshq_schemas import Recipient
from wooshq_schemas.recipients.rules import RowRules

SECRET = "zoe@example.com"


class WhenAProblemIsReported:
    @pytest.mark.parametrize(
        "content",
        [
            f"{SECRET}\n",
            f"{SECRET},{SECRET}\n",
            f"usr,{SECRET},\n",
            f'"{SECRET}"x\n',
            f'user\n {SECRET}\n{SECRET},{SECRET}\n"{SECRET}"x\n{SECRET}\0\n{SECRET}\udcff\n{SECRET}\r{SECRET}\n',
            f'user,name\nu1,"{SECRET}\nu2,{SECRET}',
            f"user,locale\n,{SECRET}\n",
            f'{{"user": "{SECRET}"\n',
            f'{{"user": "{SECRET}", "user": "{SECRET}", "locale": "{SECRET}"}}\n{{"user": [{SECRET}]}}\n"{SECRET} \n{{"usr": "{SECRET}"}}\n',
            f'{{"user": ["{SECRET}"]}}\n{{"user": "u1", "email": "{SECRET}"}}\n{{"user": "u1", "x": ["{SECRET}"]}}\n{{"email": "{SECRET} "}}\n',
        ],
    )
    def test_no_value_of_a_recipient_is_in_problems_or_errors(self, content: str) -> None:
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


# ── Any content ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

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
    def test_rows_written_by_csv_are_read_unchanged(
        self, written: list[tuple[str, str, str]], delimiter: str, quoting: int, newline: str, is_packed: bool, pieces_of: int
    ) -> None:
        # Python's writer leaves a lone carriage return without quotes, and its own reader refuses that, too.
        assume(quoting != csv.QUOTE_MINIMAL or newline == "\r\n" or "\r" not in repr(written).replace("\\r", "\r"))
        assume(("user", "a", "b") not in written)
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=newline)  # type: ignore[arg-type]
        writer.writerows([("user", "a", "b"), *written])
        raw = out.getvalue().encode()
        rows = rows_of(gzip.compress(raw) if is_packed else raw, pieces_of=pieces_of, rules=RowRules(exact=True))
        assert rows == [Recipient(user, placeholders=(("a", a), ("b", b))) for user, a, b in written]

    @given(
        st.lists(
            st.dictionaries(texts.filter(lambda name: name not in ("user", "hwid", "push_token", "email", "locale", "")), texts), max_size=5
        ),
        st.data(),
    )
    def test_rows_written_as_json_are_read_unchanged(self, placeholders: list[dict[str, str]], data: st.DataObject) -> None:
        written = [(data.draw(identifiers), given) for given in placeholders]
        ascii_only = data.draw(st.booleans())
        raw = "".join(json.dumps({"user": user, **given}, ensure_ascii=ascii_only) + "\n" for user, given in written).encode()
        assert rows_of(raw, rules=RowRules(exact=True)) == [
            Recipient(user, placeholders=tuple(sorted(given.items()))) for user, given in written
        ]

    @given(json_values)
    def test_any_json_value_is_a_recipient_or_a_bad_row(self, value: Any) -> None:
        raw = b'{"user":"first"}\n' + json.dumps(value).encode() + b'\n{"user":"last"}\n'
        first, row, last = rows_of(raw)
        assert (first, last) == (Recipient("first"), Recipient("last"))
        assert isinstance(row, Recipient | BadRow)

    @given(contents, st.sampled_from([1, 3, 20, 1_000]), st.sampled_from([1, 20, 100, MIB]))
    @example(b'user,name\n"a\n' + b"x" * 30 + b"\n", 1, 20)
    def test_it_gives_rows_or_an_error_and_the_same_in_whatever_pieces_it_comes(self, content: bytes, pieces_of: int, longest: int) -> None:
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
    def test_a_line_of_any_content_affects_no_other_recipient(self, line: bytes, at: int, kind: str) -> None:
        line = line.replace(b"\n", b"").replace(b"\r", b"")
        others = [f"p{n}" for n in range(5)]
        written = [(f'{{"user":"{user}"}}' if kind == "ndjson" else f"{user},x").encode() for user in others]
        rows = rows_of(b"\n".join([*([b"user,name"] if kind == "csv" else [b'{"user":"0"}']), *written[:at], line, *written[at:], b""]))
        assert [user for user in in_short(rows) if user in others] == others
        assert len(rows) <= len(others) + (1 if kind == "csv" else 2)
