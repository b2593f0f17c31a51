from __future__ import annotations

from typing import Any

import pytest

from wooshq_schemas import PLATFORMS, Platforms


class WhenTheTableIsCorrected:
    def test_a_row_is_found_by_block_or_by_its_name_in_small_letters(self) -> None:
        table = Platforms.corrected({"huawei_android": {"name": "HUAWEI"}, "email": {"number": 99}})
        assert table.by_name["HUAWEI"].block == "huawei_android"
        assert table.by_name["EMAIL"].number == 99

    def test_the_name_of_the_reference_still_finds_it(self) -> None:
        table = Platforms.corrected({"ios": {"name": "APPLE"}})
        assert table.named("IOS") == table.named("APPLE") == table.rows["IOS"]

    def test_the_default_stays_as_it_is(self) -> None:
        Platforms.corrected({"ios": {"name": "APPLE"}})
        assert "IOS" in PLATFORMS.by_name
        assert len(list(PLATFORMS)) == 17

    @pytest.mark.parametrize(
        "corrections",
        [
            {"iso": {}},
            {"ios": {"nam": "x"}},
            {"ios": {"number": "1"}},
            {"ios": {"number": True}},
            {"ios": {"name": ""}},
            {"ios": {"name": "ANDROID"}},
            {"email": {"block": "x"}},
        ],
    )
    def test_a_correction_that_makes_no_sense_is_refused(self, corrections: Any) -> None:
        with pytest.raises(ValueError):
            Platforms.corrected(corrections)
