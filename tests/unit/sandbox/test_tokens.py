"""Which tokens are good, and what a header must look like."""

from __future__ import annotations

import pytest

from wooshq_worker.sandbox.tokens import Tokens, token_of


class WhenAHeaderIsRead:
    def test_the_token_stands_after_its_scheme(self) -> None:
        assert token_of("Token abc.def-123") == "abc.def-123"

    @pytest.mark.parametrize(
        "header", [None, "", "Token", "Token ", "token abc", "Bearer abc", "abc", "Token  abc", "Token a b", "Token abc, Token abc"]
    )
    def test_every_other_form_is_none(self, header: str | None) -> None:
        assert token_of(header) is None


class WhenTokensAreAskedFor:
    def test_the_one_of_the_start_is_good_for_all(self) -> None:
        tokens = Tokens("t")
        assert tokens.good("t", "A")
        assert tokens.good("t", None)
        assert not tokens.good("other", "A")
        assert not tokens.good(None, "A")

    def test_without_one_any_is_good_but_not_none(self) -> None:
        tokens = Tokens(None)
        assert tokens.good("whatever", "A")
        assert not tokens.good(None, "A")

    def test_a_revoked_one_is_good_for_nothing_until_restored(self) -> None:
        tokens = Tokens(None)
        tokens.revoke("t")
        assert not tokens.good("t", "A")
        assert tokens.good("u", "A")
        tokens.restore("t")
        assert tokens.good("t", "A")

    def test_one_may_be_revoked_for_one_application(self) -> None:
        tokens = Tokens("t")
        tokens.revoke("t", "A")
        assert not tokens.good("t", "A")
        assert tokens.good("t", "B")
        tokens.restore("t", "A")
        assert tokens.good("t", "A")

    def test_restoring_without_an_application_takes_back_all(self) -> None:
        tokens = Tokens("t")
        tokens.revoke("t")
        tokens.revoke("t", "A")
        tokens.restore("t")
        assert tokens.good("t", "A")

    def test_one_may_be_good_for_some_applications_only(self) -> None:
        tokens = Tokens("t")
        tokens.replace({"a": ["A"], "all": None})
        assert tokens.good("a", "A")
        assert not tokens.good("a", "B")
        assert not tokens.good("a", None)
        assert tokens.good("all", "B")
        assert not tokens.good("t", "A")
        tokens.reset()
        assert tokens.good("t", "A")
