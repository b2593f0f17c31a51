"""The order of messages that wait is read from ranks that a script has made."""

from __future__ import annotations

from wooshq.finding.browse import _IN_DOUBT, _ranked
from wooshq.ledger import scripts


def test_what_a_script_adds_to_the_rank_of_an_intent_in_doubt_is_taken_off() -> None:
    shared = scripts.source_of("intents/settle").text
    assert f"local IN_DOUBT = {_IN_DOUBT:.0e}".replace("e+", "e") in shared
    assert sorted(_ranked([[b"doubted", b"200000000000005", b"other", b"6"]])) == [(5.0, "doubted"), (6.0, "other")]
