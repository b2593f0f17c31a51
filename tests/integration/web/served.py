"""Two small apps for the servers: each request enqueues a message for a user."""

from __future__ import annotations

import os

from fastapi import FastAPI
from flask import Flask

import wooshq
from wooshq.fastapi import WooshqClient, answer_with_problem_details, lifespan
from wooshq.flask import FlaskWooshq

USE_BEFORE_FORK = "USE_WOOSHQ_BEFORE_FORK"


def an_intent(user: str) -> dict[str, object]:
    return {"to": {"users": [user]}, "message": {"push": {"title": "Hi"}}}


flask_app = Flask(__name__)
extension = FlaskWooshq(flask_app)


@flask_app.post("/<user>")
def send(user: str) -> tuple[dict[str, object], int]:
    return {"id": extension.client.enqueue(an_intent(user)), "pid": os.getpid()}, 202


fastapi_app = FastAPI(lifespan=lifespan)
answer_with_problem_details(fastapi_app)


@fastapi_app.post("/{user}", status_code=202)
async def send_async(user: str, wooshq: WooshqClient) -> dict[str, object]:
    return {"id": await wooshq.enqueue(an_intent(user)), "pid": os.getpid()}


if os.environ.get(USE_BEFORE_FORK):
    with flask_app.app_context():
        extension.client.enqueue(an_intent("before-fork"))
    wooshq.enqueue(an_intent("before-fork-too"))
