"""How long the API asks us to wait, and how long a verdict says."""

from __future__ import annotations

import json
from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.api.answers import EXAMPLES, NOW, an_answer, the_verdict
from wooshq_worker.api.verdict import Hold, Retry, Unknown


class WhenTheApiSaysWhenToComeBack:
    @pytest.mark.parametrize(
        ("values", "seconds"),
        [
            (["5"], 5.0),
            ([" 5 "], 5.0),
            (["1.5"], 1.5),
            (["999999999"], 3600.0),
            (["9" * 300], None),
            (["9" * 5000], None),
            (["0"], None),
            (["-1"], None),
            (["abc"], None),
            ([""], None),
            (["nan"], None),
            (["inf"], None),
            (["1_0"], None),
            (["٣"], None),
            (["5", "60"], 60.0),
            (["60", "5"], 60.0),
            (["5, 60"], 60.0),
            (["abc", "7"], 7.0),
            (["-1", "-2"], None),
            ([], None),
            (["Fri, 01 May 2026 12:00:30 GMT"], 30.0),
            (["Friday, 01-May-26 12:00:30 GMT"], 30.0),
            (["Fri May  1 12:00:30 2026"], 30.0),
            (["Fri, 01 May 2026 11:59:00 GMT"], None),
            (["Fri, 01 May 2027 12:00:00 GMT"], 3600.0),
            (["Fri, 99 May 2026 12:00:00 GMT"], None),
            (["Fri, 01 May 99999999 12:00:00 GMT"], None),
            (["Fri, 01 May 2026 12:00:30 GMT", "5"], 30.0),
            # Durations, as Go writes them, or as people do.
            (["4s"], 4.0),
            (["1m0s"], 60.0),
            (["0h1m2.5s"], 62.5),
            (["1500ms"], 1.5),
            (["4s, 9s"], 9.0),
            (["30 seconds"], 30.0),
            (["2 min"], 120.0),
            (["1 hour 1 second"], 3600.0),
            (["-4s"], None),
            (["4x"], None),
            (["s"], None),
            # ISO dates.
            (["2026-05-01T12:00:30Z"], 30.0),
            (["2026-05-01T14:00:30+02:00"], 30.0),
            (["2026-05-01 12:00:30"], 30.0),
            (["2026-05-01T11:59:00.5Z"], None),
            (["2026-99-01T12:00:30Z"], None),
            (["2027-05-01"], 3600.0),
            # A number above 10⁹ is a date: seconds, ms, µs or ns since 1970.
            (["1777636830"], 30.0),
            (["1777636830000"], 30.0),
            (["1777636830000000"], 30.0),
            (["1777636770"], None),
            (["1e12"], None),
            (["1e30"], None),
        ],
    )
    @pytest.mark.parametrize("status", [429, 503])
    def test_it_is_kept_and_capped_and_ignored_if_it_makes_no_sense(self, status: int, values: list[str], seconds: float | None) -> None:
        verdict = the_verdict(an_answer(status, headers={"retry-after": values}))
        assert isinstance(verdict, Retry)
        assert verdict.not_before_s == seconds

    @given(skew=st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400)))
    def test_a_date_counts_from_the_answers_own_clock(self, skew: timedelta) -> None:
        theirs = (NOW + skew).replace(microsecond=0)
        headers = {
            "date": format_datetime(theirs, usegmt=True),
            "retry-after": format_datetime(theirs + timedelta(seconds=42), usegmt=True),
        }
        verdict = the_verdict(an_answer(503, headers=headers))
        assert isinstance(verdict, Retry)
        assert verdict.not_before_s == 42.0

    def test_retry_info_counts_and_the_longer_of_the_two_is_kept(self) -> None:
        body = json.loads((EXAMPLES / "answer-resource-exhausted.json").read_bytes())
        for header, seconds in (([], 3.5), (["2"], 3.5), (["10"], 10.0), (["abc"], 3.5)):
            verdict = the_verdict(an_answer(429, body, headers={"retry-after": header}))
            assert isinstance(verdict, Retry)
            assert verdict.not_before_s == seconds
            assert verdict.application_waits

    def test_a_hold_and_an_unknown_carry_it_too(self) -> None:
        for status in (401, 504):
            verdict = the_verdict(an_answer(status, headers={"retry-after": "9"}))
            assert isinstance(verdict, Hold | Unknown)
            assert verdict.not_before_s == 9.0

    @given(st.lists(st.text(max_size=40), max_size=4), st.lists(st.text(max_size=40), max_size=3))
    def test_no_header_can_do_more_than_this(self, values: list[str], dates: list[str]) -> None:
        verdict = the_verdict(an_answer(503, headers={"retry-after": values, "date": dates}))
        assert isinstance(verdict, Retry)
        assert verdict.not_before_s is None or 0 < verdict.not_before_s <= 3600
