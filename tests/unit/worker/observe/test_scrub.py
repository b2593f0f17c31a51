"""Texts of strangers, without secrets, personal data and control characters."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq_worker.observe import scrub as module
from wooshq_worker.observe.scrub import scrub


def test_the_examples_in_its_docstring_hold() -> None:
    assert doctest.testmod(module).failed == 0


class WhenTextIsScrubbed:
    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("a\x1b[31mred\x1b[0m", "ared"),
            ("a\x1b]0;title\x07b", "ab"),
            ("one\r\ntwo\x00\x08", "one two"),
            ("x\u202egnp.exe", "xgnp.exe"),
            ("in\u200bvisible", "invisible"),
            ("half \ud800", "half"),
            ("ünïcode ✓ 🎉", "ünïcode ✓ 🎉"),
            ("\x9b31mred", "red"),
        ],
    )
    def test_only_visible_characters_stay(self, text: str, plain: str) -> None:
        assert scrub(text, []) == plain

    def test_it_is_cut_to_the_limit(self) -> None:
        assert len(scrub("é" * 10_000, [])) == 500

    def test_a_short_identifier_is_masked_only_if_it_stands_alone(self) -> None:
        assert scrub("user 1 of 100 in 2011", ["1"]) == "user […] of 100 in 2011"

    def test_an_invisible_character_does_not_hide_a_secret(self) -> None:
        assert "user-1" not in scrub("us\u200ber-1 is bad", ["user-1"])

    @given(
        before=st.text(max_size=30), secret=st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N"]), min_size=4, max_size=40)
    )
    def test_no_secret_survives(self, before: str, secret: str) -> None:
        assert secret not in scrub(f"{before} {secret} {secret}", [secret])

    @given(padding=st.integers(19_900, 20_100))
    def test_not_even_half_a_secret_survives_at_the_cut(self, padding: int) -> None:
        recipients = ["p" * 60, "q" * 60]
        text = ("p" * 60) * (padding // 60) + "q" * 60
        assert "p" not in scrub(text, recipients)
        assert "qq" not in scrub(text, recipients)

    def test_one_of_a_thousand_recipients_is_found(self) -> None:
        recipients = [f"someone-{n}@example.com" for n in range(1000)]
        assert scrub("someone-999@example.com is bad", recipients) == "[…] is bad"

    def test_the_token_of_an_authorization_header_is_masked_even_if_it_is_not_among_the_secrets(self) -> None:
        assert "aaaabbbbccccdddd" not in scrub("got 'Authorization: Token aaaabbbbccccdddd' from you", [])
