"""What the shop tells its users. No Redis, no worker: `wooshq_outbox` is a fixture of wooshq's test kit."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from shop import create_app

from wooshq.testing import Outbox, SandboxOfTest, assert_enqueued, refute_enqueued


@pytest.fixture
def client(wooshq_outbox: Outbox) -> FlaskClient:
    return create_app(TESTING=True).test_client()


def test_the_user_hears_once_that_the_order_is_shipped(client: FlaskClient) -> None:
    number = client.post("/orders", json={"user": "ann"}).get_json()["id"]
    refute_enqueued()
    for _ in range(2):
        assert client.post(f"/orders/{number}/shipped").status_code == 202
    assert_enqueued(recipient="ann", message__push__title="Shipped", count=1)


def test_a_code_comes_in_time_or_never(client: FlaskClient, wooshq_outbox: Outbox, wooshq_sandbox: SandboxOfTest) -> None:
    client.post("/code", json={"user": "ann", "code": "482913", "request_id": "r1"})
    wooshq_outbox.advance(301)
    wooshq_outbox.drain()
    client.post("/code", json={"user": "ann", "code": "482914", "request_id": "r2"})
    wooshq_outbox.drain()
    assert len(wooshq_sandbox.accepted) == 1


def test_a_request_id_with_another_code_is_a_problem(client: FlaskClient) -> None:
    client.post("/code", json={"user": "ann", "code": "482913", "request_id": "r1"})
    told = client.post("/code", json={"user": "ann", "code": "999999", "request_id": "r1"})
    assert (told.status_code, told.get_json(force=True)["fields"]) == (422, ["message.sms.body"])


def test_a_redis_that_is_down_is_503(client: FlaskClient, wooshq_outbox: Outbox) -> None:
    with wooshq_outbox.unavailable():
        told = client.post("/code", json={"user": "ann", "code": "482913", "request_id": "r1"})
    assert (told.status_code, told.headers["Retry-After"]) == (503, "5")


def test_one_wrong_user_does_not_stop_the_newsletter(client: FlaskClient) -> None:
    assert client.post("/newsletter", json={"users": ["ann", "", "bob"]}).get_json() == {"accepted": 2, "refused": [""]}
    assert_enqueued(message__push__title="News", count=2)
