"""Which act fits dead letters with the same cause."""

from __future__ import annotations

import pytest

from wooshq.ledger.states import Reason
from wooshq.letters.acts import MEANS, TABLE, Act, act_for


class WhenAGroupIsShown:
    @pytest.mark.parametrize(
        ("reason", "detail", "act"),
        [
            ("invalid", "message.posh: no such field", Act.FIX),
            ("rejected", "payload.preset: the preset is not known", Act.FIX),
            ("rejected", "transactional.users.list[n]: is not valid", Act.CLEAN),
            ("rejected", "a recipient is not valid", Act.CLEAN),
            ("too_large", "", Act.FIX),
            ("exhausted", "UNAVAILABLE", Act.REPLAY),
            ("unknown", "no answer", Act.ASK),
            ("poison", "", Act.ASK),
            ("of_a_newer_version", "", None),
        ],
    )
    def test_its_act_follows_from_its_reason_and_detail(self, reason: str, detail: str, act: Act | None) -> None:
        assert act_for(reason, detail, has_expired=False, gate_is_shut=False) is act

    def test_while_a_gate_is_shut_what_was_exhausted_waits_for_it(self) -> None:
        assert act_for("exhausted", "UNAVAILABLE", has_expired=False, gate_is_shut=True) is Act.WAIT

    def test_what_is_too_late_is_discarded(self) -> None:
        assert act_for("rejected", "no", has_expired=True, gate_is_shut=True) is Act.DISCARD

    def test_every_reason_has_an_act_and_every_act_is_explained(self) -> None:
        assert {row.reason for row in TABLE} == set(Reason)
        assert MEANS.keys() == set(Act)
