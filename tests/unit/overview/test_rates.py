"""What ended in the last minutes: counted, kept in a ring, and read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq.overview.rates import MINUTE_MS, MINUTES, WAY_S, Ends, Rates, bucket_of, quantile_of, read_rates

NOW_MS = 1000 * MINUTE_MS + 15_000  # a quarter of a minute has passed


def ways(*seconds: float) -> list[int]:
    found = [0] * (len(WAY_S) + 1)
    for one in seconds:
        found[bucket_of(one)] += 1
    return found


def of_minutes(**by_minute: Ends) -> Rates:
    """by_minute: `m0` is the minute that has begun, `m1` the one before it."""
    kept = {f"bulk {1000 - int(name[1:])}": f"{1000 - int(name[1:])} {ends.as_text()}" for name, ends in by_minute.items()}
    return read_rates(kept, {}, NOW_MS)["bulk"]


class WhenEndsAreAddedUp:
    def test_what_came_since_is_the_difference(self) -> None:
        before, now = Ends(1, 0, 0, 0, 5, 0, ways(0.1)), Ends(3, 1, 0, 0, 5, 2, ways(0.1, 2, 2))
        more = now.since(before)
        assert (more.sent, more.retried, more.job_sent, more.job_dead, more.ways) == (2, 1, 0, 2, ways(2, 2))
        before += more
        assert before == now

    def test_nothing_is_empty_and_anything_is_not(self) -> None:
        assert Ends().is_empty
        assert not Ends(job_dead=1).is_empty


class WhenTheRingIsRead:
    def test_every_minute_of_the_last_hour_is_there_the_oldest_first(self) -> None:
        rates = of_minutes(m0=Ends(sent=7), m59=Ends(sent=5), m60=Ends(sent=4))
        assert len(rates.minutes) == MINUTES + 1
        assert [ends.sent for ends in rates.minutes][:2] == [4, 5]
        assert rates.minutes[-1].sent == 7

    def test_a_field_of_an_earlier_round_does_not_count(self) -> None:
        rates = read_rates({"bulk 100": f"820 {Ends(sent=9).as_text()}", "bulk sent_at": "123"}, {}, NOW_MS)["bulk"]
        assert sum(ends.sent for ends in rates.minutes) == 0
        assert rates.sent_at_ms == 123

    def test_numbers_that_another_version_adds_or_lacks_do_no_harm(self) -> None:
        more = read_rates({"bulk 1": f"1000 {Ends(sent=2).as_text()} 7 7"}, {}, NOW_MS)["bulk"].minutes[-1]
        fewer = read_rates({"bulk 1": "1000 2 1"}, {}, NOW_MS)["bulk"].minutes[-1]
        assert (more, fewer) == (Ends(sent=2), Ends(sent=2, retried=1))

    @given(st.lists(st.integers(0, 10**9), min_size=6, max_size=6), st.lists(st.integers(0, 10**9), min_size=16, max_size=16))
    def test_what_is_written_is_read(self, counters: list[int], kept: list[int]) -> None:
        ends = Ends(*counters, ways=kept)
        assert read_rates({"bulk 1": f"1000 {ends.as_text()}"}, {}, NOW_MS)["bulk"].minutes[-1] == ends


class WhenRatesAreTold:
    def test_a_minute_is_the_part_of_the_last_one_that_is_not_older_and_the_one_that_has_begun(self) -> None:
        assert of_minutes(m0=Ends(sent=10), m1=Ends(sent=100)).a_minute("sent") == 10 + 75

    def test_the_last_minutes_and_the_usual_before_them_are_apart(self) -> None:
        rates = of_minutes(m0=Ends(dead=1), m5=Ends(dead=2), m6=Ends(dead=55))
        assert rates.in_recent("dead") == 3
        assert rates.before_recent("dead") == pytest.approx(55 / 55 * 5.25)

    def test_a_latency_lies_in_its_bucket(self) -> None:
        rates = of_minutes(m0=Ends(sent=100, ways=ways(*[0.2] * 98, 7, 7)))
        p50, p99 = rates.way_s(0.5), rates.way_s(0.99)
        assert p50 is not None
        assert p99 is not None
        assert 0.1 < p50 <= 0.25
        assert 5 < p99 <= 10

    def test_nothing_that_was_sent_has_no_latency_and_the_longest_is_the_last_bound(self) -> None:
        assert of_minutes(m0=Ends(dead=1)).way_s(0.5) is None
        assert quantile_of(ways(10**6), 0.5) == WAY_S[-1]

    @given(st.lists(st.floats(0, 30_000), min_size=1, max_size=50), st.floats(0.01, 1))
    def test_a_quantile_is_never_outside_of_what_was_counted(self, seconds: list[float], quantile: float) -> None:
        found = quantile_of(ways(*seconds), quantile)
        assert found is not None
        low, high = min(map(bucket_of, seconds)), max(map(bucket_of, seconds))
        assert (WAY_S[low - 1] if low else 0) <= found <= WAY_S[min(high, len(WAY_S) - 1)]
