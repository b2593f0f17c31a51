from __future__ import annotations

import time

import pytest

from wooshq_schemas import IntentInvalid
from wooshq_schemas.validation.json_text import loads


def fields_of(raw: str | bytes) -> list[str]:
    with pytest.raises(IntentInvalid) as refused:
        loads(raw)
    return [problem.field for problem in refused.value.problems]


class WhenParsersDisagreeAboutAText:
    @pytest.mark.parametrize(
        "raw, field",
        [
            ('{"a": {"b": 1, "b": 2}}', "a.b"),
            ('{"a": [NaN]}', "a.0"),
            ('{"a": -Infinity}', "a"),
            ('{"a": 1e400}', "a"),
            ('{"a": 1e-400}', "a"),
            ('{"a": 0.10000000000000000555}', "a"),
            ('{"a": ' + "1" * 5000 + "}", ""),
            ("", ""),
            ("{", ""),
            ('{"a": "\n"}', ""),
            (b"\xff", ""),
        ],
    )
    def test_the_problem_names_the_field(self, raw: str | bytes, field: str) -> None:
        assert fields_of(raw) == [field]

    def test_every_field_is_named(self) -> None:
        assert fields_of('{"a": 1e400, "b": {"c": 1, "c": NaN}}') == ["a", "b.c", "b.c"]

    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    def test_ten_megabytes_of_brackets_are_refused_in_bounded_time(self, opening: str) -> None:
        began = time.monotonic()
        assert fields_of(opening * (10_000_000 // len(opening))) == [""]
        assert time.monotonic() - began < 20


class WhenATextIsClear:
    @pytest.mark.parametrize(
        "raw, value", [("1.50", 1.5), ("-0.0", -0.0), ("1e2", 100.0), ("9223372036854775808", 2**63), (b'\xef\xbb\xbf"x"', "x")]
    )
    def test_numbers_are_exact(self, raw: str | bytes, value: object) -> None:
        assert repr(loads(raw)) == repr(value)
