"""Which bytes the sandbox accepts as JSON."""

from __future__ import annotations

import pytest

from wooshq_worker.sandbox.body.strict_json import DEPTH_LIMIT, NotJson, read_json


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


class WhenBytesAreReadAsJson:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"{'a': 1}",
            b'{"a": 1,}',
            b'{"a": 1, "a": 2}',
            b'{"a": {"b": 1, "b": 1}}',
            b'{"a": NaN}',
            b'{"a": -Infinity}',
            b'{"a": "\xff"}',
            '{"a": 1}'.encode("utf-16"),
            b"\xef\xbb\xbf{}",
            b"1" * 5000,
            b"[" * 100_000,
            nested(DEPTH_LIMIT + 1),
        ],
    )
    def test_everything_but_strict_json_is_refused(self, raw: bytes) -> None:
        with pytest.raises(NotJson):
            read_json(raw)

    def test_the_error_repeats_nothing_from_the_document(self) -> None:
        with pytest.raises(NotJson) as error:
            read_json(b'{"secret": secret}')
        assert "secret" not in str(error.value)

    def test_nesting_is_accepted_up_to_its_limit(self) -> None:
        assert read_json(nested(DEPTH_LIMIT))

    def test_a_wide_document_is_accepted(self) -> None:
        assert len(read_json(b"[" + b",".join([b"[]"] * 5000) + b"]")) == 5000
