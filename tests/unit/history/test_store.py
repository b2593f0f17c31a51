"""Batches of the history may come twice, in any order and from many writers: it holds each record once, with its last move."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.history.records import AT, KINDS, a_history, a_record, an_id, some_records
from wooshq.history.contract import History
from wooshq.history.record import Record
from wooshq.search.tree import Field, Is


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def history(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with a_history(kind, tmp_path_factory.mktemp("history")) as opened:
        yield opened


class WhenRecordsAreWritten:
    def test_they_are_read_as_they_were(self, history: History) -> None:
        sent, dead = a_record(1), a_record(2, state="dead", reason="rejected", detail="users.list[0]: no")
        history.write([sent, dead])
        assert (history.read(an_id(1)), history.read(an_id(2)), history.read(an_id(3))) == (sent, dead, None)
        assert history.read_many([an_id(n) for n in range(1200)]) == {sent.id: sent, dead.id: dead}
        assert history.read(an_id(1), "letter") is None
        assert history.read("not an id of ours") is None

    def test_an_older_move_changes_nothing(self, history: History) -> None:
        old, new = a_record(1, moved_ms=1, body={"to": {"users": ["old"]}}), a_record(1, moved_ms=2, body={"to": {"users": ["new"]}})
        history.write([new])
        history.write([old])
        assert history.read(an_id(1)) == new
        assert history.find(Is(Field.RECIPIENT, "old"), limit=1) == []

    def test_of_two_that_moved_at_once_always_the_same_one_stays(self, history: History) -> None:
        pairs = [
            (a_record(n, lane="bulk", app=one), a_record(n, lane="transactional", app=other)) for n, (one, other) in enumerate(["Ab", "Öz"])
        ]
        for a, b in pairs:
            history.write([a])
            history.write([b])
            first = history.read(a.id)
            for both in ([b], [a], [a, b], [b, a]):
                history.write(both)
                assert history.read(a.id) == first

    @settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(some_records(), min_size=1, max_size=8), st.data())
    def test_doubled_and_in_any_order_they_end_the_same(self, history: History, records: list[Record], data: st.DataObject) -> None:
        ends = []
        for _ in range(2):
            while history.prune(1 << 60, 1000):
                pass
            moves = data.draw(st.permutations([*records, *records]))
            size = data.draw(st.integers(1, len(moves)))
            for start in range(0, len(moves), size):
                history.write(moves[start : start + size])
            ends.append(history.find(None, limit=100))
        assert ends[0] == ends[1]
        newest: dict[tuple[str, str], int] = {}
        for record in records:
            name = (record.kind, record.id)
            newest[name] = max(newest.get(name, 0), record.changed_ms)
        assert {(record.kind, record.id): record.changed_ms for record in ends[0]} == newest

    @pytest.mark.parametrize("odd", ["NULL", "", '"', "\\", '\\"', "{a,b}", "',' ; --", "\n\t", "\\x41", "ü\u2028𝄞"])
    def test_no_text_is_read_as_anything_else(self, history: History, odd: str) -> None:
        odd_one = a_record(9, state="dead", reason=odd, app=odd, lane=odd, detail=f"said {odd}", body={"message": {"push": {"title": odd}}})
        history.write([a_record(8), odd_one, a_record(10)])
        assert history.read(odd_one.id) == odd_one
        assert history.find(Is(Field.APP, odd), limit=5) == [odd_one]

    def test_a_batch_may_have_any_size(self, history: History) -> None:
        batch = [a_record(n, body={"to": {"users": [f"u{n % 3}"]}, "tags": {"n": str(n)}}) for n in range(1234)]
        history.write(batch)
        assert history.read_many([record.id for record in batch]) == {record.id: record for record in batch}
        assert len(history.find(Is(Field.RECIPIENT, "u2"), limit=2000)) == 411
        assert history.find(Is(Field.TAG, "1233", "n"), limit=2) == batch[1233:]
        history.write(batch[::2])
        assert len(history.find(None, limit=2000)) == 1234

    def test_many_writers_and_readers_do_not_disturb_each_other(self, history: History) -> None:
        def write(seed: int) -> None:
            for start in range(0, 200, 20):
                history.write(a_record((n * (seed + 1)) % 200, moved_ms=seed) for n in range(start, start + 20))
                history.find(Is(Field.RECIPIENT, "u1"), limit=5)

        errors: list[BaseException] = []
        before = threading.excepthook
        threading.excepthook = lambda given: errors.append(given.exc_value or SystemExit())
        try:
            threads = [threading.Thread(target=write, args=(seed,)) for seed in (0, 2, 6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            threading.excepthook = before
        assert errors == []
        assert history.size().records == len(history.find(Is(Field.RECIPIENT, "u1"), limit=999)) == 200
        assert {record.changed_ms for record in history.find(None, limit=999)} == {AT + 6}

    def test_pages_follow_each_other_although_many_ended_at_once(self, history: History) -> None:
        history.write(a_record(n, at_ms=AT + n // 10) for n in range(45))
        found: list[Record] = []
        while page := history.find(None, limit=7, after=found[-1] if found else None):
            found += page
        assert [record.id for record in found] == [an_id(n) for n in sorted(range(45), key=lambda n: (n // 10, n), reverse=True)]

    def test_only_those_in_doubt_are_found(self, history: History) -> None:
        history.write([a_record(1), a_record(2, doubts="1")])
        assert [record.id for record in history.find(None, limit=5, in_doubt=True)] == [an_id(2)]


class WhenTimePasses:
    def test_what_is_old_leaves_with_all_that_finds_it_oldest_first(self, history: History) -> None:
        history.write(a_record(n, at_ms=AT + n) for n in (3, 1, 2))
        assert history.prune(AT + 3, 1) == 1
        assert [record.id for record in history.find(Is(Field.RECIPIENT, "u1"), limit=9)] == [an_id(3), an_id(2)]
        assert history.prune(AT + 3, 10) == 1
        assert [record.id for record in history.find(Is(Field.TEXT, "on its way"), limit=9)] == [an_id(3)]
        assert history.prune(AT + 3, 10) == 0
        assert history.size().records == 1


class WhenBodiesAreNotKept:
    def test_recipient_and_key_find_a_record_that_does_not_name_them(self, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        folder = tmp_path_factory.mktemp("history")
        with a_history(kind, folder, history_bodies=False) as history:
            history.write([a_record(1, body={"to": {"users": ["ann-1"]}, "idempotency_key": "k-1"}, detail="ann is unknown")])
            for condition in (Is(Field.RECIPIENT, "ann-1"), Is(Field.KEY, "k-1"), Is(Field.TEXT, "unknown")):
                (found,) = history.find(condition, limit=2)
                assert (found.recipients, found.key, found.body, found.shown["state"]) == ((), "", "", "sent")
            assert history.find(Is(Field.TEXT, "on its way"), limit=2) == []
            if kind == "sqlite":
                history.close()
                assert not any(b"ann-1" in file.read_bytes() for file in folder.iterdir())
