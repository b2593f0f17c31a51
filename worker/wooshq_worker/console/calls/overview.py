"""What is wrong now, and how everything is."""

from __future__ import annotations

from starlette.responses import Response

from wooshq.overview.show import Overview
from wooshq.tokens.token import Scope
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import model_of

room = Room("overview", "What is wrong now, and how everything is.")


@room.call("GET", "/v1/overview", "getOverview", Scope.READ, answers={200: model_of(Overview)})
async def overview(call: Call) -> Response:
    """
    What is wrong now, since when, and what to do; how lanes, workers, gates and jobs are.

    What it costs Redis does not grow with how many messages wait, only with how many applications have some: 200 of each lane are looked at.
    """
    return answers.one(await call.client.overview())
