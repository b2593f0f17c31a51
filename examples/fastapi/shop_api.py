"""An order shop in FastAPI: its users hear when an order is shipped, and when a sale begins."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from wooshq.fastapi import WooshqClient, answer_with_problem_details, lifespan

app = FastAPI(title="Shop", lifespan=lifespan)
answer_with_problem_details(app)


class NewOrder(BaseModel):
    """What a user orders."""

    user: str
    items: Annotated[int, Field(gt=0)]


@dataclass
class Order:
    """An order that was paid."""

    id: int
    user: str
    items: int


@dataclass
class Orders:
    """In memory here. With a database, enqueue in its transaction: see "The outbox" in docs/web-apps.md."""

    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    by_id: dict[int, Order] = field(default_factory=dict)

    def add(self, new: NewOrder) -> Order:
        order = Order(next(self.numbers), new.user, new.items)
        self.by_id[order.id] = order
        return order

    def find(self, order_id: int) -> Order:
        if order_id not in self.by_id:
            raise HTTPException(404, "no such order")
        return self.by_id[order_id]


orders = Orders()


@app.post("/orders", status_code=201)
async def add_order(new: NewOrder) -> Order:
    return orders.add(new)


@app.post("/orders/{order_id}/shipped", status_code=202)
async def ship(order_id: int, wooshq: WooshqClient) -> dict[str, str]:
    """May be repeated: the key makes one message of it. If Redis is down, the client gets 503, and repeats it."""
    order = orders.find(order_id)
    told = await wooshq.enqueue(
        {
            "to": {"users": [order.user]},
            "message": {
                "push": {
                    "title": {"en": "Shipped", "de": "Unterwegs"},
                    "body": {"en": f"Order {order.id} is on its way", "de": f"Bestellung {order.id} ist unterwegs"},
                    "link": f"https://shop.example/orders/{order.id}",
                }
            },
            "idempotency_key": f"shop-shipped-{order.id}",
            "tags": {"order": str(order.id)},
        }
    )
    return {"id": told}


@app.post("/orders/{order_id}/code", status_code=202)
async def send_code(order_id: int, code: Annotated[str, Field(pattern=r"^\d{6}$")], wooshq: WooshqClient) -> dict[str, str]:
    """The code opens the parcel box. A late code is of no use, so it is not sent after five minutes."""
    order = orders.find(order_id)
    told = await wooshq.enqueue({"to": {"users": [order.user]}, "message": {"sms": {"body": f"Your code is {code}"}}, "ttl_s": 300})
    return {"id": told}


@app.post("/sale", status_code=202)
async def announce(name: str, wooshq: WooshqClient) -> dict[str, str]:
    """Everybody who ordered hears of the sale once, however often this is called for the same sale."""
    template = {
        "message": {"push": {"title": "Sale", "body": "{name} has begun"}},
        "idempotency_key": f"shop-sale-{name}",
    }
    users = dict.fromkeys(order.user for order in orders.by_id.values())
    job = await wooshq.fan_out(template, [{"user": user, "name": name} for user in users])
    return {"job": job.id}


@app.get("/messages/{message_id}")
async def message(message_id: str, wooshq: WooshqClient) -> dict[str, str | None]:
    found = await wooshq.status(message_id)
    if found is None:
        raise HTTPException(404, "no such message")
    return {"state": found.state, "waiting_for": found.waiting_for}
