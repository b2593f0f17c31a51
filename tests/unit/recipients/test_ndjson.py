"""NDJSON: one JSON object on each line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.recipients.reading import BOM, MIB, a_file, refusal_of, rows_in, rows_of
from wooshq.recipients.file import BadRow
from wooshq_schemas import Recipient


class WhenAFileIsNdjson:
    def test_each_line_is_a_recipient(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b'{"user": "u1", "locale": "de", "city": "Bonn"}\r\n\n  \n{"hwid": "h2"}', "people.csv")
        assert rows_in(path) == [Recipient("u1", "users", "de", (("city", "Bonn"),)), Recipient("h2", "hwids")]

    def test_a_whole_number_is_an_identifier_with_or_without_a_point(self) -> None:
        assert rows_of(b'{"user":5}\n{"user":6.0}\n{"user":-7}\n') == [Recipient("5"), Recipient("6"), Recipient("-7")]

    @pytest.mark.parametrize("before", [b"", BOM, b"\n\n  ", BOM + b"\r\n"])
    def test_it_is_recognised_by_its_first_character_that_is_not_blank(self, before: bytes) -> None:
        assert rows_of(before + b'{"user":"u1"}\n') == rows_of(before + b'{"user":"u1"}\n', pieces_of=1) == [Recipient("u1")]

    def test_lines_may_end_in_cr_as_old_macs_write_them(self) -> None:
        assert rows_of(b'{"user":"u1"}\r{"user":"u2"}\r') == [Recipient("u1"), Recipient("u2")]

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            (b'{"user":"u2', "is not JSON (unterminated string starting at: column 9)"),
            (b'{"user":"u2"} x', 'Write one JSON object on each line: {"user": "u1"}'),
            (b"user", "is not JSON (expecting value: column 1)"),
            (b'{"user":"u2","user":"u3"}', "user: appears more than once"),
            (b'{"user":null}', "user: must not be null"),
            (b'{"user":"undefined"}', "user: is undefined, which programs write"),
            (b'{"user":5.5}', "user: must be a string or a whole number"),
            (b'{"user":"u2","n":NaN}', "n: is NaN"),
            (b'{"user":"u2","n":[]}', "n: must be a string"),
            (b'{"user":"u2","email":"a@b.c"}', "these were given: user, email"),
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
    def test_a_bad_line_is_reported_and_the_other_lines_are_read(self, line: bytes, says: str) -> None:
        before, bad, after = rows_of(b'{"user":"u1"}\n' + line + b'\n{"user":"u3"}\n')
        assert (before, after) == (Recipient("u1"), Recipient("u3"))
        assert isinstance(bad, BadRow)
        assert bad.line == 2
        assert says in " ".join(map(str, bad.problems))
        assert len(bad.text) <= 1_000 + 3 * 1_000
        assert bad.text.isprintable()

    def test_half_a_line_at_the_end_is_bad_but_a_whole_line_may_lack_its_end(self) -> None:
        assert rows_of(b'{"user":"u1"}\n{"user":"u2"}') == [Recipient("u1"), Recipient("u2")]
        rows = rows_of(b'{"user":"u1"}\n{"us')
        assert rows[0] == Recipient("u1")
        assert isinstance(rows[1], BadRow)

    def test_at_most_100_problems_of_a_line_are_kept(self) -> None:
        (bad,) = rows_of(b'{"user":"u1",' + b",".join(b'"k%d":[]' % n for n in range(900)) + b"}")
        assert isinstance(bad, BadRow)
        assert len(bad.problems) == 100

    def test_one_json_array_is_refused_with_the_remedy(self) -> None:
        assert "is one JSON array" in refusal_of(b'[\n{"user":"u1"}]')
        assert "is one JSON array" in refusal_of(b'[{"user":"u1"}]')
