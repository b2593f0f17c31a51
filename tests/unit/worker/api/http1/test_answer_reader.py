"""Reading an answer: the same bytes give the same outcome, however they are cut; and nothing of one answer counts for another."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq_worker.api.http1.answer_reader import AnswerReader
from wooshq_worker.api.outcome import Answer, Break, Broke, Cut

LIMIT = 64
LOST = Break(Broke.DISCONNECTED)
BODY = b'{"result": {"message_code": "C-1"}}'
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Empty:\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\nDate: trailer\r\n\r\n" % (
    BODY[:5],
    len(BODY) - 5,
    BODY[5:],
)
SMALL = gzip.compress(BODY)
ZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(SMALL), SMALL)
AFTER_INTERIM = b"HTTP/1.1 103 Early Hints\r\nDate: early\r\nContent-Encoding: br\r\n\r\n" + PLAIN
NO_BODY = b"HTTP/1.1 204 No Content\r\nRetry-After: 1\r\nRETRY-AFTER: 2\r\n\r\n"
WHOLE = [PLAIN, CHUNKED, ZIPPED, AFTER_INTERIM, NO_BODY]


def fed(parts: Sequence[bytes], limit: int = LIMIT) -> tuple[AnswerReader, Answer | Break | None]:
    """The reader and the first outcome."""
    reader = AnswerReader(limit)
    for part in parts:
        if (outcome := reader.feed(part)) is not None:
            return reader, outcome
    return reader, None


def cut_at(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(data)]
    return [part for a, b in pairwise(edges) if (part := data[a:b])]


class WhenAnAnswerIsComplete:
    @pytest.mark.parametrize("data", WHOLE, ids=["length", "chunked", "gzip", "interim", "no body"])
    def test_it_is_read_and_the_connection_may_be_kept(self, data: bytes) -> None:
        reader, outcome = fed([data])
        assert isinstance(outcome, Answer)
        assert outcome.cut is None
        assert reader.may_be_kept
        assert outcome.body == (b"" if data is NO_BODY else BODY)
        assert outcome.headers == {
            PLAIN: {"content-type": ["application/json"]},
            AFTER_INTERIM: {"content-type": ["application/json"]},
            NO_BODY: {"retry-after": ["1", "2"]},
        }.get(data, {})

    @given(st.sampled_from(WHOLE), st.lists(st.integers(0, 200), max_size=8))
    def test_it_is_the_same_however_it_is_cut(self, data: bytes, places: list[int]) -> None:
        whole, outcome = fed([data])
        reader, cut = fed(cut_at(data, places))
        assert (cut, reader.may_be_kept) == (outcome, whole.may_be_kept)

    @given(st.sampled_from(WHOLE), st.integers(0, 200))
    def test_no_part_of_it_is_taken_for_a_complete_answer(self, data: bytes, size: int) -> None:
        reader, outcome = fed([data[: min(size, len(data) - 1)]])
        assert outcome is None
        lost = reader.end(LOST)
        assert lost == LOST or (isinstance(lost, Answer) and lost.cut is Cut.BROKEN)

    @pytest.mark.parametrize("more", [PLAIN, b"garbage", b"{", b"HTTP/1.1 2"], ids=["an answer", "garbage", "a byte", "a part"])
    def test_what_comes_after_it_does_not_count_and_closes_the_connection(self, more: bytes) -> None:
        reader, outcome = fed([PLAIN + more])
        assert outcome == fed([PLAIN])[1]
        assert not reader.may_be_kept

    def test_a_server_that_wants_to_close_the_connection_may(self) -> None:
        for data in (PLAIN.replace(b"X-Empty:", b"Connection: close"), PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0")):
            reader, outcome = fed([data])
            assert isinstance(outcome, Answer)
            assert (outcome.body, outcome.cut, reader.may_be_kept) == (BODY, None, False)

    def test_a_server_that_changes_the_protocol_is_not_followed(self) -> None:
        for data in (b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nmore", b"HTTP/1.1 101 X\r\n\r\nmore"):
            reader, outcome = fed([data])
            assert outcome == Answer(101, {}, b"")
            assert not reader.may_be_kept


class WhenABodyHasNoLength:
    @pytest.mark.parametrize("header", [b"", b"Transfer-Encoding: gzip\r\n"])
    def test_it_ends_with_the_connection(self, header: bytes) -> None:
        reader, outcome = fed([b"HTTP/1.1 200 OK\r\n" + header + b"\r\n" + BODY[:5], BODY[5:]])
        assert outcome is None
        assert reader.end(LOST) == Answer(200, {}, BODY)
        assert not reader.may_be_kept

    def test_a_reset_breaks_it(self) -> None:
        reader, _ = fed([b"HTTP/1.1 200 OK\r\n\r\n" + BODY])
        assert reader.break_off(Cut.BROKEN, LOST) == Answer(200, {}, BODY, Cut.BROKEN)

    def test_a_compressed_one_must_be_whole(self) -> None:
        for body, cut in ((SMALL, None), (SMALL[:-9], Cut.ENCODING)):
            reader, _ = fed([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + body])
            outcome = reader.end(LOST)
            assert isinstance(outcome, Answer)
            assert outcome.cut is cut


class WhenAnAnswerIsNotAsItShouldBe:
    @pytest.mark.parametrize("size", [1, 1000, 10**6])
    def test_a_head_without_an_end_is_malformed(self, size: int) -> None:
        data = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000
        _, outcome = fed([data[at : at + size] for at in range(0, len(data), size)])
        assert isinstance(outcome, Break)
        assert outcome.kind is Broke.MALFORMED

    def test_a_chunk_that_is_not_one_breaks_the_body(self) -> None:
        _, outcome = fed([CHUNKED.replace(b"0\r\nDate", b"zz\r\nDate")])
        assert outcome == Answer(200, {}, BODY, Cut.BROKEN)

    @pytest.mark.parametrize(
        "data",
        [b"\x00", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 1000 OK\r\n\r\n", CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n", 1)],
    )
    def test_a_head_that_is_not_http_is_malformed(self, data: bytes) -> None:
        _, outcome = fed([data])
        assert isinstance(outcome, Break)
        assert (outcome.kind, outcome.may_have_been_sent) == (Broke.MALFORMED, True)

    def test_a_body_above_the_limit_is_cut(self) -> None:
        for size, cut in ((LIMIT, None), (LIMIT + 1, Cut.LIMIT)):
            reader, outcome = fed([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size])
            assert outcome == Answer(200, {}, b"x" * LIMIT, cut)
            assert reader.may_be_kept is (cut is None)

    def test_an_unknown_encoding_is_not_read(self) -> None:
        reader, outcome = fed([PLAIN.replace(b"X-Empty:", b"Content-Encoding: br")])
        assert isinstance(outcome, Answer)
        assert (outcome.cut, reader.may_be_kept) == (Cut.ENCODING, False)
