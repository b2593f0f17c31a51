"""wooshq in a FastAPI app: the client is opened and closed with the app, requests share it, and its errors are problem details."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient

from tests.rig import an_intent
from wooshq import JobUnknown, NotAccepted, SettingsInvalid, Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.fastapi import WooshqClient, answer_with_problem_details, lifespan, wooshq_client
from wooshq.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`")


def routes(app: FastAPI) -> FastAPI:
    answer_with_problem_details(app)

    @app.post("/send", status_code=202)
    async def send(intent: dict[str, Any], wooshq: WooshqClient) -> dict[str, str]:
        return {"id": await wooshq.enqueue(intent)}

    @app.get("/which")
    async def which(wooshq: WooshqClient) -> int:
        return id(wooshq)

    @app.get("/jobs/{job_id}")
    async def job(job_id: str, wooshq: WooshqClient) -> dict[str, Any]:
        return (await wooshq.bulk.show(job_id)).as_dict()

    @app.websocket("/ws")
    async def socket(ws: WebSocket, wooshq: WooshqClient) -> None:
        await ws.accept()
        await ws.send_text(await wooshq.enqueue(an_intent()))
        await ws.close()

    return app


@pytest.fixture
def client(wooshq: Wooshq) -> Iterator[TestClient]:
    app = routes(FastAPI(lifespan=functools.partial(lifespan, settings=wooshq.settings)))
    with TestClient(app) as opened:
        yield opened


def gone(settings: Settings) -> Settings:
    return settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0", "broker_url": None, "accept_within_s": 0.5})


class WhenTheAppRuns:
    def test_a_message_is_accepted(self, client: TestClient, wooshq: Wooshq) -> None:
        done = client.post("/send", json=an_intent())
        assert done.status_code == 202
        assert wooshq.status(done.json()["id"]) is not None

    def test_requests_share_one_client(self, client: TestClient) -> None:
        assert client.get("/which").json() == client.get("/which").json()

    def test_a_websocket_has_it_too(self, client: TestClient, wooshq: Wooshq) -> None:
        with client.websocket_connect("/ws") as ws:
            assert wooshq.status(ws.receive_text()) is not None

    def test_an_app_mounted_in_it_has_it_too(self, wooshq: Wooshq) -> None:
        outer = FastAPI(lifespan=functools.partial(lifespan, settings=wooshq.settings))
        outer.mount("/inner", routes(FastAPI()))
        with TestClient(outer) as client:
            assert client.post("/inner/send", json=an_intent()).status_code == 202

    def test_a_lifespan_of_ones_own_can_hold_it(self, wooshq: Wooshq) -> None:
        @asynccontextmanager
        async def own(app: FastAPI) -> AsyncIterator[None]:
            async with lifespan(app, settings=wooshq.settings):
                yield

        with TestClient(routes(FastAPI(lifespan=own))) as client:
            assert client.post("/send", json=an_intent()).status_code == 202

    def test_a_test_can_override_the_dependency(self, wooshq: Wooshq) -> None:
        app = routes(FastAPI())
        app.dependency_overrides[wooshq_client] = lambda: AsyncWooshq(wooshq.settings)
        assert TestClient(app).post("/send", json=an_intent()).status_code == 202


class WhenTheAppStartsAndEnds:
    def test_what_waits_is_published_and_the_client_is_closed(self, wooshq: Wooshq) -> None:
        app = routes(FastAPI(lifespan=functools.partial(lifespan, settings=wooshq.settings)))
        with TestClient(app) as client:
            client.post("/send", json=an_intent())
            opened: AsyncWooshq = app.state.wooshq
            assert opened.installation._publisher is not None
        assert opened.installation._publisher is None
        assert opened._clients._held == {}

    def test_a_redis_that_is_down_does_not_stop_the_start(self, wooshq: Wooshq) -> None:
        app = routes(FastAPI(lifespan=functools.partial(lifespan, settings=gone(wooshq.settings))))
        with TestClient(app) as client:
            assert client.post("/send", json=an_intent()).status_code == 503

    def test_settings_that_are_wrong_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WOOSHQ_ACCEPT_WITHIN_S", "soon")
        with pytest.raises(SettingsInvalid, match="WOOSHQ_ACCEPT_WITHIN_S"), TestClient(FastAPI(lifespan=lifespan)):
            pass

    def test_without_the_lifespan_it_is_said_what_is_missing(self) -> None:
        with pytest.raises(RuntimeError, match=r"lifespan=wooshq\.fastapi\.lifespan"):
            TestClient(routes(FastAPI())).get("/which")


class WhenWooshqRaises:
    def test_an_invalid_message_is_422_with_every_field(self, client: TestClient) -> None:
        done = client.post("/send", json={"to": {"users": [""]}, "message": {"push": {"titel": "Hi"}}})
        assert done.status_code == 422
        assert done.headers["content-type"] == "application/problem+json"
        told = done.json()
        assert (told["type"], told["status"]) == ("urn:wooshq:intent-invalid", 422)
        assert {error["field"] for error in told["errors"]} == {"to.users.0", "message.push.titel"}
        assert any("title" in error["hint"] for error in told["errors"])

    def test_a_key_with_other_content_is_422_with_the_fields_that_differ(self, client: TestClient) -> None:
        first = client.post("/send", json=an_intent("secret-user", idempotency_key="k-1")).json()["id"]
        done = client.post("/send", json=an_intent("other-user", idempotency_key="k-1"))
        assert done.status_code == 422
        assert done.json()["type"] == "urn:wooshq:conflict"
        assert (done.json()["accepted_id"], done.json()["fields"]) == (first, ["to.users"])
        assert "user" not in done.text.replace("to.users", "")

    def test_a_message_that_is_not_accepted_is_503_with_the_id_to_repeat_with(self, wooshq: Wooshq) -> None:
        app = routes(FastAPI(lifespan=functools.partial(lifespan, settings=gone(wooshq.settings))))
        with TestClient(app) as away:
            done = away.post("/send", json=an_intent())
        assert (done.status_code, done.headers["retry-after"]) == (503, "5")
        assert "127.0.0.1" not in done.text, "where Redis is, is nobody's business outside"
        told = done.json()
        assert told["ids"] == [told["id"]]
        with TestClient(routes(FastAPI(lifespan=functools.partial(lifespan, settings=wooshq.settings)))) as back:
            again = [back.post("/send", json=an_intent(id=told["id"])) for _ in range(2)]
        assert [one.json() for one in again] == [{"id": told["id"]}] * 2
        assert wooshq.counts()["accepted"] == 1

    def test_an_unknown_job_is_404(self, client: TestClient) -> None:
        done = client.get("/jobs/01a2107a-db08-7636-a22a-a0707f5f3714")
        assert (done.status_code, done.json()["type"]) == (404, "urn:wooshq:unknown-id")

    def test_a_handler_of_the_apps_own_wins(self, wooshq: Wooshq) -> None:
        app = routes(FastAPI(lifespan=functools.partial(lifespan, settings=wooshq.settings)))

        @app.exception_handler(JobUnknown)
        async def own(*_: object) -> Any:
            from fastapi.responses import PlainTextResponse

            return PlainTextResponse("ours", 410)

        with TestClient(app) as client:
            assert client.get("/jobs/01a2107a-db08-7636-a22a-a0707f5f3714").status_code == 410

    def test_a_loss_of_many_names_every_id(self) -> None:
        from wooshq.problem_details import problem_details

        told = problem_details(NotAccepted("away", intent_ids=["a", "b"], maybe_done=True)).members
        assert (told["id"], told["ids"], told["maybe_done"]) == (None, ["a", "b"], True)
        with pytest.raises(TypeError, match="for the operator"):
            problem_details(SettingsInvalid("no"))
