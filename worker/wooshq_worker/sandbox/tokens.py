"""Which tokens are valid for which applications now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Tokens:
    """
    The valid tokens. Starts with one token. If that is None, every token is valid until `replace`.

    Revocations are kept separately, so that `restore` brings back exactly what was there before.
    """

    def __init__(self, token: str | None) -> None:
        self._first = token
        self.reset()

    def reset(self) -> None:
        """Back to the first token, with nothing revoked."""
        self._valid: dict[str, frozenset[str] | None] | None = None if self._first is None else {self._first: None}
        self._revoked: set[str] = set()
        self._revoked_for: set[tuple[str, str]] = set()

    def replace(self, valid: Mapping[str, Iterable[str] | None]) -> None:
        """Makes only these tokens valid: token → its applications, None for all. Clears revocations."""
        self._valid = {token: None if only is None else frozenset(only) for token, only in valid.items()}
        self._revoked.clear()
        self._revoked_for.clear()

    def revoke(self, token: str, application: str | None = None) -> None:
        """Revokes a token, for one application or (None) for all."""
        if application is None:
            self._revoked.add(token)
        else:
            self._revoked_for.add((token, application))

    def restore(self, token: str, application: str | None = None) -> None:
        """Undoes `revoke`. Without an application, undoes every `revoke` of this token."""
        if application is None:
            self._revoked.discard(token)
            self._revoked_for = {pair for pair in self._revoked_for if pair[0] != token}
        else:
            self._revoked_for.discard((token, application))

    def is_valid(self, token: str | None, application: str | None) -> bool:
        """Whether this token may send for this application (None: the body has no application)."""
        if not token or token in self._revoked:
            return False
        if self._valid is not None:
            if token not in self._valid:
                return False
            only = self._valid[token]
            if only is not None and application not in only:
                return False
        return application is None or (token, application) not in self._revoked_for


def token_of(authorization: str | None) -> str | None:
    """The token after `Token ` in the header; None if the header has another form. Rule: the reference, "The call"."""
    if authorization is None or not authorization.startswith("Token "):
        return None
    token = authorization[len("Token ") :]
    return token if token and not any(sign.isspace() or sign == "," for sign in token) else None
