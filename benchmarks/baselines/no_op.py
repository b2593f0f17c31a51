"""What the HTTP API is compared with: the same framework and server, which check a body in the same way, and do nothing with it."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from wooshq.intents.entry import new_id
from wooshq_schemas import parse_intent_json
from wooshq_worker.console.serve import listen

APPLICATION = "AAAAA-BBBBB"


def make_app() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.post("/v1/intents", status_code=202)
    async def no_op(request: Request) -> JSONResponse:
        parse_intent_json(await request.body(), application=APPLICATION)
        made = new_id()
        return JSONResponse({"id": made, "location": f"/v1/intents/{made}"}, 202)

    return app


if __name__ == "__main__":
    listening = listen("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(make_app(), log_config=None, access_log=False, server_header=False, proxy_headers=False)
    uvicorn.Server(config).run([listening])
