"""Memory: it is constant, however large the file or one of its lines is."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.unit.recipients.reading import MIB, Stream, a_stream, in_short
from wooshq.recipients.file import BadRow
from wooshq_schemas import Recipient


class WhenAFileIsLarge:
    @pytest.mark.parametrize(("kind", "many"), [("csv", 300_000), ("quoted csv", 60_000), ("ndjson", 60_000), ("gzip", 60_000)])
    def test_memory_does_not_grow_with_the_file(self, kind: str, many: int) -> None:
        def lines(count: int) -> Iterator[bytes]:
            for at in range(0, count, 1_000):
                users = (f"u{n}" for n in range(at, at + 1_000))
                if kind == "ndjson":
                    yield "".join(f'{{"user":"{user}","note":"{"x" * 50}"}}\n' for user in users).encode()
                else:
                    quote = '"' if kind == "quoted csv" else ""
                    yield "".join(f"{quote}{user}{quote},{quote}{'x' * 50}{quote}\n" for user in users).encode()

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
    def test_a_line_of_200_mb_is_one_bad_row_and_is_not_kept(self, begins: bytes) -> None:
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
        assert in_short(rows)[0::2] == ["u1", "u3"]
        assert isinstance(rows[1], BadRow)
        assert len(rows[1].text) == 1_000
        assert most < 8 * MIB
