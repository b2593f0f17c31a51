"""Who changed something, and why: what is kept with a change."""

from __future__ import annotations

import getpass
import socket

import pytest

from wooshq.gates.who import MOST_BY, MOST_WHY, said, who


def test_it_is_the_user_and_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ana")
    monkeypatch.setattr(socket, "gethostname", lambda: "ops-1")
    assert who() == "ana@ops-1"
    assert said("noon", None) == ("noon", "ana@ops-1")
    assert said("noon", "the night shift") == ("noon", "the night shift")


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no username set in the environment"), ImportError("pwd")])
def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def nobody() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(socket, "gethostname", lambda: "x" * 300)
    assert who().startswith("uid ")
    assert len(who()) == MOST_BY


@pytest.mark.parametrize(
    ("why", "by", "error"),
    [
        ("\0", "ana", r"why: has a NUL character \(U\+0000\)\. Remove it"),
        ("\ud800", "ana", "why: is not valid Unicode"),
        ("noon", "x" * (MOST_BY + 1), "by: has 101 characters. Use at most 100"),
        ("x" * (MOST_WHY + 1), None, "why: has 501 characters. Use at most 500"),
        (5, None, "why: must be a text"),
    ],
)
def test_what_cannot_be_kept_is_refused(why: str, by: str | None, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        said(why, by)
