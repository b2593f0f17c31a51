"""What the shop tells its users. No Redis, no worker: `wooshq_outbox` is a fixture of wooshq's test kit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from shop_api import app, orders

from wooshq import status
from wooshq.testing import Outbox, SandboxOfTest, assert_enqueued, refute_enqueued

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`")


@pytest.fixture
def client(wooshq_outbox: Outbox) -> Iterator[TestClient]:
    orders.by_id.clear()
    with TestClient(app) as opened:
        yield opened


def order(client: TestClient, user: str = "u1") -> int:
    number: int = client.post("/orders", json={"user": user, "items": 2}).json()["id"]
    return number


def test_an_order_alone_tells_nobody(client: TestClient) -> None:
    order(client)
    refute_enqueued()


def test_the_user_hears_that_the_order_is_shipped(client: TestClient) -> None:
    number = order(client, "ann")
    assert client.post(f"/orders/{number}/shipped").status_code == 202
    assert_enqueued(recipient="ann", message__push__title__de="Unterwegs", tags={"order": str(number)}, count=1)


def test_a_request_that_is_repeated_makes_one_message(client: TestClient) -> None:
    number = order(client)
    assert client.post(f"/orders/{number}/shipped").json() == client.post(f"/orders/{number}/shipped").json()
    assert_enqueued(count=1)


def test_an_unknown_order_tells_nobody(client: TestClient) -> None:
    assert client.post("/orders/77/shipped").status_code == 404
    refute_enqueued()


def test_an_order_of_nobody_is_a_problem_with_its_field(client: TestClient) -> None:
    told = client.post(f"/orders/{order(client, '')}/shipped")
    assert told.status_code == 422
    assert [error["field"] for error in told.json()["errors"]] == ["to.users.0"]


def test_a_redis_that_is_down_is_503_and_the_client_may_repeat(client: TestClient, wooshq_outbox: Outbox) -> None:
    number = order(client)
    with wooshq_outbox.unavailable():
        told = client.post(f"/orders/{number}/shipped")
    assert (told.status_code, told.headers["retry-after"]) == (503, "5")
    assert client.post(f"/orders/{number}/shipped").status_code == 202
    assert_enqueued(count=1)


def test_a_late_code_is_not_sent(client: TestClient, wooshq_outbox: Outbox) -> None:
    told = client.post(f"/orders/{order(client)}/code?code=482913").json()["id"]
    wooshq_outbox.advance(301)
    wooshq_outbox.drain()
    assert client.get(f"/messages/{told}").json()["state"] == "expired"


def test_everybody_who_ordered_hears_of_the_sale_once(client: TestClient, wooshq_outbox: Outbox, wooshq_sandbox: SandboxOfTest) -> None:
    for user in ("ann", "bob", "ann"):
        order(client, user)
    first = client.post("/sale?name=Summer").json()
    assert client.post("/sale?name=Summer").json() == first
    wooshq_outbox.drain()
    assert sorted(user for call in wooshq_sandbox.accepted for user in call.recipients) == ["ann", "bob"]


def test_a_message_arrives_although_the_api_fails_for_a_while(
    client: TestClient, wooshq_outbox: Outbox, wooshq_sandbox: SandboxOfTest
) -> None:
    wooshq_sandbox.set_faults({"effect": "status", "status": 503, "until_s": 600})
    told = client.post(f"/orders/{order(client)}/shipped").json()["id"]
    wooshq_outbox.drain(for_s=3600)
    found = status(told)
    assert found is not None
    assert found.state == "sent"
