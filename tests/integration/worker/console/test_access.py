"""Who may do what: bearer tokens, scopes, limits."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.worker.console.served import SECRET, served
from tests.rig import Rig, an_intent, wait_until
from wooshq import SettingsInvalid, Wooshq
from wooshq_worker.console.serve import tokens_for


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class WhenATokenIsMade:
    def test_it_is_shown_once_and_only_its_hash_is_kept(self, wooshq: Wooshq) -> None:
        made = wooshq.tokens.make("shop", ["send", "read"], why="the shop", by="ana")
        assert made.secret.startswith("wq_")
        assert made.secret not in repr(made)
        (kept,) = wooshq.tokens.list()
        assert (kept.name, kept.scopes, kept.by, kept.why) == ("shop", ["read", "send"], "ana", "the shop")
        assert "hash" not in dict(kept)
        (act,) = wooshq.audit().found
        assert (act.by, act.did, act.what, act.result) == ("ana", "made", "token shop", "read send")
        assert wooshq.changes() == []

    @pytest.mark.parametrize(
        ("name", "scopes"), [("", ["read"]), ("a b", ["read"]), ("x" * 65, ["read"]), ("a", []), ("a", ["admin"]), ("a", ["read", ""])]
    )
    def test_a_name_or_scope_that_cannot_be_is_refused(self, wooshq: Wooshq, name: str, scopes: list[str]) -> None:
        with pytest.raises(ValueError):
            wooshq.tokens.make(name, scopes)

    def test_a_name_is_used_once(self, wooshq: Wooshq) -> None:
        wooshq.tokens.make("shop", ["read"])
        with pytest.raises(ValueError, match="another token has this name"):
            wooshq.tokens.make("shop", ["read"])
        assert wooshq.tokens.revoke("shop")
        assert not wooshq.tokens.revoke("shop")
        wooshq.tokens.make("shop", ["read"])
        assert [act.did for act in wooshq.audit().found] == ["made", "revoked", "made"]


class WhenARequestComes:
    @pytest.mark.parametrize(
        "said", ["", "Bearer", "Basic abc", "Bearer wq_nobody", f"Bearer {SECRET}x", f"Token {SECRET}", "Bearer " + "x" * 5000]
    )
    def test_without_a_known_token_it_is_401(self, http: httpx.Client, said: str) -> None:
        done = http.get("/v1/intents/x", headers={"Authorization": said})
        assert (done.status_code, done.json()["type"]) == (401, "urn:wooshq:unauthorized")
        assert done.headers["www-authenticate"].startswith("Bearer")

    def test_with_two_tokens_it_is_401_although_one_of_them_is_known(self, http: httpx.Client) -> None:
        for one, other in ((SECRET, "wq_nobody"), ("wq_nobody", SECRET), (SECRET, SECRET)):
            done = http.get("/v1/intents/x", headers=[("Authorization", f"Bearer {one}"), ("Authorization", f"Bearer {other}")])
            assert (done.status_code, done.json()["detail"]) == (401, "Send one header Authorization, not several")

    def test_what_it_may_not_do_is_403_and_names_the_scope(self, http: httpx.Client, wooshq: Wooshq) -> None:
        made = {scope: bearer(wooshq.tokens.make(scope, [scope]).secret) for scope in ("read", "send", "operate")}
        tries = {
            "read": ("GET", "/v1/intents/x", 404),
            "send": ("POST", "/v1/intents", 202),
            "operate": ("POST", "/v1/intents/x/cancel", 404),
        }
        for name, headers in made.items():
            for scope, (way, path, status) in tries.items():
                done = http.request(way, path, json=an_intent() if scope == "send" else None, headers=headers)
                assert done.status_code == (status if name == scope else 403), (name, scope, done.text)
                assert name == scope or f'scope="{scope}"' in done.headers["www-authenticate"]

    def test_a_token_that_is_made_counts_at_once_and_a_revoked_one_soon_does_not(self, http: httpx.Client, wooshq: Wooshq) -> None:
        made = bearer(wooshq.tokens.make("shop", ["read"]).secret)
        wait_until(lambda: http.get("/v1/intents/x", headers=made).status_code == 404)
        wooshq.tokens.revoke("shop")
        wait_until(lambda: http.get("/v1/intents/x", headers=made).status_code == 401)

    def test_more_requests_than_a_token_may_make_are_429(self, wooshq: Wooshq) -> None:
        with served(wooshq.settings.model_copy(update={"console_rate_per_s": 0.01})) as http:
            assert http.get("/v1/intents/x").status_code == 404
            done = http.get("/v1/intents/x")
            assert (done.status_code, done.json()["type"]) == (429, "urn:wooshq:too-many-requests")
            assert 1 <= int(done.headers["retry-after"]) <= 100

    def test_a_body_above_the_limit_is_413(self, wooshq: Wooshq) -> None:
        def in_pieces() -> Iterator[bytes]:
            yield from [b" " * 1000] * 10

        with served(wooshq.settings.model_copy(update={"console_body_bytes": 1024, "max_intent_bytes": 2048})) as http:
            for body in (b" " * 10_000, in_pieces()):
                done = http.post("/v1/intents", content=body, headers={"Content-Type": "application/json"})
                assert (done.status_code, done.json()["type"]) == (413, "urn:wooshq:too-large")
            where = http.post("/v1/intents", json=an_intent()).headers["location"]
            assert http.post(f"{where}/cancel", json={"why": "x" * 1100}).status_code == 413

    def test_a_body_that_does_not_come_is_408(self, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wooshq_worker.console.api.body.IDLE_S", 0.05)
        url = http.base_url
        with socket.create_connection((url.host, url.port or 0), 60) as connection, connection.makefile("rb") as answer:
            head = f"POST /v1/intents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
            assert answer.readline().startswith(b"HTTP/1.1 408")


class WhenTheServerStarts:
    def test_another_address_than_this_machines_own_needs_a_token(self, wooshq: Wooshq) -> None:
        with pytest.raises(SettingsInvalid, match="there is no token"):
            tokens_for(wooshq.settings, "0.0.0.0", tell=None)
        wooshq.tokens.make("shop", ["read"])
        assert tokens_for(wooshq.settings, "0.0.0.0", tell=None) == ()

    def test_without_tokens_a_person_is_told_one_of_this_run(self, wooshq: Wooshq) -> None:
        told: list[str] = []
        (made,) = tokens_for(wooshq.settings, "127.0.0.1", tell=told.append)
        assert made.scopes == ["read", "send", "operate"]
        assert made.hash not in told[0]
        assert wooshq.tokens.list() == [], "it ends with the process"

    def test_a_token_of_the_environment_counts(self, wooshq: Wooshq) -> None:
        secret = "a-token-of-the-environment-0123456789"
        settings = type(wooshq.settings)(**{**wooshq.settings.model_dump(), "console_token": secret})
        assert tokens_for(settings, "0.0.0.0", tell=None) == ()
        with served(settings) as http:
            assert http.get("/v1/intents/x", headers=bearer(secret)).status_code == 404

    def test_the_command_serves_and_ends(self, rig: Rig) -> None:
        done = rig.cli("tokens", "make", "shop", "--scope", "send", "--scope", "read", "--json")
        secret = json.loads(done.stdout)["secret"]
        assert [json.loads(line)["name"] for line in rig.cli("tokens", "--json").stdout.splitlines()] == ["shop"]
        process = rig.start("console", "--port", "0")
        try:
            assert process.stdout is not None
            url = process.stdout.readline().decode().strip()
            made = httpx.post(f"{url}/v1/intents", json=an_intent(), headers=bearer(secret), timeout=60)
            assert made.status_code == 202
            assert rig.wooshq.status(made.json()["id"]) is not None
            ready = httpx.get(f"{url}/readyz", timeout=60)
            assert (ready.status_code, ready.json()) == (200, {"status": "ready", "redis": True, "worker": False})
        finally:
            process.terminate()
            _, said = process.communicate(timeout=60)
        assert process.returncode in (0, -15), said
        assert secret.encode() not in said
        assert rig.cli("tokens", "revoke", "shop").returncode == 0
        assert rig.cli("tokens", "revoke", "shop").returncode == 1

    def test_the_command_says_what_is_wrong_with_the_address(self, rig: Rig) -> None:
        done = rig.cli("console", "--host", "0.0.0.0", "--port", "0")
        assert (done.returncode, b"wooshq tokens make" in done.stderr) == (2, True)
