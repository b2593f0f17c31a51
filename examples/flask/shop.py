"""An order shop in Flask: its users get a code when they sign in, and hear when an order is shipped."""

from __future__ import annotations

import itertools
from typing import Any

from flask import Flask, abort, request

from wooshq.flask import FlaskWooshq

wooshq = FlaskWooshq()


def create_app(**config: Any) -> Flask:
    """The app. config: settings of Flask, and of wooshq under their names (`WOOSHQ_REDIS_URL=…`); otherwise the environment counts."""
    app = Flask(__name__)
    app.config.update(config)
    wooshq.init_app(app)
    orders: dict[int, str] = {}
    numbers = itertools.count(1)

    @app.post("/orders")
    def add_order() -> tuple[dict[str, Any], int]:
        number = next(numbers)
        orders[number] = str(request.get_json()["user"])
        return {"id": number}, 201

    @app.post("/orders/<int:number>/shipped")
    def ship(number: int) -> tuple[dict[str, str], int]:
        """May be repeated: the key makes one message of it."""
        if number not in orders:
            abort(404)
        intent = {
            "to": {"users": [orders[number]]},
            "message": {"push": {"title": "Shipped", "body": f"Order {number} is on its way"}},
            "idempotency_key": f"shop-shipped-{number}",
        }
        return {"id": wooshq.client.enqueue(intent)}, 202

    @app.post("/code")
    def code() -> tuple[dict[str, str], int]:
        """The phone app makes `request_id`: if it repeats the request, one message is sent. After five minutes none is."""
        asked = request.get_json()
        intent = {
            "to": {"users": [str(asked["user"])]},
            "message": {"sms": {"body": f"Your code is {asked['code']}"}},
            "ttl_s": 300,
            "idempotency_key": f"shop-code-{asked['request_id']}",
        }
        return {"id": wooshq.client.enqueue(intent)}, 202

    @app.post("/newsletter")
    def newsletter() -> tuple[dict[str, Any], int]:
        """Many messages at once. An address that is wrong does not stop the others."""
        users = [str(user) for user in request.get_json()["users"]]
        report = wooshq.client.enqueue_many({"to": {"users": [user]}, "message": {"push": {"title": "News"}}} for user in users)
        return {"accepted": report.accepted, "refused": [users[index] for index in report.errors]}, 202

    return app
