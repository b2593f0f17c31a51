"""Which tokens are valid, and which form the header must have."""

from __future__ import annotations

import pytest

from wooshq_worker.sandbox.tokens import Tokens, token_of


class WhenAHeaderIsRead:
    def test_the_token_comes_after_the_scheme(self) -> None:
        assert token_of("Token abc.def-123") == "abc.def-123"

    @pytest.mark.parametrize(
        "header", [None, "", "Token", "Token ", "token abc", "Bearer abc", "abc", "Token  abc", "Token a b", "Token abc, Token abc"]
    )
    def test_every_other_form_has_no_token(self, header: str | None) -> None:
        assert token_of(header) is None


class WhenATokenIsChecked:
    def test_the_first_token_is_valid_for_all_applications(self) -> None:
        tokens = Tokens("t")
        assert tokens.is_valid("t", "A")
        assert tokens.is_valid("t", None)
        assert not tokens.is_valid("other", "A")
        assert not tokens.is_valid(None, "A")

    def test_without_a_first_token_every_token_is_valid_but_a_missing_one(self) -> None:
        tokens = Tokens(None)
        assert tokens.is_valid("whatever", "A")
        assert not tokens.is_valid(None, "A")

    def test_a_revoked_token_is_invalid_until_restored(self) -> None:
        tokens = Tokens(None)
        tokens.revoke("t")
        assert not tokens.is_valid("t", "A")
        assert tokens.is_valid("u", "A")
        tokens.restore("t")
        assert tokens.is_valid("t", "A")

    def test_a_token_can_be_revoked_for_one_application(self) -> None:
        tokens = Tokens("t")
        tokens.revoke("t", "A")
        assert not tokens.is_valid("t", "A")
        assert tokens.is_valid("t", "B")
        tokens.restore("t", "A")
        assert tokens.is_valid("t", "A")

    def test_restoring_without_an_application_undoes_every_revocation(self) -> None:
        tokens = Tokens("t")
        tokens.revoke("t")
        tokens.revoke("t", "A")
        tokens.restore("t")
        assert tokens.is_valid("t", "A")

    def test_a_token_can_be_valid_for_some_applications_only(self) -> None:
        tokens = Tokens("t")
        tokens.replace({"a": ["A"], "all": None})
        assert tokens.is_valid("a", "A")
        assert not tokens.is_valid("a", "B")
        assert not tokens.is_valid("a", None)
        assert tokens.is_valid("all", "B")
        assert not tokens.is_valid("t", "A")
        tokens.reset()
        assert tokens.is_valid("t", "A")
