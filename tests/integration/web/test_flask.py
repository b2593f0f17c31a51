"""wooshq in a Flask app: one client for the app, its settings, and problem details for its errors."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, request

from tests.rig import an_intent
from wooshq import SettingsInvalid, Wooshq
from wooshq.flask import FlaskWooshq


def an_app(extension: FlaskWooshq, **config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(config)
    extension.init_app(app)

    @app.post("/send")
    def send() -> tuple[dict[str, str], int]:
        return {"id": extension.client.enqueue(request.json)}, 202

    return app


@pytest.fixture
def app(redis_url: str, broker_url: str) -> Flask:
    return an_app(FlaskWooshq(), WOOSHQ_REDIS_URL=redis_url, WOOSHQ_BROKER_URL=broker_url, PUSHWOOSH_APPLICATION="AAAAA-BBBBB")


class WhenTheAppRuns:
    def test_a_message_is_accepted_with_the_settings_of_the_apps_config(self, app: Flask, wooshq: Wooshq) -> None:
        done = app.test_client().post("/send", json=an_intent())
        assert done.status_code == 202
        assert wooshq.status(done.get_json()["id"]) is not None

    def test_requests_share_one_client(self, app: Flask) -> None:
        extension = FlaskWooshq(app)
        with app.app_context():
            one = extension.client
        with app.app_context():
            assert extension.client is one

    def test_two_apps_have_two(self, redis_url: str) -> None:
        extension = FlaskWooshq()
        found = []
        for _ in range(2):
            with an_app(extension, WOOSHQ_REDIS_URL=redis_url).app_context():
                found.append(extension.client)
        assert found[0] is not found[1]

    def test_without_settings_in_the_config_those_of_the_environment_count(self, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
        extension = FlaskWooshq()
        app = an_app(extension)
        monkeypatch.setenv("WOOSHQ_REDIS_URL", redis_url)
        with app.app_context():
            assert extension.client.settings.redis_url == redis_url

    def test_settings_that_are_wrong_are_named_when_the_app_is_made(self) -> None:
        with pytest.raises(SettingsInvalid, match="WOOSHQ_ACCEPT_WITHIN_S"):
            an_app(FlaskWooshq(), WOOSHQ_ACCEPT_WITHIN_S="soon")

    def test_an_app_without_it_is_told_what_is_missing(self) -> None:
        with Flask(__name__).app_context(), pytest.raises(RuntimeError, match="init_app"):
            _ = FlaskWooshq().client


class WhenWooshqRaises:
    def test_an_invalid_message_is_422_with_every_field(self, app: Flask) -> None:
        done = app.test_client().post("/send", json={"to": {"users": [""]}, "message": {"push": {"titel": "Hi"}}})
        assert (done.status_code, done.content_type) == (422, "application/problem+json")
        assert {error["field"] for error in done.get_json(force=True)["errors"]} == {"to.users.0", "message.push.titel"}

    def test_a_key_with_other_content_is_422(self, app: Flask) -> None:
        client = app.test_client()
        assert client.post("/send", json=an_intent("u1", idempotency_key="k-1")).status_code == 202
        done = client.post("/send", json=an_intent("u2", idempotency_key="k-1"))
        assert (done.status_code, done.get_json(force=True)["fields"]) == (422, ["to.users"])

    def test_a_message_that_is_not_accepted_is_503_with_the_id_to_repeat_with(self) -> None:
        app = an_app(FlaskWooshq(), WOOSHQ_REDIS_URL="redis://127.0.0.1:1/0", PUSHWOOSH_APPLICATION="AAAAA-BBBBB")
        done = app.test_client().post("/send", json=an_intent())
        assert (done.status_code, done.headers["Retry-After"]) == (503, "5")
        assert done.get_json(force=True)["id"]
