"""The gateways that ours is compared with: `python -m benchmarks.rivals NAME PORT UPSTREAM_PORT`.

Each runs on uvicorn as it comes, access log included.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi_proxy_lib.fastapi.app import reverse_http_app

HOST = "127.0.0.1"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
NOT_FORWARDED = {"connection", "content-encoding", "content-length", "transfer-encoding"}


def proxy_lib(upstream: str) -> FastAPI:
    """fastapi-proxy-lib, as its documentation shows it."""
    return reverse_http_app(base_url=f"{upstream}/")


def usual_way(upstream: str) -> FastAPI:
    """Return a gateway as tutorials write it: one route that calls an httpx client."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=upstream) as client:
            app.state.client = client
            yield

    app = FastAPI(lifespan=lifespan)

    @app.api_route("/{path:path}", methods=METHODS)
    async def forward(path: str, request: Request) -> Response:
        answer = await request.app.state.client.request(
            request.method,
            f"/{path}",
            params=request.query_params,
            headers={name: value for name, value in request.headers.items() if name != "host"},
            content=await request.body(),
        )
        headers = {k: v for k, v in answer.headers.items() if k not in NOT_FORWARDED}
        return Response(answer.content, answer.status_code, headers)

    return app


def direct(upstream: str) -> FastAPI:
    """Return an application that is no gateway: it answers with the same bytes by itself."""
    small = httpx.get(f"{upstream}/articles/1").content
    large = httpx.get(f"{upstream}/articles/2").content
    app = FastAPI()

    @app.get("/articles/1")
    async def get_small() -> Response:
        return Response(small, media_type="application/json")

    @app.get("/articles/2")
    async def get_large() -> Response:
        return Response(large, media_type="application/json")

    @app.post("/articles/")
    async def post(request: Request) -> Response:
        await request.body()
        return Response(small, 201, media_type="application/json")

    return app


RIVALS = {"proxy_lib": proxy_lib, "usual_way": usual_way, "direct": direct}

if __name__ == "__main__":
    name, port, upstream_port = sys.argv[1:]
    uvicorn.run(RIVALS[name](f"http://{HOST}:{upstream_port}"), host=HOST, port=int(port))
